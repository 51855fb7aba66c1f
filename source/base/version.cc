#include "source/base/version.h"

#include <string>

#include "absl/strings/str_cat.h"

extern "C" {
// Defined by the stamped file that source/BUILD.bazel generates for the program; tests have none.
__attribute__((weak)) const char* sluiceBuildRevision();
__attribute__((weak)) const char* sluiceBuildState();
}

namespace sluice::base {

absl::string_view versionString() {
#ifdef NDEBUG
  constexpr absl::string_view kBuildType = "RELEASE";
#else
  constexpr absl::string_view kBuildType = "DEBUG";
#endif
  static const std::string* const kText = new std::string(absl::StrCat(
      sluiceBuildRevision != nullptr ? sluiceBuildRevision() : "0000000000000000000000000000000000000000", "/",
      kVersion, "/", sluiceBuildState != nullptr ? sluiceBuildState() : "Modified", "/", kBuildType, "/OpenSSL"));
  return *kText;
}

}  // namespace sluice::base
