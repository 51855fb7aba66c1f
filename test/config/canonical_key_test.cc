#include "source/config/canonical_key.h"

#include <limits>
#include <set>

#include "absl/hash/hash_testing.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "google/protobuf/wrappers.pb.h"
#include "gtest/gtest.h"
#include "xds/type/v3/typed_struct.pb.h"

namespace sluice::config {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::core::v3::Metadata;
using envoy::config::listener::v3::Filter;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

// A length-delimited field on the wire.
std::string wire(int number, const std::string& content) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(content.size()) + content;
}

Filter filterOf(const std::string& type_url, const std::string& bytes) {
  Filter filter;
  filter.mutable_typed_config()->set_type_url(type_url);
  filter.mutable_typed_config()->set_value(bytes);
  return filter;
}

constexpr char kTcpProxyUrl[] = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";

TEST(CanonicalBytes, AreEqualForEqualMessages) {
  Cluster a;
  a.set_name("x");
  a.mutable_connect_timeout()->set_seconds(1);
  Cluster b = a;
  EXPECT_EQ(canonicalBytes(a), canonicalBytes(b));
  b.mutable_connect_timeout()->set_nanos(1);
  EXPECT_NE(canonicalBytes(a), canonicalBytes(b));
}

TEST(CanonicalBytes, DoNotDependOnTheOrderOfMaps) {
  Metadata a;
  Metadata b;
  for (int i = 0; i < 50; ++i) {
    (*(*a.mutable_filter_metadata())[std::to_string(i)].mutable_fields())["k"].set_number_value(i);
    (*(*b.mutable_filter_metadata())[std::to_string(49 - i)].mutable_fields())["k"].set_number_value(49 - i);
  }
  EXPECT_EQ(canonicalBytes(a), canonicalBytes(b));
  (*(*b.mutable_filter_metadata())["7"].mutable_fields())["k"].set_number_value(8);
  EXPECT_NE(canonicalBytes(a), canonicalBytes(b));
}

TEST(CanonicalBytes, TellApartMapsWithAndWithoutAnEmptyEntry) {
  Metadata a;
  Metadata b;
  (*b.mutable_filter_metadata())[""];
  EXPECT_NE(canonicalBytes(a), canonicalBytes(b));
}

TEST(CanonicalBytes, KeepTheOrderOfLists) {
  envoy::config::core::v3::Node a;
  envoy::config::core::v3::Node b;
  a.add_client_features("x");
  a.add_client_features("y");
  b.add_client_features("y");
  b.add_client_features("x");
  EXPECT_NE(canonicalBytes(a), canonicalBytes(b));
}

TEST(CanonicalBytes, OfAnAnyAreThoseOfItsMessage) {
  // The same TcpProxy, its fields in another order.
  const std::string forward = wire(1, "p") + wire(2, "c");
  const std::string backward = wire(2, "c") + wire(1, "p");
  const Filter a = filterOf(kTcpProxyUrl, forward);
  const Filter b = filterOf(kTcpProxyUrl, backward);
  EXPECT_EQ(canonicalBytes(a), canonicalBytes(b));
  EXPECT_EQ(canonicalBytes(a), canonicalBytes(filterOf(absl::StrCat("other.host/", kTcpProxyUrl + 20), forward)));
  EXPECT_NE(canonicalBytes(a), canonicalBytes(filterOf(kTcpProxyUrl, wire(1, "p"))));
  EXPECT_NE(canonicalBytes(a), canonicalBytes(filterOf("x/envoy.config.core.v3.Locality", forward)));
}

TEST(CanonicalBytes, OfATypedStructAreThoseOfTheTypeItNames) {
  TcpProxy proxy;
  proxy.set_stat_prefix("p");
  proxy.mutable_max_connect_attempts()->set_value(3);
  Filter direct;
  direct.mutable_typed_config()->PackFrom(proxy);

  xds::type::v3::TypedStruct typed;
  typed.set_type_url(kTcpProxyUrl);
  (*typed.mutable_value()->mutable_fields())["stat_prefix"].set_string_value("p");
  (*typed.mutable_value()->mutable_fields())["max_connect_attempts"].set_number_value(3);
  Filter as_struct;
  as_struct.mutable_typed_config()->PackFrom(typed);
  EXPECT_EQ(canonicalBytes(direct), canonicalBytes(as_struct));

  // What cannot be converted still has a meaning of its own.
  (*typed.mutable_value()->mutable_fields())["no_such_field"].set_number_value(3);
  Filter broken;
  broken.mutable_typed_config()->PackFrom(typed);
  EXPECT_NE(canonicalBytes(broken), canonicalBytes(as_struct));
  EXPECT_EQ(canonicalBytes(broken), canonicalBytes(Filter(broken)));
}

