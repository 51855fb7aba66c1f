#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::test {

/** A directory of its own for one test. */
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* base = getenv("TEST_TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/sluice-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) {
      abort();
    }
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  /** In place. */
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(file(name), std::ios::trunc) << content;
  }
  /** As it should be done: written beside, and renamed over. */
  void replace(const std::string& name, const std::string& content) const {
    write("." + name + ".new", content);
    rename(file("." + name + ".new").c_str(), file(name).c_str());
  }
  void remove(const std::string& name) const { unlink(file(name).c_str()); }

 private:
  std::string path_;
};

}  // namespace sluice::test
