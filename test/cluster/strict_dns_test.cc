#include "source/cluster/strict_dns.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <gtest/gtest.h>

#include "source/stats/store.h"
#include "test/cluster/fixtures.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/** Keeps the questions, and answers them when the test says so. */
class FakeResolver : public DnsResolver {
 public:
  struct Question : DnsQuery {
    Question(FakeResolver& owner, std::string text) : resolver(owner), name(std::move(text)) {
      resolver.open[name] = this;
    }
    ~Question() override {
      const auto found = resolver.open.find(name);
      if (found != resolver.open.end() && found->second == this) {
        resolver.open.erase(found);
      }
    }
    FakeResolver& resolver;
    const std::string name;
    DnsFamily family;
    Callback callback;
  };

  std::unique_ptr<DnsQuery> resolve(const std::string& name, DnsFamily family, Callback callback) override {
    auto question = std::make_unique<Question>(*this, name);
    question->family = family;
    question->callback = std::move(callback);
    ++asked[name];
    return question;
  }
  void answer(const std::string& name, std::vector<std::string> addresses, std::optional<seconds> ttl = {}) {
    DnsAnswer answer{.status = DnsStatus::Completed, .ttl = ttl};
    for (const std::string& address : addresses) {
      answer.addresses.push_back(*net::Address::ip(address, 0));
    }
    open.at(name)->callback(std::move(answer));
  }
  void fail(const std::string& name) { open.at(name)->callback({.status = DnsStatus::Failed, .details = "broken"}); }

  std::map<std::string, Question*> open;
  std::map<std::string, int> asked;
};

class StrictDnsTest : public testing::Test, protected EndpointSource::Callbacks {
 protected:
  void start(const std::vector<std::string>& names, const DnsSettings& settings = {}) {
    std::vector<std::string> endpoints;
    for (const std::string& name : names) {
      endpoints.push_back(
          absl::StrCat("{endpoint: {address: {socket_address: {address: ", name, ", port_value: 80}}}}"));
    }
    config::Violations violations;
    EndpointList list = readAssignment(
        test::assignmentYaml(absl::StrCat("endpoints: [{lb_endpoints: [", absl::StrJoin(endpoints, ", "), "]}]")),
        {.names = true}, config::FieldPath(), violations);
    EXPECT_TRUE(violations.empty());
    EndpointSource::Callbacks& callbacks = *this;
    source_ =
        std::make_unique<StrictDnsSource>("be", std::move(list), settings, dispatcher_, resolver_, random_, callbacks);
    EXPECT_TRUE(source_->start().ok());
  }
  uint64_t counter(absl::string_view name) const { return store_.counterValue(absl::StrCat("cluster.be.", name)); }

  void onEndpoints(EndpointSource&, EndpointList endpoints) override {
    std::vector<std::string> addresses;
    for (const EndpointSpec& spec : endpoints.endpoints) {
      addresses.push_back(spec.address.toString());
    }
    published_.push_back(absl::StrJoin(addresses, " "));
  }
  void onWarm(EndpointSource&) override { ++warm_; }
  const ClusterStats& sourceStats(EndpointSource&) override { return stats_; }

  test::FakeDispatcher dispatcher_;
  stats::Store store_;
  stats::ScopePtr scope_ = store_.createScope("cluster.be");
  ClusterStats stats_{*scope_};
  FakeResolver resolver_;
  base::Random random_{1};
  std::vector<std::string> published_;
  int warm_ = 0;
  std::unique_ptr<StrictDnsSource> source_;
};

TEST_F(StrictDnsTest, IsWarmOnceAllNamesHaveAnOutcome) {
  start({"a.test", "b.test"});
  EXPECT_EQ("DNS names of be a.test b.test", source_->waitsFor());
  resolver_.answer("a.test", {"10.0.0.2", "10.0.0.1"});
  EXPECT_EQ(0, warm_);
  EXPECT_EQ("DNS names of be b.test", source_->waitsFor());
  resolver_.fail("b.test");
  EXPECT_EQ(1, warm_);
  EXPECT_EQ((std::vector<std::string>{"10.0.0.1:80 10.0.0.2:80"}), published_);
  EXPECT_EQ(2, counter("update_attempt"));
  EXPECT_EQ(1, counter("update_success"));
  EXPECT_EQ(1, counter("update_failure"));
}

