// Accepted sockets in their listener filters, and where they go from there.

#include "source/listener/pending_socket.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "test/listener/connection_handler_fixture.h"

namespace sluice::listener {
namespace {

TEST_F(ConnectionHandlerTest, ListenerFiltersPeekAndLeaveTheBytes) {
  script_.wants = 4;
  applyWithListenerFilter();
  Client client(address_);
  ASSERT_TRUE(client.send("ab"));
  ASSERT_TRUE(until([&] { return script_.seen.size() == 1; }));
  EXPECT_EQ(gauge("downstream_pre_cx_active"), 1u);
  EXPECT_EQ(limit_.open(), 1u);
  ASSERT_TRUE(client.send("cd"));
  // The greeting and the answer to the four bytes, which the filter left in the socket.
  std::string got;
  ASSERT_TRUE(until([&] { return (client.readable() && !(got += client.read()).empty(), got == "Aone"); }));
  EXPECT_EQ(script_.seen, (std::vector<std::string>{"ab", "abcd"}));
  EXPECT_EQ(gauge("downstream_pre_cx_active"), 0u);
}

TEST_F(ConnectionHandlerTest, AListenerFilterThatWantsMoreIsShownWhatIsThere) {
  script_.wants = 2;
  script_.grows_to = 6;
  applyWithListenerFilter();
  Client client(address_);
  ASSERT_TRUE(client.send("abcdef"));
  std::string got;
  ASSERT_TRUE(until([&] { return (client.readable() && !(got += client.read()).empty(), got == "Aone"); }));
  EXPECT_EQ(script_.seen, (std::vector<std::string>{"ab", "abcdef"}));
}

TEST_F(ConnectionHandlerTest, AListenerFilterThatWaitsLeavesTheLoopAlone) {
  script_.wants = 4;
  applyWithListenerFilter();
  Client client(address_);
  ASSERT_TRUE(client.send("ab"));
  ASSERT_TRUE(until([&] { return script_.seen.size() == 1; }));
  for (int i = 0; i < 20; ++i) {
    dispatcher_.run(event::Dispatcher::RunType::NonBlock);
  }
  EXPECT_EQ(script_.seen.size(), 1u);
}

TEST_F(ConnectionHandlerTest, AListenerFilterIsPassedOverWhereItIsDisabled) {
  auto nowhere = std::make_shared<ListenerFilterPredicate>();
  nowhere->kind = ListenerFilterPredicate::Kind::DestinationPort;
  nowhere->first_port = 1;
  nowhere->end_port = 65536;
  script_.pauses = true;
  applyWithListenerFilter(nowhere);
  Client client(address_);
  EXPECT_EQ(read(client), "A");
  EXPECT_TRUE(script_.paused.empty());
}

TEST_F(ConnectionHandlerTest, AConnectionGoesToTheListenerThatItWasMeantFor) {
  script_.restores = *net::Address::ip("10.0.0.1", 80);
  spec_.use_original_dst = true;
  applyWithListenerFilter();
  Client before(address_);
  EXPECT_EQ(read(before), "A") << "nobody has the address";

  ListenerSpec meant;
  meant.name = std::make_shared<const std::string>("meant");
  meant.stats = std::make_shared<const ListenerStats>(*store_.root(), "meant", 1);
  meant.limit = std::make_shared<ConnectionLimit>();
  meant.chains = {chain(9, "B", "two")};
  meant.matcher = spec_.matcher;
  const auto give = [&](const std::string& ip) {
    meant.addresses = {*net::Address::ip(ip, 80)};
    ListenerAssignment assignment;
    assignment.listener = 8;
    assignment.spec = std::make_shared<const ListenerSpec>(meant);
    handler_.apply(std::move(assignment));
  };
  give("10.0.0.1");
  Client exact(address_);
  EXPECT_EQ(read(exact), "B");
  give("0.0.0.0");
  Client wildcard(address_);
  EXPECT_EQ(read(wildcard), "B");
  give("10.0.0.2");
  Client other(address_);
  EXPECT_EQ(read(other), "A");
  give("10.0.0.1");
  EXPECT_EQ(store_.counterValue("listener.meant.downstream_cx_total"), 2u);
  EXPECT_EQ(counter("downstream_cx_total"), 2u);
  EXPECT_EQ(limit_.open(), 4u);
  EXPECT_EQ(meant.limit->open(), 2u);
  handler_.stopAccepting(8);
  Client late(address_);
  EXPECT_EQ(read(late), "A") << "it takes no new ones";
}

TEST_F(ConnectionHandlerTest, AListenerFilterMayTakeBytesOut) {
  script_.wants = 4;
  script_.consumes = 4;
  applyWithListenerFilter();
  Client client(address_);
  ASSERT_TRUE(client.send("head"));
  EXPECT_EQ(read(client), "A");
  dispatcher_.run(event::Dispatcher::RunType::NonBlock);
  EXPECT_FALSE(client.readable());
}

TEST_F(ConnectionHandlerTest, AListenerFilterMayPauseAndGoOnOrRefuse) {
  script_.pauses = true;
  applyWithListenerFilter();
  Client good(address_);
  Client bad(address_);
  ASSERT_TRUE(until([&] { return script_.paused.size() == 2; }));
  EXPECT_EQ(gauge("downstream_pre_cx_active"), 2u);
  script_.paused[0]->continueFilterChain(true);
  script_.paused[1]->continueFilterChain(false);
  EXPECT_EQ(read(good), "A");
  EXPECT_EQ(read(bad), "");
}

TEST_F(ConnectionHandlerTest, APeerThatEndsInTheListenerFiltersIsCounted) {
  script_.wants = 4;
  applyWithListenerFilter();
  Client client(address_);
  ASSERT_TRUE(client.send("ab"));
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(read(client), "");
  EXPECT_EQ(counter("downstream_listener_filter_remote_close"), 1u);
  EXPECT_EQ(script_.seen.back(), "ab$");
}

TEST_F(ConnectionHandlerTest, ListenerFiltersHaveATimeout) {
  script_.wants = 4;
  spec_.listener_filters_timeout = milliseconds(20);
  applyWithListenerFilter();
  Client refused(address_);
  EXPECT_EQ(read(refused), "");
  EXPECT_EQ(counter("downstream_pre_cx_timeout"), 1u);
  spec_.continue_on_listener_filters_timeout = true;
  apply(false);
  Client goes_on(address_);
  EXPECT_EQ(read(goes_on), "A");
  EXPECT_EQ(counter("downstream_pre_cx_timeout"), 2u);
}

TEST_F(ConnectionHandlerTest, AClosingListenerRefusesWhatItsFiltersHold) {
  script_.pauses = true;
  applyWithListenerFilter();
  Client client(address_);
  ASSERT_TRUE(until([&] { return !script_.paused.empty(); }));
  handler_.stopAccepting(7);
  bool drained = false;
  handler_.drainListener(7, [&] { drained = true; });
  EXPECT_FALSE(drained);
  handler_.closeListener(7);
  EXPECT_TRUE(drained);
  EXPECT_EQ(read(client), "");
}

}  // namespace
}  // namespace sluice::listener
