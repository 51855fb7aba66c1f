// A worker's stream to an access log service.

#include "source/filters/access_loggers/grpc_log_stream.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/stats/store.h"
#include "test/grpc/fake_upstreams.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::filters {
namespace {

using envoy::data::accesslog::v3::HTTPAccessLogEntry;
using envoy::service::accesslog::v3::StreamAccessLogsMessage;
using std::chrono::milliseconds;
using testing::ElementsAre;

class GrpcLogStreamTest : public testing::Test {
 protected:
  GrpcLogStreamTest() {
    settings_.service.cluster = settings_.service.authority = "service";
    settings_.identifier.set_log_name("log");
    settings_.identifier.mutable_node()->set_id("node");
  }
  void make() {
    stream_ = std::make_unique<GrpcLogStream>(std::make_shared<const GrpcLogSettings>(settings_), upstreams_,
                                              dispatcher_, stats_);
  }
  void log(const std::string& path) {
    HTTPAccessLogEntry entry;
    entry.mutable_request()->set_path(path);
    stream_->add(std::move(entry));
  }
  /** The paths of each message of the newest stream, and whether it says who sends it: "log: /a /b". */
  std::vector<std::string> messages() {
    std::vector<std::string> out;
    absl::string_view bytes = upstreams_.requests.back().body;
    while (bytes.size() >= 5) {
      size_t length = 0;
      for (int i = 1; i < 5; ++i) {
        length = length << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
      }
      StreamAccessLogsMessage message;
      EXPECT_TRUE(message.ParseFromArray(bytes.data() + 5, static_cast<int>(length)));
      std::string text = message.has_identifier() ? message.identifier().log_name() + ":" : "";
      for (const auto& entry : message.http_logs().log_entry()) {
        text += " " + entry.request().path();
      }
      out.push_back(text);
      bytes.remove_prefix(5 + length);
    }
    return out;
  }
  uint64_t counter(const std::string& name) { return store_.counterValue("access_logs.grpc_access_log." + name); }

  test::FakeDispatcher dispatcher_;
  test::FakeUpstreams upstreams_;
  stats::Store store_;
  stats::ScopePtr scope_ = store_.root()->createScope("access_logs.grpc_access_log");
  GrpcLogStats stats_{*scope_};
  GrpcLogSettings settings_;
  std::unique_ptr<GrpcLogStream> stream_;
};

TEST_F(GrpcLogStreamTest, SendsWhatTheIntervalGathered) {
  make();
  log("/a");
  log("/b");
  EXPECT_TRUE(upstreams_.requests.empty());
  dispatcher_.advance(milliseconds(1001));
  EXPECT_THAT(messages(), ElementsAre("log: /a /b"));
  EXPECT_TRUE(upstreams_.requests[0].has(":path: /envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"));
  log("/c");
  dispatcher_.advance(milliseconds(1001));
  EXPECT_THAT(messages(), ElementsAre("log: /a /b", " /c"));
  EXPECT_EQ(1u, upstreams_.requests.size());
  EXPECT_EQ(3u, counter("logs_written"));
}

TEST_F(GrpcLogStreamTest, SendsAtOnceWhenTheBufferIsFull) {
  settings_.buffer_bytes = 15;
  make();
  log("/short");
  EXPECT_TRUE(upstreams_.requests.empty());
  log("/another");
  EXPECT_THAT(messages(), ElementsAre("log: /short /another"));
}

TEST_F(GrpcLogStreamTest, SendsEveryEntryAtOnceWithoutABuffer) {
  settings_.buffer_bytes = 0;
  make();
  log("/a");
  log("/b");
  EXPECT_THAT(messages(), ElementsAre("log: /a", " /b"));
}

TEST_F(GrpcLogStreamTest, OpensAStreamAnewWithTheNextBatch) {
  settings_.buffer_bytes = 0;
  make();
  log("/a");
  upstreams_.last()->reset(http::ResetReason::ConnectionTermination, "");
  log("/b");
  ASSERT_EQ(2u, upstreams_.requests.size());
  EXPECT_THAT(messages(), ElementsAre("log: /b"));
}

TEST_F(GrpcLogStreamTest, DropsWhenThereIsNoService) {
  settings_.buffer_bytes = 0;
  upstreams_.known = "other";
  make();
  log("/a");
  EXPECT_EQ(1u, counter("logs_dropped"));
  upstreams_.known = "service";
  log("/b");
  EXPECT_THAT(messages(), ElementsAre("log: /b"));
}

TEST_F(GrpcLogStreamTest, DropsWhatFindsNoRoomWhileTheServiceTakesNothing) {
  settings_.buffer_bytes = 100;
  upstreams_.ready = false;
  make();
  // Waits for a connection, up to what may be buffered there, and then here.
  const std::string large(600 * 1024, 'x');
  log(large);
  log(large);
  EXPECT_EQ(0u, counter("logs_dropped"));
  log(large);
  log("/dropped");
  EXPECT_EQ(1u, counter("logs_dropped"));
  EXPECT_EQ(3u, counter("logs_written"));
}

}  // namespace
}  // namespace sluice::filters
