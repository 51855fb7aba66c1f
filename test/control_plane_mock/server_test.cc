// The scripted server, seen by a client made of gRPC's own generated code.

#include "control_plane_mock/server.h"

#include <memory>

#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"

#include "source/xds/subscription.h"
#include "test/xds/resources.h"

namespace sluice::control_plane_mock {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using std::chrono::milliseconds;
using test::assignment;
using test::cluster;

class Client {
 public:
  explicit Client(const std::string& address)
      : stub_(envoy::service::discovery::v3::AggregatedDiscoveryService::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        stream_(stub_->StreamAggregatedResources(&context_)) {}
  ~Client() {
    context_.TryCancel();
    stream_->Finish();
  }

  void ask(absl::string_view type, std::vector<std::string> names = {}, const std::string& version = "",
           const std::string& nonce = "", const std::string& error = "") {
    DiscoveryRequest request;
    request.set_type_url(std::string(type));
    request.mutable_resource_names()->Assign(names.begin(), names.end());
    request.set_version_info(version);
    request.set_response_nonce(nonce);
    if (!error.empty()) {
      request.mutable_error_detail()->set_message(error);
    }
    stream_->Write(request);
  }
  /** Waits for the next response; without a type if the stream ended. */
  DiscoveryResponse next() {
    DiscoveryResponse response;
    stream_->Read(&response);
    return response;
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<envoy::service::discovery::v3::AggregatedDiscoveryService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<DiscoveryRequest, DiscoveryResponse>> stream_;
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = Server::start();
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, FindsAFreePort) {
  EXPECT_GT(server_->port(), 0);
  EXPECT_EQ(server_->address(), "127.0.0.1:" + std::to_string(server_->port()));
  EXPECT_FALSE(Server::start(server_->address()).ok());
}

TEST_F(ServerTest, ServesItsSnapshotAndPushesChanges) {
  EXPECT_EQ(server_->setResources<Cluster>({cluster("a"), cluster("b")}), "1");
  Client client(server_->address());
  client.ask(xds::kClusterType);
  DiscoveryResponse response = client.next();
  EXPECT_EQ(response.version_info(), "1");
  EXPECT_EQ(response.resources_size(), 2);
  client.ask(xds::kClusterType, {}, "1", response.nonce());
  EXPECT_TRUE(server_->waitForAck(xds::kClusterType, "1"));
  EXPECT_EQ(server_->setResources<Cluster>({}), "2");
  response = client.next();
  EXPECT_EQ(response.version_info(), "2");
  EXPECT_EQ(response.resources_size(), 0);
}

TEST_F(ServerTest, DoesNotInsistAfterANack) {
  server_->setResources<Cluster>({cluster("a")});
  Client client(server_->address());
  client.ask(xds::kClusterType);
  DiscoveryResponse response = client.next();
  client.ask(xds::kClusterType, {}, "", response.nonce(), "do not like it");
  EXPECT_EQ(server_->waitForNack(xds::kClusterType, "1"), "do not like it");
  // The next thing that comes is the next version.
  server_->setResources<Cluster>({cluster("b")});
  EXPECT_EQ(client.next().version_info(), "2");
}

TEST_F(ServerTest, AnswersNamesAndWhatIsAddedToThem) {
  server_->setResources<ClusterLoadAssignment>({assignment("a"), assignment("b"), assignment("c")});
  Client client(server_->address());
  client.ask(xds::kEndpointType, {"a"});
  DiscoveryResponse response = client.next();
  EXPECT_EQ(response.resources_size(), 1);
  client.ask(xds::kEndpointType, {"a"}, "1", response.nonce());
  client.ask(xds::kEndpointType, {"a", "b"}, "1", response.nonce());
  response = client.next();
  EXPECT_EQ(response.resources_size(), 2);
  // Fewer names are no question, and a name that is not there is answered when it comes.
  client.ask(xds::kEndpointType, {"b"}, "1", response.nonce());
  client.ask(xds::kEndpointType, {"new"}, "1", response.nonce());
  ASSERT_TRUE(
      server_->waitForRequest([](const Request& request) { return request.names == std::vector<std::string>{"new"}; }));
  server_->setResources<ClusterLoadAssignment>({assignment("new")});
  response = client.next();
  EXPECT_EQ(response.version_info(), "2");
  EXPECT_EQ(response.resources_size(), 1);
}

TEST_F(ServerTest, IgnoresStaleNonces) {
  server_->setResources<ClusterLoadAssignment>({assignment("a"), assignment("b")});
  Client client(server_->address());
  client.ask(xds::kEndpointType, {"a"});
  const DiscoveryResponse first = client.next();
  server_->setResources<ClusterLoadAssignment>({assignment("a"), assignment("b")});
  const DiscoveryResponse second = client.next();
  client.ask(xds::kEndpointType, {"a", "b"}, "1", first.nonce());
  client.ask(xds::kEndpointType, {"a"}, "2", second.nonce());
  EXPECT_TRUE(server_->waitForAck(xds::kEndpointType, "2"));
  server_->setResources<ClusterLoadAssignment>({assignment("a"), assignment("b")});
  EXPECT_EQ(client.next().resources_size(), 1);
}

TEST_F(ServerTest, HandsOutRequestsInOrder) {
  Client client(server_->address());
  client.ask(xds::kClusterType);
  client.ask(xds::kListenerType);
  client.ask(xds::kEndpointType, {"x"});
  EXPECT_EQ(server_->expectRequest(xds::kListenerType)->type_url, xds::kListenerType);
  EXPECT_EQ(server_->expectRequest("")->type_url, xds::kClusterType);
  EXPECT_EQ(server_->expectRequest("")->names, std::vector<std::string>{"x"});
  EXPECT_FALSE(server_->expectRequest("", milliseconds(0)).has_value());
}

TEST_F(ServerTest, SendsWhateverTheScriptSays) {
  Client client(server_->address());
  client.ask(xds::kClusterType);
  ASSERT_TRUE(server_->expectRequest(xds::kClusterType).has_value());
  const std::string nonce = server_->send(test::response<Cluster>("v9", "", {cluster("x")}));
  DiscoveryResponse response = client.next();
  EXPECT_EQ(response.version_info(), "v9");
  EXPECT_EQ(response.nonce(), nonce);
  client.ask(xds::kClusterType, {}, "v9", nonce);
  EXPECT_TRUE(server_->waitForAck(xds::kClusterType, "v9"));
  server_->sendBytes("\xff\xff");
  EXPECT_EQ(client.next().type_url(), "");
}

TEST_F(ServerTest, HoldsAndDelays) {
  server_->setResources<Cluster>({cluster("a")});
  server_->hold();
  Client client(server_->address());
  client.ask(xds::kClusterType);
  ASSERT_TRUE(server_->expectRequest(xds::kClusterType).has_value());
  server_->release();
  EXPECT_EQ(client.next().version_info(), "1");
  server_->setDelay(milliseconds(50));
  const auto before = std::chrono::steady_clock::now();
  server_->setResources<Cluster>({cluster("b")});
  EXPECT_EQ(client.next().version_info(), "2");
  EXPECT_GE(std::chrono::steady_clock::now() - before, milliseconds(50));
}

TEST_F(ServerTest, BreaksRefusesStopsAndComesBack) {
  const std::string address = server_->address();
  {
    Client client(address);
    ASSERT_TRUE(server_->waitForStreams(1));
    server_->breakStreams();
    EXPECT_EQ(client.next().type_url(), "");
  }
  server_->refuseStreams(grpc::Status(grpc::StatusCode::UNAVAILABLE, "no"));
  {
    Client client(address);
    EXPECT_EQ(client.next().type_url(), "");
  }
  server_->refuseStreams(std::nullopt);
  server_->stop();
  {
    Client client(address);
    EXPECT_EQ(client.next().type_url(), "");
  }
  EXPECT_EQ(server_->openStreams(), 0u);
  ASSERT_TRUE(server_->restart().ok());
  EXPECT_EQ(server_->address(), address);
  server_->setResources<Cluster>({cluster("a")});
  Client client(address);
  client.ask(xds::kClusterType);
  EXPECT_EQ(client.next().version_info(), "1");
}

}  // namespace
}  // namespace sluice::control_plane_mock
