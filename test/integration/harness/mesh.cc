#include "test/integration/harness/mesh.h"

namespace sluice::integration {

std::string ownStream(const std::string& api_type) {
  return "api_config_source: {api_type: " + api_type +
         ", transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: control_plane}}]}";
}

std::string controlPlaneBootstrap(int port, const std::string& extra, const std::string& lds_extra,
                                  const std::string& api_type) {
  return "dynamic_resources:\n"
         "  ads_config: {api_type: " +
         api_type +
         ", transport_api_version: V3,\n"
         "               grpc_services: [{envoy_grpc: {cluster_name: control_plane}}]}\n"
         "  cds_config: {ads: {}, resource_api_version: V3" +
         lds_extra +
         "}\n"
         "  lds_config: {ads: {}, resource_api_version: V3" +
         lds_extra +
         "}\n"
         "static_resources:\n"
         "  clusters:\n"
         "  - name: control_plane\n"
         "    type: STATIC\n"
         "    typed_extension_protocol_options:\n"
         "      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n"
         "        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"
         "        explicit_http_config: {http2_protocol_options: {}}\n"
         "    load_assignment:\n"
         "      cluster_name: control_plane\n"
         "      endpoints: [{lb_endpoints: [" +
         endpoint(port) + "]}]\n" + extra;
}

MeshTest::MeshTest() {
  auto server = control_plane_mock::Server::start();
  EXPECT_TRUE(server.ok()) << server.status();
  control_plane_ = *std::move(server);
}

MeshTest::~MeshTest() { proxy_.reset(); }

void MeshTest::launch(Proxy::Options options, const std::string& extra, const std::string& lds_extra) {
  launchBootstrap(controlPlaneBootstrap(control_plane_->port(), extra, lds_extra, api_type_), std::move(options));
}

void MeshTest::launchBootstrap(const std::string& bootstrap, Proxy::Options options) {
  proxy_ = std::make_unique<Proxy>(bootstrap, std::move(options));
}

void MeshTest::start(Proxy::Options options, const std::string& extra) {
  launch(std::move(options), extra);
  ASSERT_TRUE(proxy_->waitReady());
}

void MeshTest::push(absl::string_view type, const Yamls& yamls) {
  const std::string version = control_plane_->setResources(type, resources(yamls));
  if (proxy_ != nullptr && !control_plane_->waitForAck(type, version)) {
    ADD_FAILURE() << "no ACK of " << type << " " << version << "; NACK: "
                  << control_plane_->waitForNack(type, version, std::chrono::milliseconds(0)).value_or("none");
  }
}

void MeshTest::setClusters(const Yamls& yamls) { push(xds::kClusterType, yamls); }
void MeshTest::setEndpoints(const Yamls& yamls) { push(xds::kEndpointType, yamls); }
void MeshTest::setListeners(const Yamls& yamls) { push(xds::kListenerType, yamls); }

void MeshTest::setSecrets(const Yamls& yamls) { push(xds::kSecretType, yamls); }

void MeshTest::updateListeners(const Yamls& yamls, uint64_t changed) {
  const uint64_t before = created();
  setListeners(yamls);
  proxy().waitForStat("listener_manager.listener_create_success", before + 2 * changed);
}

std::string MeshTest::refusedListeners(std::vector<google::protobuf::Any> any) {
  const std::string version = control_plane_->setResources(xds::kListenerType, std::move(any));
  const auto message = control_plane_->waitForNack(xds::kListenerType, version);
  EXPECT_TRUE(message.has_value()) << "no NACK came";
  return message.value_or("");
}

std::string MeshTest::refusedClusters(std::vector<google::protobuf::Any> any) {
  const std::string version = control_plane_->setResources(xds::kClusterType, std::move(any));
  const auto message = control_plane_->waitForNack(xds::kClusterType, version);
  EXPECT_TRUE(message.has_value()) << "no NACK came";
  return message.value_or("");
}

std::string MeshTest::refusedSecrets(const Yamls& yamls) {
  const std::string version = control_plane_->setResources(xds::kSecretType, resources(yamls));
  const auto message = control_plane_->waitForNack(xds::kSecretType, version);
  EXPECT_TRUE(message.has_value()) << "no NACK came";
  return message.value_or("");
}

uint16_t MeshTest::port(const std::string& listener) {
  uint16_t found = 0;
  EXPECT_TRUE(eventually([&] {
    found = proxy().listenerPort(listener).value_or(0);
    return found != 0;
  })) << "listener "
      << listener << " is not there";
  return found;
}

bool MeshTest::waitGreeting(uint16_t port, const std::string& greeting, const std::string& from) {
  std::string last;
  const bool greeted = eventually([&] { return (last = greetingOf(port, from)) == greeting; });
  EXPECT_TRUE(greeted) << "greeted '" << last << "', not '" << greeting << "'";
  return greeted;
}

}  // namespace sluice::integration
