#include "source/cluster/original_destinations.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "envoy/config/core/v3/base.pb.h"

#include "source/base/logging.h"
#include "source/cluster/http_pools.h"
#include "source/cluster/original_destination_list.h"
#include "source/http/header_map.h"
#include "source/net/stream_info.h"

namespace sluice::cluster {

namespace {

/** Of the filter state: a filter chose the destination. */
constexpr absl::string_view kDestinationObject = "envoy.network.transport_socket.original_dst_address";

/** "10.0.0.1:80", "[::1]:80". */
std::optional<net::Address> parseAddress(absl::string_view text) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535) {
    return std::nullopt;
  }
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  absl::StatusOr<net::Address> address = net::Address::ip(host, static_cast<uint16_t>(port));
  if (!address.ok() || (address->kind() == net::Address::Kind::Ipv6) != bracketed) {
    return std::nullopt;
  }
  return *std::move(address);
}

/** A text of dynamic metadata; null when there is none. */
const std::string* metadataText(const net::StreamInfo& stream, const OriginalDestinationRules& rules) {
  if (stream.extras == nullptr || stream.extras->metadata == nullptr) {
    return nullptr;
  }
  const auto filter = stream.extras->metadata->filter_metadata().find(rules.metadata_filter);
  if (filter == stream.extras->metadata->filter_metadata().end()) {
    return nullptr;
  }
  const google::protobuf::Struct* at = &filter->second;
  const google::protobuf::Value* value = nullptr;
  for (const std::string& key : rules.metadata_path) {
    const auto found = at == nullptr ? nullptr : &at->fields();
    if (found == nullptr || found->find(key) == found->end()) {
      return nullptr;
    }
    value = &found->at(key);
    at = value->has_struct_value() ? &value->struct_value() : nullptr;
  }
  return value != nullptr && value->kind_case() == google::protobuf::Value::kStringValue ? &value->string_value()
                                                                                         : nullptr;
}

}  // namespace

OriginalDestinations::OriginalDestinations(LocalCluster& cluster)
    : cluster_(cluster), timer_(cluster.dispatcher().createTimer([this] { cleanUp(); })) {}

OriginalDestinations::~OriginalDestinations() = default;

std::optional<net::Address> OriginalDestinations::parse(absl::string_view text) const {
  std::optional<net::Address> address = parseAddress(text);
  if (!address.has_value()) {
    LOG_DEBUG(upstream, "cluster '{}': '{}' is no address", *cluster_.info().name, text);
    cluster_.info().stats.original_dst_host_invalid.inc();
  }
  return address;
}

std::optional<net::Address> OriginalDestinations::destination(const LoadBalancerContext& context) const {
  const net::StreamInfo* const stream = context.downstream;
  if (stream != nullptr) {
    const net::FilterState::Object* const chosen = stream->filterState(kDestinationObject);
    if (chosen != nullptr) {
      return parse(chosen->serialize());
    }
    const std::string* const text = rules().metadata_path.empty() ? nullptr : metadataText(*stream, rules());
    if (text != nullptr) {
      if (std::optional<net::Address> named = parse(*text); named.has_value()) {
        return named;
      }
    }
  }
  if (!rules().header.empty() && context.request_headers != nullptr) {
    const absl::string_view header = context.request_headers->get(rules().header);
    if (!header.empty()) {
      if (std::optional<net::Address> named = parse(header); named.has_value()) {
        return named;
      }
    }
  }
  const net::StreamExtras* const of_connection = stream == nullptr ? nullptr : stream->connection().extras.get();
  if (of_connection != nullptr && of_connection->local_address_restored) {
    return stream->downstream_local;
  }
  return std::nullopt;
}

PickedEndpoint OriginalDestinations::pick(const LoadBalancerContext& context) {
  std::optional<net::Address> address = destination(context);
  if (!address.has_value() || !address->isIp()) {
    LOG_DEBUG(upstream, "cluster '{}': there is no original destination to go to", *cluster_.info().name);
    return {};
  }
  if (rules().port != 0) {
    address = address->withPort(rules().port);
  }
  const auto found = known_.find(*address);
  if (found != known_.end()) {
    found->second.used = true;
    return {&(*found->second.set)->entries().front(), found->second.set};
  }
  std::vector<EndpointSet::Entry> entries(1);
  entries.front().endpoint = std::make_shared<Endpoint>(*address, "");
  const std::shared_ptr<Endpoint> endpoint = entries.front().endpoint;
  std::shared_ptr<const EndpointSet> set =
      std::make_shared<EndpointSet>(std::move(entries), std::vector<Locality>(1), HealthRules());
  Known known{.set = LocalEndpoints::make(std::move(set))};
  PickedEndpoint picked{&(*known.set)->entries().front(), known.set};
  known_.emplace(*address, std::move(known));
  tell(endpoint, /*known=*/true);
  armCleanup();
  return picked;
}

bool OriginalDestinations::knows(const Endpoint& endpoint) const {
  const auto found = known_.find(endpoint.address());
  return found != known_.end() && found->second.endpoint().get() == &endpoint;
}

void OriginalDestinations::tell(const std::shared_ptr<Endpoint>& endpoint, bool known) const {
  rules().main->post([list = rules().list, endpoint, known] {
    // Gone with its cluster, maybe.
    if (const std::shared_ptr<OriginalDestinationList> held = list.lock(); held != nullptr) {
      if (known) {
        held->add(endpoint);
      } else {
        held->remove(endpoint);
      }
    }
  });
}

void OriginalDestinations::armCleanup() {
  if (!timer_->enabled() && !known_.empty() && rules().cleanup_interval.has_value()) {
    timer_->enable(*rules().cleanup_interval);
  }
}

void OriginalDestinations::cleanUp() {
  std::vector<std::shared_ptr<Endpoint>> gone;
  for (auto each = known_.begin(); each != known_.end();) {
    Known& known = each->second;
    // Connections and pools that have any keep it, and what was picked since the last time.
    if (known.used || known.endpoint()->counts().cx_active.load(std::memory_order_relaxed) > 0) {
      known.used = false;
      ++each;
      continue;
    }
    gone.push_back(known.endpoint());
    known_.erase(each++);
  }
  for (const std::shared_ptr<Endpoint>& endpoint : gone) {
    cluster_.httpPools().drainEndpoint(*endpoint);
    tell(endpoint, /*known=*/false);
  }
  armCleanup();
}

}  // namespace sluice::cluster
