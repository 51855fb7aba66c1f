#include "source/admin/json_printer.h"

#include "envoy/admin/v3/memory.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "gtest/gtest.h"

#include "source/config/type_registry.h"

namespace sluice::admin {
namespace {

TEST(JsonPrinter, printsAsEnvoyDoes) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_name("be\n\"x\"");
  cluster.mutable_connect_timeout()->set_seconds(1);
  cluster.mutable_load_assignment()->set_cluster_name("be");
  JsonPrinter printer;
  EXPECT_EQ(printer.page(cluster),
            "{\n \"name\": \"be\\n\\\"x\\\"\",\n \"connect_timeout\": \"1s\",\n \"load_assignment\": {\n"
            "  \"cluster_name\": \"be\"\n }\n}\n");
}

TEST(JsonPrinter, indentsAndNamesTheType) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_name("be");
  JsonPrinter printer;
  std::string out;
  printer.append(cluster, 2, out, JsonPrinter::Defaults::LeftOut, "t/c");
  EXPECT_EQ(out, "{\n   \"@type\": \"t/c\",\n   \"name\": \"be\"\n  }");
  out.clear();
  printer.append(envoy::config::cluster::v3::Cluster(), 2, out, JsonPrinter::Defaults::LeftOut, "t/c");
  EXPECT_EQ(out, "{\n   \"@type\": \"t/c\"\n  }");
}

TEST(JsonPrinter, showsDefaultsWhenAsked) {
  JsonPrinter printer;
  EXPECT_EQ(printer.page(envoy::admin::v3::Memory()), "{}\n");
  EXPECT_NE(printer.page(envoy::admin::v3::Memory(), JsonPrinter::Defaults::Shown).find("\"allocated\": \"0\""),
            std::string::npos);
}

TEST(JsonPrinter, looksIntoAnysOfEveryKind) {
  envoy::config::listener::v3::Listener listener;
  auto& filters = *listener.add_filter_chains()->mutable_filters();
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
  proxy.set_cluster("be");
  filters.Add()->mutable_typed_config()->PackFrom(proxy);
  // Of the API, but not compiled in.
  const char* redis = "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy";
  const google::protobuf::Descriptor* type = config::findMessage(redis);
  ASSERT_NE(type, nullptr);
  const std::unique_ptr<google::protobuf::Message> message = config::newMessage(*type);
  message->GetReflection()->SetString(message.get(), type->FindFieldByName("stat_prefix"), "r");
  filters.Add()->mutable_typed_config()->PackFrom(*message);
  filters.Add()->mutable_typed_config()->set_type_url("type.googleapis.com/no.such.Type");
  filters.Mutable(2)->mutable_typed_config()->set_value("\x0a\x01x");

  JsonPrinter printer;
  const std::string json = printer.page(listener);
  EXPECT_NE(json.find("\"cluster\": \"be\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"stat_prefix\": \"r\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"@type\": \"type.googleapis.com/no.such.Type\""), std::string::npos) << json;
}

TEST(JsonPrinter, saysWhatCannotBeShown) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.mutable_connect_timeout()->set_seconds(int64_t{1} << 60);
  JsonPrinter printer;
  const std::string json = printer.page(cluster);
  EXPECT_EQ(json.find("{\n \"error\": \"this envoy.config.cluster.v3.Cluster cannot be shown: "), 0u) << json;
}

}  // namespace
}  // namespace sluice::admin
