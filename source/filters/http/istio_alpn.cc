#include "source/filters/http/istio_alpn.h"

#include <array>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "envoy/config/core/v3/base.pb.h"
#include "istio/alpn.pb.h"

#include "source/cluster/cluster_info.h"
#include "source/filters/http/pass_through.h"
#include "source/filters/http/request_cluster.h"

namespace sluice::filters {
namespace {

using Proto = istio::envoy::config::filter::http::alpn::v2alpha1::FilterConfig;

/** Where the pools of connections look for it. */
constexpr absl::string_view kProtocols = "envoy.network.application_protocols";

/** By http::Protocol; null where nothing is said. Made once: requests only refer to it. */
using Offers = std::array<std::unique_ptr<const net::TextFilterState>, 3>;

bool leftAlone(const cluster::ClusterInfo& cluster) {
  if (cluster.metadata == nullptr) {
    return false;
  }
  const auto& filters = cluster.metadata->filter_metadata();
  const auto istio = filters.find("istio");
  if (istio == filters.end()) {
    return false;
  }
  const auto said = istio->second.fields().find("alpn_override");
  return said != istio->second.fields().end() && said->second.string_value() == "false";
}

/** What the cluster asks in, or likes best where the connection decides. */
http::Protocol preferred(cluster::HttpProtocolChoice choice, http::Protocol downstream) {
  switch (choice) {
    case cluster::HttpProtocolChoice::Http1:
      return http::Protocol::Http11;
    case cluster::HttpProtocolChoice::Downstream:
      // No endpoint is asked in HTTP/1.0.
      return downstream == http::Protocol::Http2 ? http::Protocol::Http2 : http::Protocol::Http11;
    default:
      return http::Protocol::Http2;
  }
}

class IstioAlpn final : public PassThroughDecoder {
 public:
  IstioAlpn(const Offers& offers, const cluster::ClusterProvider& clusters) : offers_(offers), clusters_(clusters) {}

  http::HeadersStatus decodeHeaders(http::HeaderMap& headers, bool) override {
    const cluster::LocalCluster* const found = clusters_.localClusters().find(chosenCluster(*decoder_, headers));
    if (found == nullptr || leftAlone(found->info())) {
      return http::HeadersStatus::Continue;
    }
    http::StreamInfo& info = decoder_->streamInfo();
    const http::Protocol protocol = preferred(found->info().recipe->http.protocol, info.protocol);
    if (const auto& offer = offers_[static_cast<size_t>(protocol)]; offer != nullptr) {
      // The configuration outlives the stream, so that workers need not share a count.
      std::shared_ptr<const net::FilterState::Object> object(std::shared_ptr<const void>(), offer.get());
      info.makeExtras().filter_state.set(kProtocols, std::move(object), true);
    }
    return http::HeadersStatus::Continue;
  }

 private:
  const Offers& offers_;
  const cluster::ClusterProvider& clusters_;
};

class IstioAlpnConfig : public http::HttpFilterConfig {
 public:
  IstioAlpnConfig(Offers offers, const cluster::ClusterProvider& clusters)
      : offers_(std::move(offers)), clusters_(clusters) {}
  void addTo(http::FilterChainBuilder& chain) const override {
    chain.addDecoderFilter(*chain.arena().make<IstioAlpn>(offers_, clusters_));
  }

 private:
  const Offers offers_;
  const cluster::ClusterProvider& clusters_;
};

http::Protocol toProtocol(Proto::Protocol protocol) {
  switch (protocol) {
    case Proto::HTTP10:
      return http::Protocol::Http10;
    case Proto::HTTP2:
      return http::Protocol::Http2;
    default:
      return http::Protocol::Http11;
  }
}

class IstioAlpnFactory : public HttpFilterFactory {
 public:
  IstioAlpnFactory(event::Dispatcher& main, const cluster::ClusterProvider& clusters)
      : main_(main), clusters_(clusters) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext&,
                                                       config::Violations& violations) const override {
    Offers offers;
    const auto& proto = static_cast<const Proto&>(message);
    for (int i = 0; i < proto.alpn_override_size(); ++i) {
      const Proto::AlpnOverride& each = proto.alpn_override(i);
      if (!Proto::Protocol_IsValid(each.upstream_protocol())) {
        violations.add(path.field("alpn_override").index(static_cast<size_t>(i)).field("upstream_protocol"),
                       "must be HTTP10, HTTP11 or HTTP2");
        return nullptr;
      }
      auto& offer = offers[static_cast<size_t>(toProtocol(each.upstream_protocol()))];
      // The first that is named for a protocol counts, as in Envoy.
      if (offer == nullptr && !each.alpn_override().empty()) {
        offer = std::make_unique<const net::TextFilterState>(absl::StrJoin(each.alpn_override(), ","));
      }
    }
    return event::ownedBy<const http::HttpFilterConfig>(
        main_, std::make_unique<IstioAlpnConfig>(std::move(offers), clusters_));
  }

 private:
  event::Dispatcher& main_;
  const cluster::ClusterProvider& clusters_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> istioAlpnFactory(event::Dispatcher& main, const cluster::ClusterProvider& clusters) {
  return std::make_unique<IstioAlpnFactory>(main, clusters);
}

}  // namespace sluice::filters
