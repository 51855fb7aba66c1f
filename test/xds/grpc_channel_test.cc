#include "source/xds/grpc_channel.h"

#include "gtest/gtest.h"

namespace sluice::xds {
namespace {

using Kind = ChannelTarget::Endpoint::Kind;
using Uris = std::vector<std::string>;

Uris uris(std::vector<ChannelTarget::Endpoint> endpoints) {
  ChannelTarget target;
  target.endpoints = std::move(endpoints);
  auto maker = ChannelMaker::create(std::move(target));
  return maker.ok() ? (*maker)->uris() : Uris{std::string(maker.status().message())};
}

TEST(ChannelMaker, AddressesOfOneFamilyShareAChannel) {
  EXPECT_EQ(uris({{Kind::Ip, "10.0.0.1", 80}, {Kind::Ip, "::1", 81}, {Kind::Ip, "10.0.0.2", 82}}),
            (Uris{"ipv4:10.0.0.1:80,10.0.0.2:82", "ipv6:[::1]:81"}));
}

TEST(ChannelMaker, NamesAndUnixSocketsHaveTheirOwn) {
  EXPECT_EQ(uris({{Kind::DnsName, "istiod.istio-system", 15010},
                  {Kind::UnixPath, "./etc/istio/proxy/XDS", 0},
                  {Kind::UnixPath, "@abstract", 0}}),
            (Uris{"dns:///istiod.istio-system:15010", "unix:./etc/istio/proxy/XDS", "unix-abstract:abstract"}));
}

TEST(ChannelMaker, NeedsAnEndpoint) { EXPECT_EQ(uris({}), Uris{"the control plane's cluster has no endpoint"}); }

TEST(ChannelMaker, MakesANewChannelEachTime) {
  ChannelTarget target;
  target.endpoints.push_back({Kind::Ip, "127.0.0.1", 1});
  auto maker = ChannelMaker::create(std::move(target));
  ASSERT_TRUE(maker.ok());
  EXPECT_NE((*maker)->make(), (*maker)->make());
}

}  // namespace
}  // namespace sluice::xds
