#include "source/config/data_source.h"

#include <cstdlib>
#include <fstream>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace sluice::config {
namespace {

using envoy::config::core::v3::DataSource;

class DataSourceTest : public testing::Test {
 protected:
  std::optional<std::string> read() { return readDataSource(source_, FieldPath("response"), violations_); }

  void expectViolation(absl::string_view path, absl::string_view part) {
    ASSERT_EQ(violations_.size(), 1);
    EXPECT_EQ(violations_.list()[0].path, path);
    EXPECT_TRUE(absl::StrContains(violations_.list()[0].reason, part)) << violations_.list()[0].reason;
  }

  DataSource source_;
  Violations violations_;
};

TEST_F(DataSourceTest, Inline) {
  source_.set_inline_string("text");
  EXPECT_EQ(read(), "text");
  source_.set_inline_bytes(std::string("\0\xFF", 2));
  EXPECT_EQ(read(), std::string("\0\xFF", 2));
  EXPECT_TRUE(violations_.empty());
}

TEST_F(DataSourceTest, File) {
  const std::string file = testing::TempDir() + "/data_source_test.txt";
  std::ofstream(file, std::ios::binary) << std::string(100'000, 'x') << '\0' << "end";
  source_.set_filename(file);
  EXPECT_EQ(read(), std::string(100'000, 'x') + std::string("\0end", 4));
}

TEST_F(DataSourceTest, WhatIsMadeOfFilesKnowsWhenTheyHaveChanged) {
  const std::string file = testing::TempDir() + "/data_source_test_files.txt";
  std::ofstream(file) << "one";
  source_.set_filename(file);
  std::vector<FilesRead::File> files;
  {
    FilesRead outer;
    FilesRead inner;
    EXPECT_EQ(read(), "one");
    files = inner.take();
    EXPECT_TRUE(outer.take().empty());
  }
  EXPECT_EQ(read(), "one") << "nobody notes it";
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].path, file);
  EXPECT_TRUE(FilesRead::current(files));
  std::ofstream(file) << "two";
  EXPECT_FALSE(FilesRead::current(files));
  std::ofstream(file) << "one";
  EXPECT_TRUE(FilesRead::current(files));
  ASSERT_EQ(remove(file.c_str()), 0);
  EXPECT_FALSE(FilesRead::current(files));
  EXPECT_TRUE(FilesRead::current({}));
}

TEST_F(DataSourceTest, FileThatIsNotThereIsNamed) {
  source_.set_filename("/no/such/file.txt");
  EXPECT_EQ(read(), std::nullopt);
  expectViolation("response.filename", "'/no/such/file.txt': No such file or directory");
}

TEST_F(DataSourceTest, DirectoryIsNoFile) {
  source_.set_filename("/tmp");
  EXPECT_EQ(read(), std::nullopt);
  expectViolation("response.filename", "'/tmp': Is a directory");
}

TEST_F(DataSourceTest, EnvironmentVariable) {
  setenv("SLUICE_DATA_SOURCE_TEST", "from outside", 1);
  source_.set_environment_variable("SLUICE_DATA_SOURCE_TEST");
  EXPECT_EQ(read(), "from outside");
  unsetenv("SLUICE_DATA_SOURCE_TEST");
  EXPECT_EQ(read(), std::nullopt);
  expectViolation("response.environment_variable", "SLUICE_DATA_SOURCE_TEST");
}

TEST_F(DataSourceTest, EmptyIsRefused) {
  EXPECT_EQ(read(), std::nullopt);
  expectViolation("response", "is required");
}

}  // namespace
}  // namespace sluice::config
