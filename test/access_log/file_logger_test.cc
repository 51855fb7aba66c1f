#include "source/access_log/file_logger.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "gtest/gtest.h"

#include "source/stats/store.h"

namespace sluice::access_log {
namespace {

using envoy::config::accesslog::v3::AccessLog;
using envoy::extensions::access_loggers::file::v3::FileAccessLog;

class FileLoggerTest : public testing::Test {
 protected:
  FileLoggerTest() {
    char name[] = "/tmp/sluice-access-log-XXXXXX";
    const int fd = mkstemp(name);
    EXPECT_GE(fd, 0);
    close(fd);
    path_ = name;
  }
  ~FileLoggerTest() override { unlink(path_.c_str()); }

  AccessLoggers create(const FileAccessLog& file) {
    google::protobuf::RepeatedPtrField<AccessLog> configs;
    configs.Add()->mutable_typed_config()->PackFrom(file);
    return factory_.create(configs, config::FieldPath("access_log"), violations_);
  }

  std::string written() {
    writer_.flush();
    std::stringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }

  std::string path_;
  stats::Store store_;
  thread::FileWriter writer_{*store_.root(), {}};
  OperatorTable operators_;
  const LogFilterFactory filters_{nullptr};
  FileLoggerFactory factory_{writer_, operators_, filters_};
  config::Violations violations_;
};

TEST_F(FileLoggerTest, WritesALineForEachEvent) {
  FileAccessLog file;
  file.set_path(path_);
  file.mutable_log_format()->mutable_text_format_source()->set_inline_string("%CONNECTION_ID% %ACCESS_LOG_TYPE%\n");
  const AccessLoggers loggers = create(file);
  ASSERT_EQ(violations_.toString(), "");
  ASSERT_EQ(loggers.size(), 1u);
  net::StreamInfo info;
  info.connection_id = 1;
  loggers[0]->log({info, LogType::TcpUpstreamConnected});
  info.connection_id = 2;
  loggers[0]->log({info, LogType::TcpConnectionEnd});
  EXPECT_EQ(written(), "1 TcpUpstreamConnected\n2 TcpConnectionEnd\n");
}

TEST_F(FileLoggerTest, HasEnvoysDefaultFormat) {
  FileAccessLog file;
  file.set_path(path_);
  const AccessLoggers loggers = create(file);
  ASSERT_EQ(loggers.size(), 1u);
  net::StreamInfo info;
  info.bytes_sent = 5;
  info.end_monotonic = info.start_monotonic;
  loggers[0]->log({info, LogType::TcpConnectionEnd});
  EXPECT_EQ(written(), "[1970-01-01T00:00:00.000Z] \"- - -\" 0 - 0 5 0 - \"-\" \"-\" \"-\" \"-\" \"-\"\n");
}

TEST_F(FileLoggerTest, WritesJson) {
  FileAccessLog file;
  file.set_path(path_);
  (*file.mutable_log_format()->mutable_json_format()->mutable_fields())["id"].set_string_value("%CONNECTION_ID%");
  const AccessLoggers loggers = create(file);
  ASSERT_EQ(violations_.toString(), "");
  net::StreamInfo info;
  info.connection_id = 1;
  loggers[0]->log({info});
  EXPECT_EQ(written(), "{\"id\":1}\n");
}

TEST_F(FileLoggerTest, ReadsTheDeprecatedSpellings) {
  net::StreamInfo info;
  info.connection_id = 1;
  for (const char* field : {"format", "json_format", "typed_json_format"}) {
    FileAccessLog file;
    file.set_path(path_);
    if (std::string(field) == "format") {
      file.set_format("text %CONNECTION_ID%\n");
    } else {
      auto* json = std::string(field) == "json_format" ? file.mutable_json_format() : file.mutable_typed_json_format();
      (*json->mutable_fields())[field].set_string_value("%CONNECTION_ID%");
    }
    const AccessLoggers loggers = create(file);
    ASSERT_EQ(violations_.toString(), "");
    loggers[0]->log({info});
  }
  EXPECT_EQ(written(), "text 1\n{\"json_format\":1}\n{\"typed_json_format\":1}\n");
}

TEST_F(FileLoggerTest, WritesOnlyWhatItsFilterLetsThrough) {
  google::protobuf::RepeatedPtrField<AccessLog> configs;
  FileAccessLog file;
  file.set_path(path_);
  file.set_format("%ACCESS_LOG_TYPE%\n");
  AccessLog& config = *configs.Add();
  config.mutable_typed_config()->PackFrom(file);
  config.mutable_filter()->mutable_log_type_filter()->add_types(envoy::data::accesslog::v3::TcpPeriodic);
  const AccessLoggers loggers = factory_.create(configs, config::FieldPath("access_log"), violations_);
  ASSERT_EQ(violations_.toString(), "");
  net::StreamInfo info;
  loggers[0]->log({info, LogType::TcpConnectionEnd});
  loggers[0]->log({info, LogType::TcpPeriodic});
  EXPECT_EQ(written(), "TcpPeriodic\n");
}

TEST_F(FileLoggerTest, TakesStandardOutputAndError) {
  google::protobuf::RepeatedPtrField<AccessLog> configs;
  configs.Add()->mutable_typed_config()->PackFrom(envoy::extensions::access_loggers::stream::v3::StdoutAccessLog());
  configs.Add()->mutable_typed_config()->PackFrom(envoy::extensions::access_loggers::stream::v3::StderrAccessLog());
  EXPECT_EQ(factory_.create(configs, config::FieldPath("access_log"), violations_).size(), 2u);
  EXPECT_EQ(violations_.toString(), "");
}

TEST_F(FileLoggerTest, NamesTheFieldOfABrokenFormat) {
  FileAccessLog file;
  file.set_path(path_);
  file.mutable_log_format()->mutable_text_format_source()->set_inline_string("%NO_SUCH_THING%");
  EXPECT_TRUE(create(file).empty());
  EXPECT_EQ(violations_.toString(),
            "access_log[0].typed_config.log_format.text_format_source: at character 1: there is no operator "
            "%NO_SUCH_THING%\n");
}

TEST_F(FileLoggerTest, NamesTheFileThatCannotBeOpened) {
  FileAccessLog file;
  file.set_path("/no/such/folder/log");
  EXPECT_TRUE(create(file).empty());
  EXPECT_NE(violations_.toString().find("access_log[0].typed_config.path: "), std::string::npos)
      << violations_.toString();
  EXPECT_NE(violations_.toString().find("/no/such/folder/log"), std::string::npos);
}

TEST_F(FileLoggerTest, RefusesAnotherKindOfAccessLog) {
  google::protobuf::RepeatedPtrField<AccessLog> configs;
  configs.Add()->mutable_typed_config()->set_type_url("type.googleapis.com/no.such.Log");
  configs.Add();
  EXPECT_TRUE(factory_.create(configs, config::FieldPath("access_log"), violations_).empty());
  EXPECT_EQ(violations_.toString(),
            "access_log[0].typed_config: there is no access log of the type type.googleapis.com/no.such.Log\n"
            "access_log[1].typed_config: must be set: its type tells the kind of access log\n");
}

}  // namespace
}  // namespace sluice::access_log
