#include "source/config/type_registry.h"

#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"
#include "udpa/type/v1/typed_struct.pb.h"
#include "xds/type/v3/typed_struct.pb.h"

namespace sluice::config {
namespace {

using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
using google::protobuf::Any;

constexpr char kTcpProxy[] = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
// Nothing in Sluice is made of it, so that it is not compiled in.
constexpr char kOnlyEmbedded[] = "envoy.extensions.filters.http.lua.v3.Lua";

TEST(TypeRegistry, FindsTypesByUrlAndByName) {
  EXPECT_EQ(findMessage("type.googleapis.com/envoy.config.core.v3.Address"),
            envoy::config::core::v3::Address::descriptor());
  EXPECT_EQ(findMessage("envoy.config.core.v3.Address"), envoy::config::core::v3::Address::descriptor());
  EXPECT_EQ(findMessage("type.googleapis.com/no.such.Type"), nullptr);
  EXPECT_EQ(findMessage(""), nullptr);
  EXPECT_EQ(findMessage("envoy.config.core.v3"), nullptr);
}

TEST(TypeRegistry, MakesMessagesOfTypesThatAreNotCompiledIn) {
  const auto* type = findMessage(kOnlyEmbedded);
  ASSERT_NE(type, nullptr);
  const auto message = newMessage(*type);
  message->GetReflection()->SetString(message.get(), type->FindFieldByName("inline_code"), "x");
  EXPECT_EQ(message->ByteSizeLong(), 3);
}

TEST(TypeRegistry, IsSafeToUseFromManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (const char* name : {kOnlyEmbedded, "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                               "envoy.extensions.filters.http.oauth2.v3.OAuth2", "no.such.Type"}) {
        const auto* type = findMessage(name);
        if (type != nullptr) {
          EXPECT_EQ(newMessage(*type)->GetDescriptor(), type);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(TypeRegistry, UnpacksAnys) {
  TcpProxy proxy;
  proxy.set_cluster("c");
  Any any;
  any.PackFrom(proxy);
  Violations violations;
  const auto message = unpackAny(any, FieldPath("typed_config"), violations);
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(static_cast<const TcpProxy&>(*message).cluster(), "c");

  TcpProxy out;
  EXPECT_TRUE(unpackTo(any, out, FieldPath("typed_config"), violations));
  EXPECT_EQ(out.cluster(), "c");
  EXPECT_TRUE(violations.empty());
}

TEST(TypeRegistry, SaysWhyAnAnyCannotBeUnpacked) {
  const auto reason = [](const std::string& url, const std::string& bytes) {
    Any any;
    any.set_type_url(url);
    any.set_value(bytes);
    Violations violations;
    EXPECT_EQ(unpackAny(any, FieldPath("typed_config"), violations), nullptr);
    EXPECT_EQ(violations.size(), 1);
    EXPECT_EQ(violations.list()[0].path, "typed_config");
    return violations.list()[0].reason;
  };
  EXPECT_EQ(reason("type.googleapis.com/no.such.Filter", ""), "unknown type 'type.googleapis.com/no.such.Filter'");
  EXPECT_EQ(reason("", ""), "is empty: it has no type");
  EXPECT_EQ(reason(kTcpProxy, "\xFF\xFF"), std::string("its bytes are no valid ") + kTcpProxy);

  Any any;
  any.PackFrom(envoy::config::core::v3::Address());
  TcpProxy out;
  Violations violations;
  EXPECT_FALSE(unpackTo(any, out, FieldPath("typed_config"), violations));
  EXPECT_EQ(violations.list()[0].reason,
            "expected envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, got envoy.config.core.v3.Address");
}

template <typename TypedStruct>
class TypedStructTest : public testing::Test {};
using TypedStructs = testing::Types<xds::type::v3::TypedStruct, udpa::type::v1::TypedStruct>;
TYPED_TEST_SUITE(TypedStructTest, TypedStructs);

TYPED_TEST(TypedStructTest, StandsForTheTypeItNames) {
  TypeParam typed;
  typed.set_type_url(std::string("type.googleapis.com/") + kTcpProxy);
  auto& fields = *typed.mutable_value()->mutable_fields();
  fields["stat_prefix"].set_string_value("p");
  fields["maxConnectAttempts"].set_number_value(3);
  fields["idle_timeout"].set_string_value("1.5s");
  Any any;
  any.PackFrom(typed);
  EXPECT_EQ(extensionTypeName(any), kTcpProxy);

  Violations violations;
  TcpProxy out;
  ASSERT_TRUE(unpackTo(any, out, FieldPath("typed_config"), violations)) << violations.toString();
  EXPECT_EQ(out.stat_prefix(), "p");
  EXPECT_EQ(out.max_connect_attempts().value(), 3);
  EXPECT_EQ(out.idle_timeout().nanos(), 500'000'000);
}

TYPED_TEST(TypedStructTest, MistakesInsideHavePaths) {
  TypeParam typed;
  typed.set_type_url(kTcpProxy);
  (*typed.mutable_value()->mutable_fields())["statprefix"].set_string_value("p");
  Any any;
  any.PackFrom(typed);
  Violations violations;
  EXPECT_EQ(unpackExtension(any, FieldPath("typed_config"), violations), nullptr);
  ASSERT_EQ(violations.size(), 1);
  EXPECT_EQ(violations.list()[0].path, "typed_config.value.statprefix");
  EXPECT_EQ(violations.list()[0].reason, "unknown field (did you mean 'stat_prefix'?)");

  typed.set_type_url("no.such.Type");
  any.PackFrom(typed);
  Violations unknown;
  EXPECT_EQ(unpackExtension(any, FieldPath("typed_config"), unknown), nullptr);
  EXPECT_EQ(unknown.list()[0].path, "typed_config.type_url");
}

}  // namespace
}  // namespace sluice::config
