#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envoy/config/core/v3/base.pb.h"

#include "source/config/canonical_key.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace sluice::config {

/// A file that a configuration names may be this big.
constexpr size_t kMaxDataSourceBytes = 64 * 1024 * 1024;

/// The bytes that a DataSource stands for: inline, of a file, or of an environment variable. Null, with a violation
/// that names the file or the variable, if it cannot be had. Reads the file at the time of the call, so on main only.
std::optional<std::string> readDataSource(const envoy::config::core::v3::DataSource& source, const FieldPath& path,
                                          Violations& violations);

/// Notes the files that readFile() is asked for on this thread while it lives, so that what was made of them can tell
/// when it is out of date; whoever reads on behalf of a resource need not know of it. They nest: the innermost notes.
class FilesRead {
 public:
  FilesRead();
  ~FilesRead();
  FilesRead(const FilesRead&) = delete;

  /// A file, and what it held.
  struct File {
    std::string path;
    ContentKey content;
  };
  std::vector<File> take() { return std::move(files_); }

  /// Tells the innermost of this thread, if there is one, of files that were noted elsewhere.
  static void note(const std::vector<File>& files);

  /// Whether all of them still hold that. Reads them again.
  static bool current(const std::vector<File>& files);

 private:
  friend std::optional<std::string> readFile(const std::string&, const FieldPath&, Violations&);

  FilesRead* const outer_;
  std::vector<File> files_;
};

/// The content of a file; null, with a violation at `path` that names it and the reason.
std::optional<std::string> readFile(const std::string& file, const FieldPath& path, Violations& violations);

}  // namespace sluice::config
