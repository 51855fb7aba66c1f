#include "source/cluster/endpoint.h"

#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::cluster {
namespace {

TEST(EndpointTest, RequestsAreSummedOverWorkers) {
  // On the heap, as endpoints are: GCC 12's AddressSanitizer does not keep a local's alignment to a cache line.
  const auto made = std::make_unique<Endpoint>(*net::Address::ip("10.0.0.1", 80), "");
  Endpoint& endpoint = *made;
  std::vector<std::thread> workers;
  int names[4];
  for (int& name : names) {
    workers.emplace_back([&] {
      EndpointRequests& mine = endpoint.requestsOf(&name);
      EXPECT_EQ(&mine, &endpoint.requestsOf(&name)) << "one for each worker";
      for (int i = 0; i < 1000; ++i) {
        mine.countTotal();
        mine.countSuccess();
        mine.addActive(1);
        mine.addPending(1);
        mine.addPending(-1);
      }
      mine.addActive(-999);
      mine.countError();
      mine.countTimeout();
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  const RequestCounts sum = endpoint.requestCounts();
  EXPECT_EQ(4000u, sum.total);
  EXPECT_EQ(4000u, sum.success);
  EXPECT_EQ(4u, sum.error);
  EXPECT_EQ(4u, sum.timeout);
  EXPECT_EQ(4u, sum.active);
  EXPECT_EQ(0u, sum.pending);
  EXPECT_EQ(1u, endpoint.requestsOf(&names[0]).active());
}

TEST(EndpointTest, AnEndpointWithoutRequestsHasNone) {
  const auto endpoint = std::make_unique<Endpoint>(*net::Address::ip("10.0.0.1", 80), "");
  EXPECT_EQ(0u, endpoint->requestCounts().total);
}

}  // namespace
}  // namespace sluice::cluster
