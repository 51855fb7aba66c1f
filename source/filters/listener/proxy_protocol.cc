#include "source/filters/listener/proxy_protocol.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"

#include "source/base/logging.h"
#include "source/config/utf8.h"
#include "source/filters/common/dynamic_metadata.h"
#include "source/filters/listener/filter_config.h"
#include "source/filters/listener/proxy_header.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol;
using envoy::config::core::v3::ProxyProtocolPassThroughTLVs;

constexpr absl::string_view kDefaultNamespace = "envoy.filters.listener.proxy_protocol";

/** Names of `proxy_proto.[<stat_prefix>.]*`, and Envoy's old one for all that is wrong. */
struct ProxyProtocolStats {
  struct Version {
    Version(stats::Scope& scope, absl::string_view name)
        : found(scope.counter(absl::StrCat("versions.", name, ".found"))),
          disallowed(scope.counter(absl::StrCat("versions.", name, ".disallowed"))),
          error(scope.counter(absl::StrCat("versions.", name, ".error"))) {}
    stats::Counter found;
    stats::Counter disallowed;
    stats::Counter error;
  };
  ProxyProtocolStats(stats::Scope& root, stats::Scope& scope)
      : any_error(root.counter("downstream_cx_proxy_proto_error")),
        not_found_disallowed(scope.counter("not_found_disallowed")),
        not_found_allowed(scope.counter("not_found_allowed")),
        v1(scope, "v1"),
        v2(scope, "v2") {}
  const Version& of(uint8_t version) const { return version == 1 ? v1 : v2; }

  stats::Counter any_error;
  stats::Counter not_found_disallowed;
  stats::Counter not_found_allowed;
  Version v1;
  Version v2;
};

struct ProxyProtocolSettings {
  struct MetadataKey {
    std::string filter;
    std::string key;
  };
  ProxyVersions versions;
  /** Connections without a header, or with one of a version that is not wanted, are taken as they are. */
  bool optional = false;
  absl::flat_hash_map<uint8_t, MetadataKey> rules;
  /** Which TLVs upstream connections are told of. */
  bool pass_all = false;
  absl::flat_hash_set<uint8_t> pass;
};

class ProxyProtocolConfig final : public ListenerFilterSettings {
 public:
  ProxyProtocolConfig(ProxyProtocolSettings settings, stats::ScopePtr root, stats::ScopePtr scope)
      : settings(std::move(settings)), root_(std::move(root)), scope_(std::move(scope)), stats(*root_, *scope_) {}
  std::unique_ptr<net::ListenerFilter> create() const override;

  const ProxyProtocolSettings settings;

 private:
  const stats::ScopePtr root_;
  const stats::ScopePtr scope_;

 public:
  const ProxyProtocolStats stats;
};

/** Text as Envoy writes bytes that are none. */
std::string toText(absl::string_view bytes) {
  std::string text(bytes);
  for (size_t bad = config::findInvalidUtf8(text); bad != absl::string_view::npos;
       bad = config::findInvalidUtf8(text)) {
    text[bad] = '!';
  }
  return text;
}

/** Waits for the header of one connection; `config` outlives it. */
class ProxyProtocol final : public net::ListenerFilter {
 public:
  explicit ProxyProtocol(const ProxyProtocolConfig& config) : config_(config) {}

  net::FilterStatus onAccept(net::ListenerFilterCallbacks& callbacks) override {
    callbacks_ = &callbacks;
    return net::FilterStatus::StopIteration;
  }
  size_t maxReadBytes() const override { return wanted_; }

  net::FilterStatus onData(absl::string_view peeked, bool end_stream, size_t& consumed) override {
    const ProxyProtocolSettings& settings = config_.settings;
    // A version that is not allowed is looked for to be refused, unless it may be anything.
    const ProxyVersions looked_for = settings.optional ? settings.versions : ProxyVersions();
    ProxyHeader header;
    const ProxySearch search = findProxyHeader(peeked, looked_for, header);
    if (search == ProxySearch::None) {
      return withoutHeader();
    }
    const bool allowed = header.version == 1 ? settings.versions.v1 : settings.versions.v2;
    if (header.version != 0 && !allowed) {
      config_.stats.of(header.version).found.inc();
      config_.stats.of(header.version).disallowed.inc();
      return close("its version of the PROXY protocol is not allowed");
    }
    switch (search) {
      case ProxySearch::NeedMore:
        if (end_stream && settings.optional) {
          return withoutHeader();
        }
        wanted_ = std::max(wanted_, header.size);
        return net::FilterStatus::StopIteration;
      case ProxySearch::Broken:
        config_.stats.of(header.version).error.inc();
        return refuse("its PROXY protocol header is broken");
      default:
        break;
    }
    config_.stats.of(header.version).found.inc();
    consumed = header.size;
    take(header);
    return net::FilterStatus::Continue;
  }

