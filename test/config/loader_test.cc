#include "source/config/loader.h"

#include <cmath>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/wrappers.pb.h"
#include "gtest/gtest.h"

#include "source/config/type_registry.h"

namespace sluice::config {
namespace {

using envoy::config::bootstrap::v3::Bootstrap;
using envoy::config::cluster::v3::Cluster;
using envoy::config::core::v3::Metadata;
using google::protobuf::util::MessageDifferencer;

template <typename Message>
Message parse(absl::string_view text, ParseOptions options = {}) {
  Message out;
  Violations violations;
  EXPECT_TRUE(parseYaml(text, out, options, nullptr, violations)) << text << "\n" << violations.toString();
  return out;
}

template <typename Message>
std::string mistakes(absl::string_view text, ParseOptions options = {}) {
  Message out;
  Violations violations;
  EXPECT_FALSE(parseYaml(text, out, options, nullptr, violations)) << text;
  return violations.toString();
}

TEST(Loader, ReadsABootstrapInYaml) {
  const auto bootstrap = parse<Bootstrap>(R"(
node: {id: n, cluster: c}
static_resources:
  listeners:
  - name: l
    address:
      socket_address: {address: 127.0.0.1, port_value: 8080}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: p
          cluster: be
          idle_timeout: 30s
  clusters:
  - name: be
    type: STRICT_DNS
    connect_timeout: 0.25s
    per_connection_buffer_limit_bytes: 65536
)");
  const auto& listener = bootstrap.static_resources().listeners(0);
  EXPECT_EQ(listener.address().socket_address().port_value(), 8080);
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
  ASSERT_TRUE(listener.filter_chains(0).filters(0).typed_config().UnpackTo(&proxy));
  EXPECT_EQ(proxy.cluster(), "be");
  EXPECT_EQ(proxy.idle_timeout().seconds(), 30);
  const Cluster& cluster = bootstrap.static_resources().clusters(0);
  EXPECT_EQ(cluster.type(), Cluster::STRICT_DNS);
  EXPECT_EQ(cluster.connect_timeout().nanos(), 250'000'000);
  EXPECT_EQ(cluster.per_connection_buffer_limit_bytes().value(), 65536);
}

TEST(Loader, JsonAndYamlAndBothSpellingsMeanTheSame) {
  const auto yaml = parse<Cluster>("name: x\nconnect_timeout: 2s\nlb_policy: RANDOM\n", {Format::Yaml});
  const auto json = parse<Cluster>(R"({"name": "x", "connectTimeout": "2s", "lbPolicy": 3})", {Format::Json});
  const auto json_as_yaml =
      parse<Cluster>(R"({"name": "x", "connectTimeout": "2s", "lb_policy": "RANDOM"})", {Format::Yaml});
  const auto found_out = parse<Cluster>("\n {\"name\": \"x\", \"connect_timeout\": \"2s\", \"lb_policy\": \"RANDOM\"}");
  const auto flow = parse<Cluster>("{name: x, connectTimeout: 2s, lbPolicy: RANDOM}");
  EXPECT_TRUE(MessageDifferencer::Equals(yaml, json));
  EXPECT_TRUE(MessageDifferencer::Equals(yaml, json_as_yaml));
  EXPECT_TRUE(MessageDifferencer::Equals(yaml, found_out));
  EXPECT_TRUE(MessageDifferencer::Equals(yaml, flow));
}

TEST(Loader, FormatFollowsTheFilesName) {
  EXPECT_EQ(formatOf("/etc/x/boot.json"), Format::Json);
  EXPECT_EQ(formatOf("boot.YAML"), Format::Yaml);
  EXPECT_EQ(formatOf("boot.yml"), Format::Yaml);
  EXPECT_EQ(formatOf("boot.conf"), Format::Auto);
}

TEST(Loader, EmptyTextIsAnEmptyMessage) {
  for (const char* text : {"", "  \n", "# only a comment\n", "---\n", "{}", "\xEF\xBB\xBF{}"}) {
    EXPECT_EQ(parse<Cluster>(text).ByteSizeLong(), 0) << text;
  }
}

TEST(Loader, ReplacesWhatTheMessageHeld) {
  Cluster cluster;
  cluster.set_alt_stat_name("old");
  Violations violations;
  ASSERT_TRUE(parseYaml("name: x", cluster, {}, nullptr, violations));
  EXPECT_EQ(cluster.alt_stat_name(), "");
}

TEST(Loader, NullIsNotSet) {
  const auto cluster = parse<Cluster>("name: ~\nconnect_timeout:\nhealth_checks: null\n");
  EXPECT_EQ(cluster.ByteSizeLong(), 0);
  EXPECT_EQ(parse<Cluster>("type: null\ncluster_type: {name: x}\n").cluster_type().name(), "x");
}

TEST(Loader, Integers) {
  using google::protobuf::Int64Value;
  using google::protobuf::UInt32Value;
  EXPECT_EQ(parse<UInt32Value>("4294967295").value(), 4294967295);
  EXPECT_EQ(parse<UInt32Value>("\"17\"").value(), 17);
  EXPECT_EQ(parse<UInt32Value>("1.0").value(), 1);
  EXPECT_EQ(parse<UInt32Value>("1e3").value(), 1000);
  EXPECT_EQ(parse<UInt32Value>("0x1F").value(), 31);
  EXPECT_EQ(parse<UInt32Value>("0644").value(), 0644);
  EXPECT_EQ(parse<Int64Value>("\"-9223372036854775808\"").value(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(mistakes<UInt32Value>("4294967296"), "line 1: 4294967296 is out of range (from 0 to 4294967295)\n");
  EXPECT_EQ(mistakes<UInt32Value>("-1"), "line 1: -1 is out of range (from 0 to 4294967295)\n");
  EXPECT_EQ(mistakes<UInt32Value>("1.5"), "line 1: expected an integer, got 1.5\n");
  EXPECT_EQ(mistakes<UInt32Value>("\" 1\""), "line 1: expected an integer, got the string \" 1\"\n");
  EXPECT_EQ(mistakes<Int64Value>("1e19"),
            "line 1: 1e19 is out of range (from -9223372036854775808 to 9223372036854775807)\n");
  EXPECT_EQ(mistakes<Int64Value>("true"), "line 1: expected an integer, got true\n");
  EXPECT_EQ(mistakes<Int64Value>("[1]"), "line 1: expected an integer, got a list\n");
}

TEST(Loader, RealNumbers) {
  using google::protobuf::DoubleValue;
  using google::protobuf::FloatValue;
  EXPECT_EQ(parse<DoubleValue>("-1.5e-3").value(), -1.5e-3);
  EXPECT_TRUE(std::isnan(parse<DoubleValue>("\"NaN\"").value()));
  EXPECT_TRUE(std::isnan(parse<DoubleValue>(".nan").value()));
  EXPECT_EQ(parse<DoubleValue>("\"-Infinity\"").value(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse<DoubleValue>(".inf").value(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse<FloatValue>("0.5").value(), 0.5F);
  EXPECT_EQ(mistakes<DoubleValue>("1e999"), "line 1: expected a number, got 1e999\n");
  EXPECT_EQ(mistakes<FloatValue>("1e39"), "line 1: 1e39 is out of range\n");
  EXPECT_EQ(mistakes<DoubleValue>("nan"), "line 1: expected a number, got nan\n");
}

TEST(Loader, Booleans) {
  using google::protobuf::BoolValue;
  for (const char* text : {"true", "True", "yes", "ON", "y"}) {
    EXPECT_TRUE(parse<BoolValue>(text).value()) << text;
  }
  EXPECT_FALSE(parse<BoolValue>("off").value());
  EXPECT_EQ(mistakes<BoolValue>("\"true\""), "line 1: expected true or false, got the string \"true\"\n");
  EXPECT_EQ(mistakes<BoolValue>("1"), "line 1: expected true or false, got 1\n");
  EXPECT_EQ(mistakes<BoolValue>("tRuE"), "line 1: expected true or false, got tRuE\n");
}

TEST(Loader, StringsAreNotGuessed) {
  EXPECT_EQ(parse<Cluster>("name: \"123\"").name(), "123");
  EXPECT_EQ(parse<Cluster>("name: 127.0.0.1").name(), "127.0.0.1");
  EXPECT_EQ(parse<Cluster>("name: |\n  two\n  lines\n").name(), "two\nlines\n");
  EXPECT_EQ(parse<Cluster>("name: !!str 123").name(), "123");
  EXPECT_EQ(parse<Cluster>(R"({"name": "\u00e9\ud83d\udeb0\n\"\/"})").name(), "\xC3\xA9\xF0\x9F\x9A\xB0\n\"/");
  EXPECT_EQ(mistakes<Cluster>("name: 123"), "line 1: name: expected a string, got 123 (put it in quotes)\n");
  EXPECT_EQ(mistakes<Cluster>("name: true"), "line 1: name: expected a string, got true (put it in quotes)\n");
  EXPECT_EQ(mistakes<Cluster>("{\"name\": {}}"), "line 1: name: expected a string, got a mapping\n");
}

TEST(Loader, Bytes) {
  using google::protobuf::BytesValue;
  EXPECT_EQ(parse<BytesValue>("aGk=").value(), "hi");
  EXPECT_EQ(parse<BytesValue>("\"-_8\"").value(), "\xFB\xFF");
  EXPECT_EQ(parse<BytesValue>("!!binary aGk=").value(), "hi");
  EXPECT_EQ(mistakes<BytesValue>("\"a(b\""), "line 1: expected bytes in base64, got the string \"a(b\"\n");
}

TEST(Loader, Durations) {
  using google::protobuf::Duration;
  EXPECT_EQ(parse<Duration>("0s").ByteSizeLong(), 0);
  EXPECT_EQ(parse<Duration>("\"1.000000001s\"").nanos(), 1);
  const auto negative = parse<Duration>("-0.5s");
  EXPECT_EQ(negative.seconds(), 0);
  EXPECT_EQ(negative.nanos(), -500'000'000);
  EXPECT_EQ(parse<Duration>("315576000000s").seconds(), 315'576'000'000);
  for (const char* bad :
       {"5", "5m", "s", ".5s", "1.s", "1.0000000001s", "1e3s", "+1s", "--1s", "1 s", "{seconds: 1}"}) {
    EXPECT_NE(mistakes<Duration>(bad).find("expected a duration such as \"1.5s\""), std::string::npos) << bad;
  }
  EXPECT_EQ(mistakes<Duration>("315576000001s"), "line 1: 315576000001s is out of range (at most 315576000000s)\n");
}

TEST(Loader, Timestamps) {
  using google::protobuf::Timestamp;
  const auto time = parse<Timestamp>("\"2024-02-29T12:00:00.25+01:00\"");
  EXPECT_EQ(time.seconds(), 1'709'204'400);
  EXPECT_EQ(time.nanos(), 250'000'000);
  EXPECT_EQ(parse<Timestamp>("\"1969-12-31T23:59:59.5Z\"").seconds(), -1);
  for (const char* bad : {"2024-02-30T12:00:00Z", "2024-02-29", "12", "infinite-future", "\"2024-02-29 12:00:00Z\""}) {
    EXPECT_NE(mistakes<Timestamp>(bad).find("expected a time"), std::string::npos) << bad;
  }
}

TEST(Loader, FieldMasks) {
  const auto mask = parse<google::protobuf::FieldMask>("fooBar.baz,q");
  ASSERT_EQ(mask.paths_size(), 2);
  EXPECT_EQ(mask.paths(0), "foo_bar.baz");
  EXPECT_EQ(mask.paths(1), "q");
}

TEST(Loader, Enums) {
  EXPECT_EQ(parse<Cluster>("lb_policy: 1").lb_policy(), Cluster::LEAST_REQUEST);
  EXPECT_EQ(static_cast<int>(parse<Cluster>("lb_policy: 77").lb_policy()), 77);  // the rules' business
  EXPECT_EQ(mistakes<Cluster>("lb_policy: ROUNDROBIN"),
            "line 1: lb_policy: 'ROUNDROBIN' is no value of LbPolicy (did you mean 'ROUND_ROBIN'?)\n");
}

TEST(Loader, StructsTakeWhatTheTextLooksLike) {
  const auto metadata = parse<Metadata>(R"(
filter_metadata:
  x:
    null_value: ~
    number: -1.5
    octal: 017
    boolean: yes
    quoted: "1"
    word: 1.2.3
    list: [1, [], {a: b}]
)");
  const auto& fields = metadata.filter_metadata().at("x").fields();
  EXPECT_TRUE(fields.at("null_value").has_null_value());
  EXPECT_EQ(fields.at("number").number_value(), -1.5);
  EXPECT_EQ(fields.at("octal").number_value(), 15);
  EXPECT_TRUE(fields.at("boolean").bool_value());
  EXPECT_EQ(fields.at("quoted").string_value(), "1");
  EXPECT_EQ(fields.at("word").string_value(), "1.2.3");
  EXPECT_EQ(fields.at("list").list_value().values_size(), 3);
  EXPECT_EQ(fields.at("list").list_value().values(2).struct_value().fields().at("a").string_value(), "b");
}

TEST(Loader, AnysOfWellKnownTypesStandInValue) {
  google::protobuf::Duration duration;
  auto any =
      parse<google::protobuf::Any>(R"({"@type": "type.googleapis.com/google.protobuf.Duration", "value": "2s"})");
  ASSERT_TRUE(any.UnpackTo(&duration));
  EXPECT_EQ(duration.seconds(), 2);
  google::protobuf::Struct value;
  any = parse<google::protobuf::Any>("\"@type\": type.googleapis.com/google.protobuf.Struct\nvalue: {a: 1}");
  ASSERT_TRUE(any.UnpackTo(&value));
  EXPECT_EQ(value.fields().at("a").number_value(), 1);
  EXPECT_EQ(parse<google::protobuf::Any>("{}").ByteSizeLong(), 0);
  // Empty has no form of its own.
  any = parse<google::protobuf::Any>(R"({"@type": "type.googleapis.com/google.protobuf.Empty"})");
  EXPECT_EQ(any.value(), "");

  EXPECT_EQ(mistakes<google::protobuf::Any>("a: 1"), "line 1: '@type' is missing\n");
  EXPECT_EQ(mistakes<google::protobuf::Any>("\"@type\": google.protobuf.Duration"), "line 1: 'value' is missing\n");
  EXPECT_EQ(mistakes<google::protobuf::Any>("\"@type\": x/no.such.Type"),
            "line 1: @type: unknown type 'x/no.such.Type'\n");
}

TEST(Loader, AnysOfTypesThatAreNotCompiledIn) {
  const auto any = parse<google::protobuf::Any>(
      "\"@type\": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit\n"
      "stat_prefix: x\n"
      "token_bucket: {max_tokens: 5, tokens_per_fill: 6, fill_interval: 1.5s}\n");
  Violations violations;
  const auto message = unpackAny(any, FieldPath(), violations);
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->ShortDebugString(),
            "stat_prefix: \"x\" token_bucket { max_tokens: 5 tokens_per_fill { value: 6 } fill_interval { seconds: 1 "
            "nanos: 500000000 } }");
}

TEST(Loader, AnchorsAndAliases) {
  const auto bootstrap = parse<Bootstrap>(R"(
static_resources:
  clusters:
  - &base {name: a, connect_timeout: &t 3s}
  - *base
  - {name: b, connect_timeout: *t}
)");
  EXPECT_EQ(bootstrap.static_resources().clusters(1).name(), "a");
  EXPECT_EQ(bootstrap.static_resources().clusters(2).connect_timeout().seconds(), 3);
}

TEST(Loader, IgnoresWhatIsTaggedSo) {
  const auto cluster = parse<Cluster>("templates: !ignore\n  - &n fromTemplate\nname: *n\n");
  EXPECT_EQ(cluster.name(), "fromTemplate");
}

TEST(Loader, LeavesOutUnknownFieldsIfAllowed) {
  ParseOptions options;
  options.allow_unknown_fields = true;
  Cluster cluster;
  Violations violations;
  std::vector<std::string> unknown;
  EXPECT_TRUE(parseYaml("name: x\nfrom_the_future: {a: [1]}\nload_assignment: {endpoints: [{new: 1}]}\n", cluster,
                        options, nullptr, violations, &unknown))
      << violations.toString();
  EXPECT_EQ(unknown, (std::vector<std::string>{"from_the_future", "load_assignment.endpoints[0].new"}));
  EXPECT_EQ(cluster.name(), "x");
}

TEST(Loader, TwoTextsMergeAsProtosDo) {
  auto bootstrap = parse<Bootstrap>("node: {id: a, cluster: c}\nstatic_resources: {clusters: [{name: x}]}");
  bootstrap.MergeFrom(parse<Bootstrap>("node: {id: b}\nstatic_resources: {clusters: [{name: y}]}"));
  EXPECT_EQ(bootstrap.node().id(), "b");
  EXPECT_EQ(bootstrap.node().cluster(), "c");
  EXPECT_EQ(bootstrap.static_resources().clusters_size(), 2);
}

TEST(StructToMessage, ReadsNumbersAndNames) {
  google::protobuf::Struct value;
  auto& fields = *value.mutable_fields();
  fields["name"].set_string_value("x");
  fields["perConnectionBufferLimitBytes"].set_number_value(4294967295.0);
  fields["lb_policy"].set_number_value(3);
  fields["close_connections_on_host_health_failure"].set_bool_value(true);
  fields["alt_stat_name"].set_null_value(google::protobuf::NULL_VALUE);
  Cluster cluster;
  Violations violations;
  ASSERT_TRUE(structToMessage(value, cluster, FieldPath("value"), violations)) << violations.toString();
  EXPECT_EQ(cluster.per_connection_buffer_limit_bytes().value(), 4294967295);
  EXPECT_EQ(cluster.lb_policy(), Cluster::RANDOM);
  EXPECT_TRUE(cluster.close_connections_on_host_health_failure());

  fields["nam"].set_string_value("x");
  EXPECT_FALSE(structToMessage(value, cluster, FieldPath("value"), violations));
  EXPECT_EQ(violations.toString(), "value.nam: unknown field (did you mean 'name'?)\n");
}

}  // namespace
}  // namespace sluice::config
