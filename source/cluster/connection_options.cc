#include "source/cluster/connection_options.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

#include "source/http/header_map.h"
#include "source/net/stream_info.h"

namespace sluice::cluster {

namespace {

constexpr absl::string_view kServerName = "envoy.network.upstream_server_name";
constexpr absl::string_view kProtocols = "envoy.network.application_protocols";
constexpr absl::string_view kSubjectAltNames = "envoy.network.upstream_subject_alt_names";

/** What filters left under a name; empty when there is nothing. */
struct Left {
  Left(const net::StreamInfo& stream, absl::string_view name) {
    const net::FilterState::Object* const object = stream.filterState(name);
    if (const auto* text = dynamic_cast<const net::TextFilterState*>(object); text != nullptr) {
      view = text->text();
    } else if (object != nullptr) {
      copy = object->serialize();
      view = copy;
    }
  }
  std::string copy;
  absl::string_view view;
};

/** Names in a list; the strings that `to` has already keep their memory. */
void split(absl::string_view list, std::vector<std::string>& to) {
  size_t count = 0;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const absl::string_view name = absl::StripAsciiWhitespace(list.substr(0, comma));
    list = comma == absl::string_view::npos ? absl::string_view() : list.substr(comma + 1);
    if (name.empty()) {
      continue;
    }
    if (count == to.size()) {
      to.emplace_back();
    }
    to[count++].assign(name.data(), name.size());
  }
  to.resize(count);
}

void assign(std::string& to, absl::string_view value) { to.assign(value.data(), value.size()); }

struct Host {
  absl::string_view name;
  bool is_ip = false;
};

/** The host of an authority, without its port. */
Host hostOf(absl::string_view authority) {
  const bool bracketed = !authority.empty() && authority.front() == '[';
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  if (colon != absl::string_view::npos && (bracket == absl::string_view::npos || bracket < colon) &&
      (bracketed || authority.find(':') == colon)) {
    authority = authority.substr(0, colon);
  }
  if (bracketed && authority.back() == ']') {
    authority = authority.substr(1, authority.size() - 2);
  }
  const bool may_be_ip =
      !authority.empty() && (absl::ascii_isdigit(authority.back()) || authority.find(':') != absl::string_view::npos);
  return {authority, may_be_ip && net::Address::ip(authority, 0).ok()};
}

/** As Envoy's router: what filters have left wins over the request's host. */
void readHost(const HttpOptions& http, const http::HeaderMap& headers, net::TransportSocketOptions& to) {
  absl::string_view authority = headers.get(http::HeaderId::Authority);
  if (!http.sni_header.empty()) {
    const absl::string_view other = headers.get(http.sni_header);
    authority = other.empty() ? authority : other;
  }
  if (authority.empty()) {
    return;
  }
  const Host host = hostOf(authority);
  if (http.auto_sni && to.server_name.empty() && !host.is_ip) {
    assign(to.server_name, host.name);
  }
  if (http.auto_sni_san_validation && to.verify_names.empty()) {
    to.verify_names.resize(1);
    assign(to.verify_names.front(), host.name);
  }
}

void addOption(net::ClientSocketOptions& to, int level, int name, int value, const char* description) {
  net::SocketOption& option = to.options.emplace_back();
  option.level = level;
  option.name = name;
  option.value.assign(reinterpret_cast<const char*>(&value), sizeof(value));
  option.state = net::SocketOption::State::Prebind;
  option.description = description;
}

}  // namespace

const ConnectionOptions* connectionOptions(const ConnectionRecipe& recipe, const LoadBalancerContext& context) {
  const net::StreamInfo* const downstream = context.downstream;
  const net::StreamExtras* const extras = downstream == nullptr ? nullptr : downstream->connection().extras.get();
  const bool has_state = downstream != nullptr && (extras != nullptr || downstream->extras != nullptr);
  const net::UpstreamWishes* const wishes = extras == nullptr ? nullptr : extras->upstream_wishes.get();
  const bool bound = wishes != nullptr && wishes->source.isIp();
  const bool from_host = recipe.reads_options && context.request_headers != nullptr && recipe.http.readsHost();
  if (!(recipe.reads_options && (has_state || from_host)) && !recipe.reads_addresses && !bound) {
    return nullptr;
  }
  // Kept, so that its strings need no new memory.
  thread_local ConnectionOptions found;
  net::TransportSocketOptions& transport = found.transport;
  transport.server_name.clear();
  if (recipe.reads_options && has_state) {
    assign(transport.server_name, Left(*downstream, kServerName).view);
    split(Left(*downstream, kProtocols).view, transport.protocols);
    split(Left(*downstream, kSubjectAltNames).view, transport.verify_names);
  } else {
    transport.protocols.clear();
    transport.verify_names.clear();
  }
  if (from_host) {
    readHost(recipe.http, *context.request_headers, transport);
  }
  transport.downstream_remote = net::Address();
  transport.downstream_local = net::Address();
  transport.proxy_tlvs.clear();
  if (recipe.reads_addresses && context.downstream != nullptr) {
    transport.downstream_remote = context.downstream->downstream_remote;
    transport.downstream_local = context.downstream->downstream_local;
    if (wishes != nullptr) {
      transport.proxy_tlvs = wishes->proxy_tlvs;
    }
  }
  found.source = bound ? wishes->source : net::Address();
  found.mark = bound ? wishes->mark : 0;
  static const ConnectionOptions none;
  return found == none ? nullptr : &found;
}

net::ClientSocketOptions socketOptions(const ConnectionRecipe& recipe, const ConnectionOptions* options) {
  net::ClientSocketOptions socket = recipe.socket;
  if (options == nullptr || !options->source.isIp()) {
    return socket;
  }
  socket.source = options->source;
  socket.extra_sources.clear();
  if (options->mark != 0) {
    addOption(socket, SOL_SOCKET, SO_MARK, static_cast<int>(options->mark), "original_src's mark");
  }
  const bool v6 = options->source.kind() == net::Address::Kind::Ipv6;
  addOption(socket, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, 1,
            "original_src: an address that is not ours");
  return socket;
}

}  // namespace sluice::cluster