 private:
  net::FilterStatus withoutHeader() {
    if (config_.settings.optional) {
      config_.stats.not_found_allowed.inc();
      return net::FilterStatus::Continue;
    }
    config_.stats.not_found_disallowed.inc();
    return refuse("it does not begin with a PROXY protocol header");
  }
  net::FilterStatus refuse(const char* why) {
    config_.stats.any_error.inc();
    return close(why);
  }
  net::FilterStatus close(const char* why) {
    LOG_DEBUG(filter, "closing a connection from {}: {}", callbacks_->streamInfo().downstream_remote.toString(), why);
    callbacks_->continueFilterChain(false);
    return net::FilterStatus::StopIteration;
  }

  void take(const ProxyHeader& header) {
    net::StreamInfo& info = callbacks_->streamInfo();
    if (header.has_addresses) {
      if (info.downstream_local != header.destination) {
        info.restoreLocal(header.destination);
      }
      info.downstream_remote = header.source;
    }
    std::vector<net::ProxyTlv> passed;
    absl::flat_hash_set<uint8_t> told;
    for (const ProxyHeader::Tlv& tlv : header.tlvs) {
      const auto rule = config_.settings.rules.find(tlv.type);
      // Of a type that comes more than once the first counts.
      if (rule != config_.settings.rules.end() && told.insert(tlv.type).second) {
        addDynamicMetadata(info, rule->second.filter, rule->second.key, toText(tlv.value));
      }
      if (config_.settings.pass_all || config_.settings.pass.contains(tlv.type)) {
        passed.push_back({tlv.type, std::string(tlv.value)});
      }
    }
    if (!passed.empty()) {
      info.makeExtras().makeUpstreamWishes().proxy_tlvs = std::move(passed);
    }
  }

  /** The longest header of version 1; one of version 2 says how long it is. */
  static constexpr size_t kFirstRead = 108;

  const ProxyProtocolConfig& config_;
  net::ListenerFilterCallbacks* callbacks_ = nullptr;
  size_t wanted_ = kFirstRead;
};

std::unique_ptr<net::ListenerFilter> ProxyProtocolConfig::create() const {
  return std::make_unique<ProxyProtocol>(*this);
}

class ProxyProtocolFactory final : public listener::ListenerFilterFactory {
 public:
  explicit ProxyProtocolFactory(stats::ScopePtr root) : root_(std::move(root)) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const net::ListenerFilterConfig> create(const google::protobuf::Message& message,
                                                          const config::FieldPath& path, listener::FactoryContext&,
                                                          config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    ProxyProtocolSettings settings;
    settings.optional = proto.allow_requests_without_proxy_protocol();
    for (int version : proto.disallowed_versions()) {
      (version == kVersion1 ? settings.versions.v1 : settings.versions.v2) = false;
    }
    if (!settings.versions.v1 && !settings.versions.v2) {
      violations.add(path.field("disallowed_versions"), "no version is left");
      return nullptr;
    }
    for (const auto& rule : proto.rules()) {
      const std::string& filter = rule.on_tlv_present().metadata_namespace();
      settings.rules[static_cast<uint8_t>(rule.tlv_type())] = {filter.empty() ? std::string(kDefaultNamespace) : filter,
                                                               rule.on_tlv_present().key()};
    }
    if (proto.has_pass_through_tlvs()) {
      settings.pass_all = proto.pass_through_tlvs().match_type() == ProxyProtocolPassThroughTLVs::INCLUDE_ALL;
      for (uint32_t type : proto.pass_through_tlvs().tlv_type()) {
        settings.pass.insert(static_cast<uint8_t>(type));
      }
    }
    stats::ScopePtr scope = root_->createScope(
        proto.stat_prefix().empty() ? "proxy_proto" : absl::StrCat("proxy_proto.", proto.stat_prefix()));
    return std::make_shared<const ProxyProtocolConfig>(std::move(settings), root_, std::move(scope));
  }

 private:
  static constexpr int kVersion1 = envoy::config::core::v3::ProxyProtocolConfig::V1;

  const stats::ScopePtr root_;
};

}  // namespace

std::unique_ptr<listener::ListenerFilterFactory> proxyProtocolFactory(stats::ScopePtr root) {
  return std::make_unique<ProxyProtocolFactory>(std::move(root));
}

}  // namespace sluice::filters