TEST(CanonicalBytes, OfAnUnknownOrBrokenAnyAreItsBytes) {
  const Filter unknown = filterOf("x/no.such.Type", "abc");
  EXPECT_EQ(canonicalBytes(unknown), canonicalBytes(filterOf("y/no.such.Type", "abc")));
  EXPECT_NE(canonicalBytes(unknown), canonicalBytes(filterOf("x/no.such.Type", "abd")));
  EXPECT_NE(canonicalBytes(unknown), canonicalBytes(filterOf("x/no.such.Other", "abc")));
  const Filter broken = filterOf(kTcpProxyUrl, "\xFF");
  EXPECT_NE(canonicalBytes(broken), canonicalBytes(filterOf(kTcpProxyUrl, "\xFE")));
}

TEST(CanonicalBytes, OfTypesThatAreNotCompiledInDoNotDependOnTheWire) {
  constexpr char kUrl[] = "x/envoy.extensions.filters.http.buffer.v3.Buffer";
  // max_request_bytes { value: 5 }, in one piece and merged from two.
  EXPECT_EQ(canonicalBytes(filterOf(kUrl, wire(1, "\x08\x05"))),
            canonicalBytes(filterOf(kUrl, wire(1, "\x08\x07") + wire(1, "\x08\x05"))));
}

TEST(CanonicalBytes, DefaultsWithoutPresenceAreNothing) {
  Cluster a;
  Cluster b;
  b.set_name("");
  b.set_close_connections_on_host_health_failure(false);
  EXPECT_EQ(canonicalBytes(a), canonicalBytes(b));
  b.mutable_wait_for_warm_on_init()->set_value(false);
  EXPECT_NE(canonicalBytes(a), canonicalBytes(b));  // a wrapper can be there and false
  Cluster c;
  c.set_type(Cluster::STATIC);
  EXPECT_NE(canonicalBytes(a), canonicalBytes(c));  // a oneof's member can be chosen and 0
}

TEST(CanonicalBytes, OfRealNumbers) {
  const auto bytes = [](double value) {
    google::protobuf::DoubleValue message;
    message.set_value(value);
    return canonicalBytes(message);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(bytes(0.0), bytes(-0.0));
  EXPECT_EQ(bytes(nan), bytes(-nan));
  EXPECT_NE(bytes(nan), bytes(0.0));
  EXPECT_NE(bytes(1.0), bytes(-1.0));
}

TEST(CanonicalBytes, CountUnknownFields) {
  const auto cluster = [](const std::string& bytes) {
    Cluster out;
    EXPECT_TRUE(out.ParseFromString(bytes));
    return canonicalBytes(out);
  };
  const std::string a =
      "\xF2\xC0\x0C\x01"
      "a";  // field 25614
  const std::string b =
      "\xF2\xC0\x0C\x01"
      "b";
  const std::string other =
      "\xFA\xC0\x0C\x01"
      "a";  // field 25615
  EXPECT_NE(cluster(a), cluster(""));
  EXPECT_NE(cluster(a), cluster(b));
  EXPECT_EQ(cluster(a + other), cluster(other + a));
  EXPECT_NE(cluster(a + b), cluster(b + a));  // perhaps a list
}

// No two different messages may share their bytes, however their fields are cut.
TEST(CanonicalBytes, AreUnambiguous) {
  std::set<std::string> all;
  int count = 0;
  const auto add = [&](const google::protobuf::Message& message) {
    ++count;
    all.insert(canonicalBytes(message));
  };
  Cluster cluster;
  add(cluster);
  cluster.set_name("ab");
  add(cluster);
  cluster.set_name("a");
  cluster.set_alt_stat_name("b");
  add(cluster);
  cluster.clear_name();
  cluster.mutable_load_assignment();
  add(cluster);
  cluster.mutable_load_assignment()->add_endpoints();
  add(cluster);
  cluster.mutable_load_assignment()->add_endpoints();
  add(cluster);
  cluster.mutable_load_assignment()->mutable_endpoints(0)->add_lb_endpoints();
  add(cluster);
  cluster.mutable_load_assignment()->mutable_endpoints(0)->clear_lb_endpoints();
  cluster.mutable_load_assignment()->mutable_endpoints(1)->add_lb_endpoints();
  add(cluster);
  EXPECT_EQ(static_cast<int>(all.size()), count);
}

TEST(ContentKey, IsSha256) {
  const ContentKey key = contentKey("abc");
  EXPECT_EQ(key.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_NE(key, contentKey("abd"));
  EXPECT_LT(contentKey("abd"), key);
}

TEST(ContentKey, CanBeHashed) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({ContentKey{}, contentKey("a"), contentKey("b")}));
}

}  // namespace
}  // namespace sluice::config
