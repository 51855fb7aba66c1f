#include "source/config/data_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace sluice::config {
namespace {

std::nullopt_t failed(const std::string& file, const FieldPath& path, absl::string_view reason,
                      Violations& violations) {
  violations.add(path, absl::StrCat("cannot read '", file, "': ", reason));
  return std::nullopt;
}

std::string reasonOf(int error) { return std::generic_category().message(error); }

thread_local FilesRead* innermost = nullptr;

}  // namespace

FilesRead::FilesRead() : outer_(std::exchange(innermost, this)) {}

FilesRead::~FilesRead() { innermost = outer_; }

void FilesRead::note(const std::vector<File>& files) {
  if (innermost != nullptr) {
    innermost->files_.insert(innermost->files_.end(), files.begin(), files.end());
  }
}

bool FilesRead::current(const std::vector<File>& files) {
  for (const File& file : files) {
    Violations unreadable;
    const std::optional<std::string> content = readFile(file.path, FieldPath(), unreadable);
    if (!content.has_value() || contentKey(*content) != file.content) {
      return false;
    }
  }
  return true;
}

std::optional<std::string> readFile(const std::string& file, const FieldPath& path, Violations& violations) {
  // Not to wait for the other end, should it be a named pipe.
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return failed(file, path, reasonOf(errno), violations);
  }
  const auto closer = absl::MakeCleanup([descriptor] { close(descriptor); });
  struct stat status {};
  if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    return failed(file, path, reasonOf(EISDIR), violations);
  }
  std::string content;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t count = read(descriptor, buffer, sizeof(buffer));
    if (count == 0) {
      if (innermost != nullptr) {
        innermost->files_.push_back({file, contentKey(content)});
      }
      return content;
    }
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      return failed(file, path, reasonOf(errno), violations);
    }
    content.append(buffer, static_cast<size_t>(count));
    if (content.size() > kMaxDataSourceBytes) {
      return failed(file, path, absl::StrCat("it is bigger than ", kMaxDataSourceBytes, " bytes"), violations);
    }
  }
}

std::optional<std::string> readDataSource(const envoy::config::core::v3::DataSource& source, const FieldPath& path,
                                          Violations& violations) {
  using envoy::config::core::v3::DataSource;
  switch (source.specifier_case()) {
    case DataSource::kFilename:
      return readFile(source.filename(), path.field("filename"), violations);
    case DataSource::kInlineBytes:
      return source.inline_bytes();
    case DataSource::kInlineString:
      return source.inline_string();
    case DataSource::kEnvironmentVariable: {
      const char* value = std::getenv(source.environment_variable().c_str());
      if (value == nullptr) {
        violations.add(path.field("environment_variable"),
                       absl::StrCat("the environment has no variable '", source.environment_variable(), "'"));
        return std::nullopt;
      }
      return value;
    }
    case DataSource::SPECIFIER_NOT_SET:
      break;
  }
  violations.add(path, "one of filename, inline_bytes, inline_string, environment_variable is required");
  return std::nullopt;
}

}  // namespace sluice::config
