#include "control_plane_mock/printer.h"

#include "gtest/gtest.h"

namespace sluice::control_plane_mock {
namespace {

std::string describeRequest(const Request& request) {
  return describe({Event::Kind::Request, 1, &request, request.type_url, "", 0});
}

TEST(Printer, ShowsRequestsAcksAndNacks) {
  Request request;
  request.type_url = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
  request.names = {"a", "b"};
  request.node.emplace().set_id("me");
  EXPECT_EQ(describeRequest(request), "stream 1  request   ClusterLoadAssignment  a, b  from node me");
  request.node.reset();
  request.names.clear();
  request.nonce = "n1";
  request.answered_version = "3";
  request.version = "3";
  EXPECT_EQ(describeRequest(request), "stream 1  ACK       ClusterLoadAssignment  version 3");
  request.error.emplace().set_message("one\ntwo");
  request.version = "2";
  EXPECT_EQ(describeRequest(request),
            "stream 1  NACK      ClusterLoadAssignment  version 3, keeps 2\n"
            "                              one\n"
            "                              two");
}

TEST(Printer, ShowsTheRest) {
  EXPECT_EQ(describe({Event::Kind::StreamOpened, 2, nullptr, "", "", 0}), "stream 2  opened");
  EXPECT_EQ(describe({Event::Kind::Response, 2, nullptr, "x/envoy.config.cluster.v3.Cluster", "7", 1}),
            "stream 2  push      Cluster  version 7  1 resource");
}

}  // namespace
}  // namespace sluice::control_plane_mock
