#pragma once

#include <memory>
#include <string>

#include "gtest/gtest.h"

#include "control_plane_mock/server.h"
#include "source/xds/subscription.h"
#include "test/integration/harness/proxy.h"
#include "test/integration/harness/resources.h"
#include "test/integration/harness/traffic.h"

namespace sluice::integration {

/** A bootstrap that names the control plane at `port` and nothing else; `extra` is further lines at its top level. */
std::string controlPlaneBootstrap(int port, const std::string& extra = "", const std::string& lds_extra = "",
                                  const std::string& api_type = "GRPC");
/** "api_config_source: {...}": a stream of its own to the same control plane. */
std::string ownStream(const std::string& api_type = "GRPC");

/** A control plane, and a proxy whose bootstrap names nothing else. */
class MeshTest : public ::testing::Test {
 protected:
  MeshTest();
  ~MeshTest() override;

  /** The proxy that is started next speaks the delta variant. */
  void speakDelta() { api_type_ = "DELTA_GRPC"; }
  /** Starts the proxy; it is not waited for. */
  void launch(Proxy::Options options = {}, const std::string& extra = "", const std::string& lds_extra = "");
  /** The same with a bootstrap of the test's own. */
  void launchBootstrap(const std::string& bootstrap, Proxy::Options options = {});
  /** Starts the proxy and waits until it is ready. */
  void start(Proxy::Options options = {}, const std::string& extra = "");

  // Before the proxy was started these set what it will be given; after that they wait for the ACK too.

  void setClusters(const Yamls& yamls);
  void setEndpoints(const Yamls& yamls);
  void setListeners(const Yamls& yamls);
  /** Once the proxy runs it must have asked for some secret: nobody answers otherwise. */
  void setSecrets(const Yamls& yamls);
  /** As setListeners(), and waits until all workers have taken `changed` new versions of listeners. */
  void updateListeners(const Yamls& yamls, uint64_t changed = 1);
  /** Pushes what must be refused; the NACK's message. */
  std::string refusedListeners(std::vector<google::protobuf::Any> any);
  std::string refusedClusters(std::vector<google::protobuf::Any> any);
  std::string refusedSecrets(const Yamls& yamls);

  /** The port of a listener, waited for; 0, failing the test, if it does not come. */
  uint16_t port(const std::string& listener);
  /** Waits until new connections to the listener are greeted so. */
  bool waitGreeting(uint16_t port, const std::string& greeting, const std::string& from = "127.0.0.1");
  /** Of both workers, how many times listeners were given to them. */
  uint64_t created() { return proxy().stat("listener_manager.listener_create_success").value_or(0); }

  Proxy& proxy() { return *proxy_; }
  control_plane_mock::Server& controlPlane() { return *control_plane_; }
  void stopProxy() { proxy_.reset(); }

 private:
  void push(absl::string_view type, const Yamls& yamls);

  std::string api_type_ = "GRPC";
  std::unique_ptr<control_plane_mock::Server> control_plane_;
  std::unique_ptr<Proxy> proxy_;
};

}  // namespace sluice::integration
