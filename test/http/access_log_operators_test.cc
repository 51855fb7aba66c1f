#include "source/http/access_log_operators.h"

#include <cstdlib>
#include <new>
#include <string>

#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

#include "source/access_log/format.h"
#include "source/access_log/json_format.h"
#include "test/http/access_log_fixture.h"

namespace {
size_t allocations = 0;
}

// Counts, so that a test can tell that a line costs none.
void* operator new(size_t size) {
  ++allocations;
  void* const memory = std::malloc(size);
  if (memory == nullptr) {
    std::abort();
  }
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace sluice::http {
namespace {

class AccessLogOperatorsTest : public testing::Test {
 protected:
  std::string print(absl::string_view text) {
    const auto format = access_log::Format::parse(text, table_, false);
    if (!format.ok()) {
      return std::string(format.status().message());
    }
    std::string out;
    format->append(request_.context(), out);
    return out;
  }

  std::string printTcp(absl::string_view text) {
    const auto format = access_log::Format::parse(text, table_, false);
    std::string out;
    net::StreamInfo info;
    info.bytes_sent = 5;
    format.value().append({info}, out);
    return out;
  }

  std::string printJson(const std::string& json) {
    google::protobuf::Struct config;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &config).ok());
    config::Violations violations;
    const auto format = access_log::JsonFormat::create(config, table_, false, config::FieldPath(), violations);
    EXPECT_EQ(violations.toString(), "");
    std::string out;
    format.append(request_.context(), out);
    return out;
  }

  const access_log::OperatorTable table_ = accessLogOperators();
  test::LoggedRequest request_;
};

TEST_F(AccessLogOperatorsTest, ReadsHeaders) {
  EXPECT_EQ(print("%REQ(:METHOD)% %REQ(X-NO?:Path):3% %REQUEST_HEADER(x-many)% [%REQ(x-empty)%] %REQ(x-no?x-nor)%"),
            "GET /up one [] -");
  EXPECT_EQ(print("%RESP(Content-Type)% %RESPONSE_HEADER(:status)% %TRAILER(x-trailer)% %RESPONSE_TRAILER(x)%"),
            "text/plain 200 last -");
  EXPECT_EQ(print("%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%"), "/up/x");
  EXPECT_EQ(print("%REQ(a?b?c)%"), "at character 1: more than one alternative header in 'a?b?c'");
  EXPECT_EQ(print("%REQ(a b)%"), "at character 1: 'a b' is no name of a header");
}

TEST_F(AccessLogOperatorsTest, ReadsThePath) {
  EXPECT_EQ(print("%PATH%"), "/up/x?a=%41%2f%20b+c&c&e=1");
  EXPECT_EQ(print("%PATH(NQ)% %PATH(NQ:ORIG)%"), "/up/x -");
  request_.request.add("x-envoy-original-path", "/first?q");
  EXPECT_EQ(print("%PATH(NQ)% %PATH(WQ:ORIG)% %PATH(NQ:PATH)%"), "/first /first?q /up/x");
  EXPECT_EQ(print("%PATH(XX)%"), "at character 1: 'XX' is none of WQ, NQ");
  EXPECT_EQ(print("%PATH(NQ:XX)%"), "at character 1: 'XX' is none of ORIG_OR_PATH, ORIG, PATH");
}

TEST_F(AccessLogOperatorsTest, ReadsTheQuery) {
  EXPECT_EQ(print("[%QUERY_PARAM(a)%] [%QUERY_PARAM(c)%] [%QUERY_PARAM(d)%]"), "[A/ b+c] [] [-]");
  EXPECT_EQ(print("%QUERY_PARAMS% %QUERY_PARAMS(DECODED)%"), "a=%41%2f%20b+c&c&e=1 a=A/%20b+c&c&e=1");
  EXPECT_EQ(print("%QUERY_PARAMS(X)%"), "at character 1: 'X' is none of ORIG, DECODED");
}

TEST_F(AccessLogOperatorsTest, TellsOfTheResponse) {
  EXPECT_EQ(print("%PROTOCOL% %UPSTREAM_PROTOCOL% %RESPONSE_CODE% %UPSTREAM_REQUEST_ATTEMPT_COUNT%"), "HTTP/2 - 200 2");
  EXPECT_EQ(print("%RESPONSE_CODE_DETAILS% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%"), "via_upstream via upstream");
  EXPECT_EQ(print("%BYTES_SENT% %DOWNSTREAM_WIRE_BYTES_SENT% %RESPONSE_HEADERS_BYTES%"), "3 169 32");
  EXPECT_EQ(print("%STREAM_ID%"), "2f7708bb-db19-41af-ba41-aa96ee9fe52c");
  EXPECT_EQ(print("[%LOCAL_REPLY_BODY%]"), "[]");
}

TEST_F(AccessLogOperatorsTest, PrintsTheBodyThatALocalReplyWouldHave) {
  const auto format = access_log::Format::parse("%RESPONSE_CODE%: %LOCAL_REPLY_BODY%", table_, false);
  std::string out;
  format.value().append({request_.info, access_log::LogType::NotSet, &request_.info, "no route"}, out);
  EXPECT_EQ(out, "200: no route");
}

TEST_F(AccessLogOperatorsTest, MeasuresDurations) {
  EXPECT_EQ(print("%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%"),
            "9 1 2 5 4");
  EXPECT_EQ(print("%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)% %COMMON_DURATION(US_TX_END:DS_TX_END:ns)%"),
            "5400 7200000");
  EXPECT_EQ(print("%COMMON_DURATION(DS_TX_END:DS_RX_BEG:ms)% %COMMON_DURATION(DS_RX_BEG:mine:ms)%"), "-9 -");
  EXPECT_EQ(print("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:s)%"),
            "at character 1: the precision 's' is none of ms, us and ns");
  EXPECT_EQ(print("%COMMON_DURATION(DS_RX_BEG)%"), "at character 1: the argument is START:END:PRECISION");
  request_.info.first_upstream_rx_byte.reset();
  EXPECT_EQ(print("%RESPONSE_DURATION% %RESPONSE_TX_DURATION%"), "- -");
}

TEST_F(AccessLogOperatorsTest, NamesTheServerThatWasAskedFor) {
  EXPECT_EQ(print("%REQUESTED_SERVER_NAME% %REQUESTED_SERVER_NAME(SNI_FIRST)%"), "- example.com:80");
  request_.info.makeExtras().requested_server_name = "sni";
  request_.request.add("x-envoy-original-host", "orig");
  EXPECT_EQ(print("%REQUESTED_SERVER_NAME% %REQUESTED_SERVER_NAME(SNI_FIRST)% %REQUESTED_SERVER_NAME(HOST_FIRST)% "
                  "%REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%"),
            "sni sni orig example.com:80");
  EXPECT_EQ(print("%REQUESTED_SERVER_NAME(X)%"), "at character 1: 'X' is none of SNI_ONLY, SNI_FIRST, HOST_FIRST");
}

TEST_F(AccessLogOperatorsTest, TellsTheStatusOfGrpc) {
  EXPECT_EQ(print("%GRPC_STATUS%"), "-");
  request_.request.add("content-type", "application/grpc+proto");
  EXPECT_EQ(print("%GRPC_STATUS%"), "Unknown");
  request_.response.add("grpc-status", "3");
  EXPECT_EQ(print("%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%"),
            "InvalidArgument INVALID_ARGUMENT 3 3");
  request_.trailers.add("grpc-status", "42");
  EXPECT_EQ(print("%GRPC_STATUS%"), "42");
  EXPECT_EQ(printJson(R"({"a": "%GRPC_STATUS%", "b": "%GRPC_STATUS(NUMBER)%"})"), "{\"a\":\"42\",\"b\":42}\n");
}

TEST_F(AccessLogOperatorsTest, ReadsMetadataOfTheRouteAndItsHost) {
  VirtualHost host;
  Route route;
  route.name = "r";
  auto metadata = std::make_shared<envoy::config::core::v3::Metadata>();
  auto& fields = *(*metadata->mutable_filter_metadata())["ns"].mutable_fields();
  fields["n"].set_number_value(3);
  fields["s"].set_string_value("text");
  route.metadata = metadata;
  request_.info.route = &route;
  request_.info.virtual_host = &host;
  EXPECT_EQ(print("%ROUTE_NAME% %METADATA(ROUTE:ns:n)% %METADATA(ROUTE:ns)% %METADATA(ROUTE:ns:s):2%"),
            "r 3 {\"n\":3,\"s\":\"text\"} te");
  EXPECT_EQ(print("%METADATA(VIRTUAL_HOST:ns)% %METADATA(DYNAMIC:ns)% %METADATA(CLUSTER:ns)%"), "- - -");
  EXPECT_EQ(printJson(R"({"a": "%METADATA(ROUTE:ns)%"})"), "{\"a\":{\"n\":3,\"s\":\"text\"}}\n");
  EXPECT_EQ(print("%METADATA(FOO:a)%"), "at character 1: there is no metadata of the type 'FOO'");
  EXPECT_EQ(print("%METADATA(LISTENER:a)%"), "at character 1: the metadata of listeners does not reach their requests");
}

TEST_F(AccessLogOperatorsTest, GiveTcpWhatItHas) {
  EXPECT_EQ(printTcp("%REQ(:METHOD)% %PATH% %PROTOCOL% %RESPONSE_CODE% %DOWNSTREAM_WIRE_BYTES_SENT% %GRPC_STATUS% "
                     "%UPSTREAM_WIRE_BYTES_SENT% %REQUEST_HEADERS_BYTES% %REQUEST_DURATION% %ROUTE_NAME%"),
            "- - - 0 5 - 0 0 - -");
}

TEST_F(AccessLogOperatorsTest, WriteALineWithoutAllocating) {
  google::protobuf::Struct config;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(
                  R"({"t": "%START_TIME%", "u": "%START_TIME(%Y-%m-%d %H:%M:%S.%3f)%", "m": "%REQ(:METHOD)%",
                      "p": "%REQ(X-NO?:PATH)%", "code": "%RESPONSE_CODE%", "f": "%RESPONSE_FLAGS%",
                      "d": "%DURATION%", "rx": "%RESPONSE_TX_DURATION%", "q": "%QUERY_PARAM(a)%",
                      "id": "%STREAM_ID%", "from": "%DOWNSTREAM_REMOTE_ADDRESS%", "mix": "%BYTES_SENT%/%PROTOCOL%",
                      "masked": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)%", "x": {"y": ["%UNIQUE_ID%"]}})",
                  &config)
                  .ok());
  request_.info.downstream_remote = net::Address::ip("10.1.2.3", 1111).value();
  config::Violations violations;
  const auto format = access_log::JsonFormat::create(config, table_, false, config::FieldPath(), violations);
  ASSERT_EQ(violations.toString(), "");
  std::string out;
  out.reserve(4096);
  format.append(request_.context(), out);
  const size_t length = out.size();
  out.clear();
  const size_t before = allocations;
  format.append(request_.context(), out);
  EXPECT_EQ(allocations - before, 0u) << out;
  EXPECT_EQ(out.size(), length);
}

TEST_F(AccessLogOperatorsTest, AreAllToldOf) {
  for (const access_log::Operator& op : table_.all()) {
    EXPECT_FALSE(op.help.empty()) << op.name;
    EXPECT_EQ(op.help.find('|'), absl::string_view::npos) << op.name << " breaks its table";
  }
}

}  // namespace
}  // namespace sluice::http
