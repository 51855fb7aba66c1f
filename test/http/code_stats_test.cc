#include "source/http/code_stats.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "source/event/libevent_dispatcher.h"
#include "source/stats/store.h"

namespace sluice::http {
namespace {

class CodeStatsTest : public testing::Test {
 protected:
  uint64_t counter(absl::string_view name) const { return store_.counterValue(absl::StrCat("cluster.be.", name)); }

  event::LibeventDispatcher main_{"main_thread"};
  stats::Store store_;
  CodeStats stats_{main_, store_.createScope("cluster.be"), "external."};
};

TEST_F(CodeStatsTest, CountsTheCodeItsClassAndAll) {
  stats_.countResponse(204);
  stats_.countResponse(204);
  stats_.countResponse(503);
  stats_.countClass(201);
  stats_.countResponse(7);
  EXPECT_EQ(2u, counter("external.upstream_rq_204"));
  EXPECT_EQ(1u, counter("external.upstream_rq_503"));
  EXPECT_EQ(0u, counter("external.upstream_rq_201"));
  EXPECT_EQ(3u, counter("external.upstream_rq_2xx"));
  EXPECT_EQ(1u, counter("external.upstream_rq_5xx"));
  EXPECT_EQ(5u, counter("external.upstream_rq_completed")) << "what is no code is complete all the same";
}

TEST_F(CodeStatsTest, WhatWorkersCountBeforeTheNameIsThereIsNotLost) {
  std::thread worker([this] {
    for (int i = 0; i < 3; ++i) {
      stats_.countResponse(200);
    }
    stats_.recordTime(12);
  });
  worker.join();
  EXPECT_EQ(0u, counter("external.upstream_rq_200")) << "main has not come to it";
  main_.run(event::Dispatcher::RunType::NonBlock);
  EXPECT_EQ(3u, counter("external.upstream_rq_200"));
  EXPECT_EQ(3u, counter("external.upstream_rq_2xx"));
  EXPECT_EQ(1u, store_.histogramCount("cluster.be.external.upstream_rq_time"));
  std::thread again([this] {
    stats_.countResponse(200);
    stats_.recordTime(13);
  });
  again.join();
  EXPECT_EQ(4u, counter("external.upstream_rq_200")) << "without main";
  EXPECT_EQ(2u, store_.histogramCount("cluster.be.external.upstream_rq_time"));
}

TEST_F(CodeStatsTest, ItMayGoBeforeWhatIsOnItsWay) {
  auto short_lived = std::make_unique<CodeStats>(main_, store_.createScope("cluster.gone"), "");
  std::thread worker([&] { short_lived->countResponse(200); });
  worker.join();
  short_lived.reset();
  main_.run(event::Dispatcher::RunType::NonBlock);
  EXPECT_EQ(0u, store_.counterValue("cluster.gone.upstream_rq_200")) << "the name goes with its last scope";
}

}  // namespace
}  // namespace sluice::http
