#include "source/server/run.h"

int main(int argc, char** argv) { return sluice::server::run(argc, argv); }
