#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"

namespace sluice::config {
namespace {

using envoy::config::bootstrap::v3::Bootstrap;
using envoy::config::cluster::v3::Cluster;

template <typename Message = Bootstrap>
std::string mistakes(absl::string_view text, Format format = Format::Auto) {
  Message out;
  Violations violations;
  EXPECT_FALSE(parseYaml(text, out, {format}, nullptr, violations)) << text;
  return violations.toString();
}

TEST(LoaderMistakes, AreAllFoundAtOnceWithPathAndLine) {
  EXPECT_EQ(
      mistakes(R"(node: 5
static_resources:
  listener: []
  listeners:
  - name: l
    address: {socket_address: {address: 1.2.3.4, port_value: 99999999999}}
    filter_chains:
      filters: []
  - nome: m
  clusters:
  - name: c
    connect_timeout: 5
    type: STATC
    typed_extension_protocol_options:
      x: {"@type": no.such.Type}
)"),
      "line 1: node: expected a mapping, got 5\n"
      "line 3: static_resources.listener: unknown field (did you mean 'listeners'?)\n"
      "line 6: static_resources.listeners[0].address.socket_address.port_value: 99999999999 is out of range (from 0 "
      "to 4294967295)\n"
      "line 8: static_resources.listeners[0].filter_chains: expected a list, got a mapping\n"
      "line 9: static_resources.listeners[1].nome: unknown field (did you mean 'name'?)\n"
      "line 12: static_resources.clusters[0].connect_timeout: expected a duration such as \"1.5s\", got 5\n"
      "line 13: static_resources.clusters[0].type: 'STATC' is no value of DiscoveryType (did you mean 'STATIC'?)\n"
      "line 15: static_resources.clusters[0].typed_extension_protocol_options[\"x\"].@type: unknown type "
      "'no.such.Type'\n");
}

TEST(LoaderMistakes, InsideAnAnyHavePathsWithoutAStepInBetween) {
  EXPECT_EQ(
      mistakes(R"(
static_resources:
  listeners:
  - filter_chains:
    - filters:
      - typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          statprefix: x
)"),
      "line 8: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.statprefix: unknown field (did "
      "you mean 'stat_prefix'?)\n");
}

TEST(LoaderMistakes, FieldsGivenTwice) {
  EXPECT_EQ(mistakes<Cluster>("name: a\nname: b\n"), "line 2: name: is given twice\n");
  EXPECT_EQ(mistakes<Cluster>("connect_timeout: 1s\nconnectTimeout: 2s\n"),
            "line 2: connect_timeout: is given twice\n");
  EXPECT_EQ(mistakes<Cluster>("{\"name\": \"a\",\n\"name\": \"b\"}"), "line 2: name: is given twice\n");
  EXPECT_EQ(mistakes<envoy::config::core::v3::Metadata>("filter_metadata:\n  x: {a: 1}\n  x: {a: 2}\n"),
            "line 3: filter_metadata[\"x\"]: is given twice\n");
  EXPECT_EQ(mistakes<envoy::config::core::v3::Metadata>("filter_metadata:\n  x:\n    a: 1\n    a: 2\n"),
            "line 4: filter_metadata[\"x\"].a: is given twice\n");
}

TEST(LoaderMistakes, TwoMembersOfAOneof) {
  EXPECT_EQ(mistakes<Cluster>("type: EDS\ncluster_type: {name: x}\n"),
            "line 2: cluster_type: may not be given beside 'type' (one of cluster_discovery_type)\n");
}

TEST(LoaderMistakes, EmptyListItems) {
  EXPECT_EQ(mistakes<Cluster>("health_checks:\n- ~\n"), "line 2: health_checks[0]: is empty\n");
  EXPECT_EQ(mistakes("node_context_params:\n- a\n- ~\n"),
            "line 3: node_context_params[1]: expected a string, got nothing\n");
}

TEST(LoaderMistakes, WrongTopLevel) {
  EXPECT_EQ(mistakes("just words"), "line 1: expected a mapping, got just words\n");
  EXPECT_EQ(mistakes("[]"), "line 1: expected a mapping, got a list\n");
}

TEST(LoaderMistakes, YamlSyntax) {
  EXPECT_EQ(mistakes("a: 1\nb: [1\n").substr(0, 22), "line 3: not valid YAML");
  EXPECT_EQ(mistakes("node: {id: a\n  cluster: b}\n", Format::Yaml).substr(0, 20), "line 2: not valid YA");
  EXPECT_EQ(mistakes("name: a\n---\nname: b\n"), "line 2: not valid YAML: there is a second document\n");
  EXPECT_EQ(mistakes("[a]: 1\n", Format::Yaml), "line 1: not valid YAML: a mapping's key is a list or a mapping\n");
  EXPECT_EQ(mistakes("? \n: 1\n").substr(0, 22), "line 2: not valid YAML");
  EXPECT_EQ(mistakes("a: &x {}\nb:\n  <<: *x\n"), "line 3: not valid YAML: merge keys ('<<') are not supported\n");
  EXPECT_EQ(mistakes("a: !weird b\n"), "line 1: not valid YAML: unknown tag '!weird'\n");
  EXPECT_EQ(mistakes("a: *nobody\n").substr(0, 22), "line 1: not valid YAML");
}

TEST(LoaderMistakes, JsonSyntax) {
  const auto json = [](absl::string_view text) { return mistakes(text, Format::Json); };
  EXPECT_EQ(json("{\n\"a\" 1}"), "line 2: not valid JSON: found '1' where a colon should be\n");
  EXPECT_EQ(json("{\"a\": 1,}"), "line 1: not valid JSON: found '}' where a name in quotes should be\n");
  EXPECT_EQ(json("{\"a\": [1 2]}"), "line 1: not valid JSON: found '2' where a comma or a closing bracket should be\n");
  EXPECT_EQ(json("{\"a\": 01}"), "line 1: not valid JSON: '01' is no value\n");
  EXPECT_EQ(json("{\"a\": tru}"), "line 1: not valid JSON: 'tru' is no value\n");
  EXPECT_EQ(json("{\"a\":"), "line 1: not valid JSON: it ends where a value should be\n");
  EXPECT_EQ(json("{} {}"), "line 1: not valid JSON: there is more after the end of the value\n");
  EXPECT_EQ(json("{\"a\": \"x\ny\"}"), "line 1: not valid JSON: a control character in a string is not escaped\n");
  EXPECT_EQ(json("{\"a\": \"\\ud800\"}"), "line 1: not valid JSON: a string holds half of a surrogate pair\n");
  EXPECT_EQ(json("{\"a\": \"\\x\"}"), "line 1: not valid JSON: a string holds an unknown escape sequence\n");
  EXPECT_EQ(json("{\"a\": \"x"), "line 1: not valid JSON: a string has no end\n");
  for (const char* number : {"-", "1.", ".5", "1e", "+1", "0x1", "1.e3", "--1", "Infinity", "NaN"}) {
    EXPECT_NE(json(std::string("{\"a\": ") + number + "}").find("not valid JSON"), std::string::npos) << number;
  }
}

TEST(LoaderMistakes, NotText) {
  EXPECT_EQ(mistakes("name: a\nb: \xFF\n"), "line 2: the text is not valid UTF-8\n");
  EXPECT_EQ(mistakes(absl::string_view("a: b\0c", 6)), "line 1: the text holds a zero byte\n");
  EXPECT_EQ(mistakes(absl::string_view("\xFF\xFE"
                                       "a\0",
                                       4)),
            "line 1: the text is not valid UTF-8\n");
}

TEST(LoaderMistakes, LinesOfLaterChecksComeFromTheSourceMap) {
  Bootstrap bootstrap;
  Violations violations;
  SourceMap source;
  ASSERT_TRUE(parseYaml("node:\n  id: a\nadmin:\n  address: {}\n", bootstrap, {}, &source, violations));
  violations.add("admin.address", "is empty");
  violations.locate(source);
  EXPECT_EQ(violations.toString(), "line 4: admin.address: is empty\n");
}

}  // namespace
}  // namespace sluice::config
