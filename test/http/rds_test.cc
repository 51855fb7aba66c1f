#include "source/http/rds.h"

#include "absl/strings/str_cat.h"

#include "source/config/canonical_key.h"
#include "test/http/route_fixture.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::http {
namespace {

class FakeSubscriptions final : public xds::SubscriptionFactory {
 public:
  struct Held : xds::Subscription {
    explicit Held(FakeSubscriptions& owner) : owner_(owner) { ++owner_.live; }
    ~Held() override { --owner_.live; }
    void setNames(std::set<std::string>) override {}
    FakeSubscriptions& owner_;
  };
  absl::StatusOr<std::unique_ptr<xds::Subscription>> subscribe(const envoy::config::core::v3::ConfigSource& source,
                                                               absl::string_view type_url, std::set<std::string> names,
                                                               absl::string_view stat_prefix,
                                                               xds::ResourceWatcher& of) override {
    if (source.has_api_config_source()) {
      return absl::UnimplementedError("no such source");
    }
    EXPECT_EQ(type_url, xds::kRouteType);
    asked.push_back(absl::StrCat(*names.begin(), " ", stat_prefix));
    watcher = &of;
    return std::make_unique<Held>(*this);
  }
  std::shared_ptr<void> pause(absl::string_view) override { return nullptr; }

  std::vector<std::string> asked;
  xds::ResourceWatcher* watcher = nullptr;
  int live = 0;
};

class RdsTest : public test::RouteFixture {
 protected:
  RdsTest() { source_.mutable_ads(); }
  ~RdsTest() override {
    slots_.shutdownThread(main_);
    main_.runUntilIdle();
  }

  std::shared_ptr<RouteProvider> rds(xds::InitManager& init, absl::string_view prefix = "http.p.") {
    auto made = providers_.makeRds(source_, "r", prefix, init);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *std::move(made) : nullptr;
  }
  static std::string config(int status) {
    return absl::StrCat("{name: r, virtual_hosts: [{name: v, domains: ['*'], routes: [{name: s", status,
                        ", match: {prefix: /}, direct_response: {status: ", status, "}}]}]}");
  }
  /** The verdict: "" for an ACK. */
  std::string update(absl::string_view text, std::string version = "1") {
    xds::Update update;
    update.version = std::move(version);
    if (!text.empty()) {
      const auto message = parse(text);
      xds::Resource resource;
      resource.name = message->name();
      resource.key = config::contentKeyOf(*message);
      resource.message = message;
      resource.bytes = std::make_shared<const std::string>(message->SerializeAsString());
      update.resources.push_back(std::move(resource));
    }
    std::string verdict = "none";
    subscriptions_.watcher->onUpdate(std::move(update), [&verdict](std::vector<xds::ResourceError> errors) {
      verdict = errors.empty() ? "" : absl::StrCat(errors[0].name, ": ", errors[0].violations.toString());
    });
    main_.runUntilIdle();
    return verdict;
  }
  static std::string routeOf(const RouteProvider& provider) {
    const RouteTablePin table = provider.table();
    return table ? test::FakeRequest("h", "/").routeIn(*table) : "no table";
  }
  std::vector<RouteConfigView> views() {
    std::vector<RouteConfigView> list;
    std::string after;
    // One at a time, as slices may be.
    for (bool more = true; more;) {
      more = false;
      providers_.visit(after, [&](const std::string& key, const RouteConfigView& view) {
        after = key;
        list.push_back(view);
        more = true;
        return false;
      });
    }
    return list;
  }

