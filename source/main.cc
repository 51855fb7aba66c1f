#include "source/server/run.h"

/**
 * Read by jemalloc: a thread of its own gives unused memory back to the system, which otherwise would wait for the arena
 * that holds it to be used again; after a large update the decoder's may never be.
 */
extern "C" {
const char* malloc_conf = "background_thread:true";
}

int main(int argc, char** argv) { return sluice::server::run(argc, argv); }
