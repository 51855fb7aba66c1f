#include "source/access_log/json_format.h"

#include <string>

#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

namespace sluice::access_log {
namespace {

google::protobuf::Struct readStruct(const std::string& json) {
  google::protobuf::Struct out;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &out).ok()) << json;
  return out;
}

class JsonFormatTest : public testing::Test {
 protected:
  JsonFormatTest() {
    info_.connection_id = 7;
    info_.bytes_sent = 22;
    info_.end_monotonic = info_.start_monotonic;
    info_.filter_chain_name = std::make_shared<const std::string>("a \"b\"\n\\");
    info_.makeExtras().metadata = std::make_unique<envoy::config::core::v3::Metadata>();
    (*info_.extras->metadata->mutable_filter_metadata())["ns"] =
        readStruct(R"({"s": "text", "n": 3, "f": 1.5, "b": true, "o": {"z": 1, "i": "in"}, "l": [1, "a", null]})");
  }

  std::string print(const std::string& json, bool omit_empty = false) {
    config::Violations violations;
    const JsonFormat format =
        JsonFormat::create(readStruct(json), table_, omit_empty, config::FieldPath("json_format"), violations);
    if (!violations.empty()) {
      return violations.toString();
    }
    std::string out;
    format.append({info_, LogType::TcpConnectionEnd}, out);
    return out;
  }

  OperatorTable table_;
  net::StreamInfo info_;
};

TEST_F(JsonFormatTest, KeepsTheKindOfAValueThatStandsAlone) {
  EXPECT_EQ(print(R"({"id": "%CONNECTION_ID%", "type": "%ACCESS_LOG_TYPE%", "miss": "%UPSTREAM_HOST%"})"),
            "{\"id\":7,\"miss\":null,\"type\":\"TcpConnectionEnd\"}\n");
}

TEST_F(JsonFormatTest, MakesATextOfMoreThanOnePart) {
  EXPECT_EQ(print(R"({"a": "%CONNECTION_ID%.0", "b": "%UPSTREAM_HOST%%UPSTREAM_HOST%", "c": "100%%"})"),
            "{\"a\":\"7.0\",\"b\":\"--\",\"c\":\"100%\"}\n");
}

TEST_F(JsonFormatTest, NestsAndKeepsLiterals) {
  EXPECT_EQ(print(R"({"o": {"n": 1.5, "t": true, "nil": null}, "l": [1, "%BYTES_SENT%", "%UPSTREAM_HOST%", []]})"),
            "{\"l\":[1,22,null,[]],\"o\":{\"n\":1.5,\"nil\":null,\"t\":true}}\n");
}

TEST_F(JsonFormatTest, LeavesOutWhatIsEmptyButKeepsLists) {
  EXPECT_EQ(print(R"({"e": {"q": "%UPSTREAM_HOST%"}, "l": [1, "%UPSTREAM_HOST%", {"k": "%UPSTREAM_HOST%"}],
                      "l2": ["%UPSTREAM_HOST%"], "nil": null, "o": {}, "t": "", "mix": "%UPSTREAM_HOST%x"})",
                  true),
            "{\"l\":[1],\"l2\":[],\"mix\":\"x\",\"t\":\"\"}\n");
  EXPECT_EQ(print(R"({"q": "%UPSTREAM_HOST%"})", true), "{}\n");
}

TEST_F(JsonFormatTest, EscapesWhatItPrints) {
  EXPECT_EQ(print(R"({"%%": "%FILTER_CHAIN_NAME%", "lit": "\"\u0001\u00e9/"})"),
            "{\"%%\":\"a \\\"b\\\"\\n\\\\\",\"lit\":\"\\\"\\u0001\xc3\xa9/\"}\n");
  info_.filter_chain_name = std::make_shared<const std::string>(
      "\xff"
      "a\xc3\xa9\xed\xa0\x80");
  EXPECT_EQ(print(R"({"x": "%FILTER_CHAIN_NAME%"})"),
            "{\"x\":\"\xef\xbf\xbd"
            "a\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n");
}

TEST_F(JsonFormatTest, CutsTextsBeforeEscapingThem) {
  EXPECT_EQ(print(R"({"x": "%FILTER_CHAIN_NAME:3%"})"), "{\"x\":\"a \\\"\"}\n");
}

TEST_F(JsonFormatTest, PrintsMetadataAsWhatItIs) {
  EXPECT_EQ(print(R"({"s": "%DYNAMIC_METADATA(ns:s)%", "n": "%DYNAMIC_METADATA(ns:n)%", "l": "%DYNAMIC_METADATA(ns:l)%",
                      "o": "%DYNAMIC_METADATA(ns:o):2%", "no": "%DYNAMIC_METADATA(ns:x)%",
                      "in": "%DYNAMIC_METADATA(ns:o:i):1%", "not": "%DYNAMIC_METADATA(ns:s:x)%"})"),
            "{\"in\":\"in\",\"l\":[1,\"a\",null],\"n\":3,\"no\":null,\"not\":null,\"o\":{\"i\":\"in\",\"z\":1},"
            "\"s\":\"text\"}\n");
}

TEST_F(JsonFormatTest, WritesNoFlagAsADash) {
  EXPECT_EQ(print(R"({"f": "%RESPONSE_FLAGS%"})"), "{\"f\":\"-\"}\n");
  info_.response_flags = net::response_flag::kNoHealthyUpstream;
  EXPECT_EQ(print(R"({"f": "%RESPONSE_FLAGS%"})"), "{\"f\":\"UH\"}\n");
}

TEST_F(JsonFormatTest, NamesThePlaceOfEachMistake) {
  EXPECT_EQ(print(R"({"a": {"b": ["x", "%NO_SUCH%"]}, "c": "%"})"),
            "json_format[\"a\"][\"b\"][1]: at character 1: there is no operator %NO_SUCH%\n"
            "json_format[\"c\"]: at character 1: an operator has no closing '%'\n");
}

}  // namespace
}  // namespace sluice::access_log
