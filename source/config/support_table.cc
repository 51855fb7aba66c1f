// Writes docs/xds_support.md: `bazel run //source/config:support_table`. Called otherwise, it prints the page.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "source/config/support_page.h"

int main() {
  const std::string page = sluice::config::supportPage(sluice::config::SupportTable::builtin());
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");  // set by `bazel run`
  const std::string file = workspace == nullptr ? "/dev/stdout" : std::string(workspace) + "/docs/xds_support.md";
  std::FILE* out = std::fopen(file.c_str(), "w");
  if (out == nullptr) {
    std::perror(file.c_str());
    return 1;
  }
  const bool written = std::fwrite(page.data(), 1, page.size(), out) == page.size();
  return std::fclose(out) == 0 && written ? 0 : 1;
}
