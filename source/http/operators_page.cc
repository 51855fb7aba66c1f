// Writes docs/access_logs.md: `bazel run //source/http:operators_page`. Called otherwise, it prints the page.

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "source/http/access_log_operators.h"

int main() {
  const std::string page = sluice::access_log::operatorsPage(sluice::http::accessLogOperators());
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");  // set by `bazel run`
  if (workspace == nullptr) {
    std::cout << page;
    return 0;
  }
  const std::string file = std::string(workspace) + "/docs/access_logs.md";
  if (!(std::ofstream(file) << page << std::flush)) {
    std::cerr << "cannot write " << file << "\n";
    return 1;
  }
  return 0;
}