TEST_F(StrictDnsTest, AsksAgainInItsRhythm) {
  start({"a.test"}, {.refresh_rate = seconds(3)});
  resolver_.answer("a.test", {"10.0.0.1"});
  dispatcher_.advance(milliseconds(2999));
  EXPECT_EQ(1, resolver_.asked["a.test"]);
  dispatcher_.advance(milliseconds(1));
  EXPECT_EQ(2, resolver_.asked["a.test"]);
  resolver_.answer("a.test", {"10.0.0.1"});
  EXPECT_EQ(1u, published_.size()) << "the same is no news";
  EXPECT_EQ(1, counter("update_no_rebuild"));
  dispatcher_.advance(seconds(3));
  resolver_.answer("a.test", {"10.0.0.3"});
  EXPECT_EQ("10.0.0.3:80", published_.back());
}

TEST_F(StrictDnsTest, AFailureKeepsWhatWasThere) {
  start({"a.test"});
  resolver_.answer("a.test", {"10.0.0.1"});
  dispatcher_.advance(seconds(5));
  resolver_.fail("a.test");
  EXPECT_EQ(1u, published_.size());
  dispatcher_.advance(seconds(5));
  EXPECT_EQ(3, resolver_.asked["a.test"]);
}

TEST_F(StrictDnsTest, AnEmptyAnswerRemovesIt) {
  start({"a.test", "b.test"});
  resolver_.answer("a.test", {"10.0.0.1"});
  resolver_.answer("b.test", {"10.0.0.2"});
  dispatcher_.advance(seconds(5));
  resolver_.answer("a.test", {});
  EXPECT_EQ("10.0.0.2:80", published_.back());
  EXPECT_EQ(1, counter("update_empty"));
}

TEST_F(StrictDnsTest, TheRecordsTimeToLiveCountsIfAskedFor) {
  start({"a.test"}, {.refresh_rate = seconds(5), .respect_ttl = true});
  resolver_.answer("a.test", {"10.0.0.1"}, seconds(60));
  dispatcher_.advance(seconds(59));
  EXPECT_EQ(1, resolver_.asked["a.test"]);
  dispatcher_.advance(seconds(1));
  EXPECT_EQ(2, resolver_.asked["a.test"]);
  resolver_.answer("a.test", {"10.0.0.1"});
  dispatcher_.advance(seconds(5));
  EXPECT_EQ(3, resolver_.asked["a.test"]) << "no time to live: the refresh rate";
}

TEST_F(StrictDnsTest, FailuresBackOffWithJitter) {
  start({"a.test"}, {.refresh_rate = seconds(5), .failure_base = seconds(1), .failure_max = seconds(4)});
  for (int i = 0; i < 6; ++i) {
    resolver_.fail("a.test");
    const int asked = resolver_.asked["a.test"];
    dispatcher_.advance(milliseconds(i == 0 ? 1001 : 4001));
    EXPECT_EQ(asked + 1, resolver_.asked["a.test"]) << i;
  }
  resolver_.answer("a.test", {"10.0.0.1"});
  dispatcher_.advance(seconds(5));
  const int asked = resolver_.asked["a.test"];
  resolver_.fail("a.test");
  dispatcher_.advance(milliseconds(1001));
  EXPECT_EQ(asked + 1, resolver_.asked["a.test"]) << "a success begins it anew";
}

TEST_F(StrictDnsTest, GoingAwayEndsItsQuestions) {
  start({"a.test"});
  EXPECT_EQ(1u, resolver_.open.size());
  source_.reset();
  EXPECT_TRUE(resolver_.open.empty());
  EXPECT_EQ(0u, dispatcher_.armedTimers());
}

TEST_F(StrictDnsTest, NoNamesIsWarmAtOnce) {
  start({});
  EXPECT_EQ(1, warm_);
}

}  // namespace
}  // namespace sluice::cluster