  test::FakeDispatcher main_;
  thread::SlotAllocator slots_{main_};
  FakeSubscriptions subscriptions_;
  RouteProviders providers_{main_, slots_, subscriptions_, services()};
  envoy::config::core::v3::ConfigSource source_;
};

TEST_F(RdsTest, TheListenerWaitsForTheFirstTable) {
  xds::InitManager init("l");
  const auto provider = rds(init);
  bool warm = false;
  init.initialize([&warm] { warm = true; });
  EXPECT_EQ(subscriptions_.asked, std::vector<std::string>{"r http.p.rds.r."});
  EXPECT_FALSE(warm);
  ASSERT_EQ(init.pending().size(), 1u);
  EXPECT_EQ(init.pending()[0].target, "RDS routes r");
  EXPECT_EQ(routeOf(*provider), "no table");
  EXPECT_EQ(update(config(200)), "");
  EXPECT_TRUE(warm);
  EXPECT_EQ(routeOf(*provider), "s200");
  EXPECT_EQ(store_.counterValue("http.p.rds.r.config_reload"), 1u);
  EXPECT_GT(store_.gaugeValue("http.p.rds.r.config_reload_time_ms"), 0u);
}

TEST_F(RdsTest, WithoutAnAnswerItServesWithoutRoutes) {
  xds::InitManager init("l");
  const auto provider = rds(init);
  bool warm = false;
  init.initialize([&warm] { warm = true; });
  subscriptions_.watcher->onFetchFailure(xds::FetchFailure::Timeout);
  EXPECT_TRUE(warm);
  EXPECT_EQ(routeOf(*provider), "no table");
}

TEST_F(RdsTest, ABadTableLeavesTheOldOne) {
  xds::InitManager init("l");
  const auto provider = rds(init);
  update(config(200));
  EXPECT_EQ(update("{name: r, virtual_hosts: [{name: v, domains: [a, a]}]}", "2"),
            "r: virtual_hosts[0].domains[1]: the domain 'a' is there twice (duplicate)\n");
  EXPECT_EQ(routeOf(*provider), "s200");
  ASSERT_EQ(views().size(), 1u);
  EXPECT_EQ(views()[0].version, "1");
  ASSERT_TRUE(views()[0].failure.has_value());
  EXPECT_EQ(views()[0].failure->version, "2");
  EXPECT_EQ(update(config(204), "3"), "");
  EXPECT_EQ(routeOf(*provider), "s204");
  EXPECT_FALSE(views()[0].failure.has_value());
}

TEST_F(RdsTest, RoutesStayWhenTheyAreLeftOut) {
  xds::InitManager init("l");
  const auto provider = rds(init);
  update(config(200));
  EXPECT_EQ(update("", "2"), "");
  EXPECT_EQ(routeOf(*provider), "s200");
  EXPECT_EQ(store_.counterValue("http.p.rds.r.update_empty"), 1u);
}

TEST_F(RdsTest, AnEqualTableIsNoNews) {
  xds::InitManager init("l");
  const auto provider = rds(init);
  update(config(200));
  const RouteTable* const table = provider->table().get();
  EXPECT_EQ(update(config(200), "2"), "");
  EXPECT_EQ(provider->table().get(), table);
  EXPECT_EQ(store_.counterValue("http.p.rds.r.config_reload"), 1u);
  EXPECT_EQ(views()[0].version, "2");
}

TEST_F(RdsTest, ARequestKeepsItsTable) {
  xds::InitManager init("l");
  const auto provider = rds(init);
  update(config(200));
  const RouteTablePin pin = provider->table();
  update(config(204), "2");
  EXPECT_EQ(test::FakeRequest("h", "/").routeIn(*pin), "s200");
  EXPECT_EQ(routeOf(*provider), "s204");
}

TEST_F(RdsTest, ListenersShareASubscription) {
  xds::InitManager first("1");
  xds::InitManager second("2");
  auto a = rds(first);
  auto b = rds(second, "http.q.");
  EXPECT_EQ(a.get(), b.get());
  EXPECT_EQ(subscriptions_.asked.size(), 1u);
  a.reset();
  EXPECT_EQ(subscriptions_.live, 1);
  b.reset();
  EXPECT_EQ(subscriptions_.live, 0);
  EXPECT_TRUE(views().empty());
  b = rds(second);
  EXPECT_EQ(subscriptions_.asked.size(), 2u);
}

TEST_F(RdsTest, AnUnknownSourceIsRefused) {
  xds::InitManager init("l");
  source_.mutable_api_config_source();
  EXPECT_EQ(providers_.makeRds(source_, "r", "http.p.", init).status().message(), "no such source");
  EXPECT_TRUE(views().empty());
}

TEST_F(RdsTest, InlineTablesAreThereAtOnce) {
  const auto provider = providers_.makeInline(parse(config(200)), config::FieldPath(), violations_);
  ASSERT_NE(provider, nullptr) << violations_.toString();
  EXPECT_EQ(routeOf(*provider), "s200");
  ASSERT_EQ(views().size(), 1u);
  EXPECT_FALSE(views()[0].dynamic);
  EXPECT_EQ(
      providers_.makeInline(parse("{name: r, virtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /}, "
                                  "route: {cluster: nope}}]}]}"),
                            config::FieldPath(absl::string_view("route_config")), violations_),
      nullptr);
  EXPECT_EQ(violations_.list()[0].path, "route_config.virtual_hosts[0].routes[0].route.cluster");
}

}  // namespace
}  // namespace sluice::http
