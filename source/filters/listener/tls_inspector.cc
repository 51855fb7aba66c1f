#include "source/filters/listener/tls_inspector.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"

#include "source/filters/common/dynamic_metadata.h"
#include "source/filters/listener/client_hello.h"
#include "source/filters/listener/filter_config.h"
#include "source/filters/listener/tls_fingerprint.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;

/** Names of `tls_inspector.*`. */
struct TlsInspectorStats {
  explicit TlsInspectorStats(stats::Scope& scope)
      : client_hello_too_large(scope.counter("client_hello_too_large")),
        tls_found(scope.counter("tls_found")),
        tls_not_found(scope.counter("tls_not_found")),
        alpn_found(scope.counter("alpn_found")),
        alpn_not_found(scope.counter("alpn_not_found")),
        sni_found(scope.counter("sni_found")),
        sni_not_found(scope.counter("sni_not_found")),
        bytes_processed(scope.histogram("bytes_processed", stats::Unit::Bytes)) {}
  stats::Counter client_hello_too_large;
  stats::Counter tls_found;
  stats::Counter tls_not_found;
  stats::Counter alpn_found;
  stats::Counter alpn_not_found;
  stats::Counter sni_found;
  stats::Counter sni_not_found;
  stats::Histogram bytes_processed;
};

struct TlsInspectorSettings {
  size_t max_hello = 16 * 1024;
  size_t first_read = 16 * 1024;
  bool ja3 = false;
  bool ja4 = false;
  /** Plain text is closed, too: it cannot be told from a hello that is broken at its beginning. */
  bool close_on_broken_hello = false;
};

class TlsInspectorConfig final : public ListenerFilterSettings {
 public:
  TlsInspectorConfig(const TlsInspectorSettings& settings, stats::ScopePtr scope)
      : settings(settings), scope_(std::move(scope)), stats(*scope_) {}
  std::unique_ptr<net::ListenerFilter> create() const override;

  const TlsInspectorSettings settings;

 private:
  const stats::ScopePtr scope_;

 public:
  const TlsInspectorStats stats;
};

/** Looks at the first bytes of one connection; `config` outlives it. */
class TlsInspector final : public net::ListenerFilter {
 public:
  explicit TlsInspector(const TlsInspectorConfig& config)
      : config_(config), wanted_(std::min(config.settings.first_read, config.settings.max_hello)) {}

  net::FilterStatus onAccept(net::ListenerFilterCallbacks& callbacks) override {
    callbacks_ = &callbacks;
    return net::FilterStatus::StopIteration;
  }
  size_t maxReadBytes() const override { return wanted_; }

  net::FilterStatus onData(absl::string_view peeked, bool, size_t&) override {
    std::string joined;
    absl::string_view body;
    size_t size = 0;
    switch (findClientHello(peeked, joined, body, size)) {
      case HelloSearch::NotFound:
        return notTls(peeked);
      case HelloSearch::NeedMore:
        return needMore(peeked, size);
      case HelloSearch::Found:
        break;
    }
    if (size > config_.settings.max_hello) {
      return tooLarge();
    }
    ClientHello hello;
    if (!parseClientHello(body, hello)) {
      return notTls(peeked);
    }
    take(hello);
    config_.stats.bytes_processed.record(size);
    return net::FilterStatus::Continue;
  }

 private:
  net::FilterStatus needMore(absl::string_view peeked, size_t size) {
    if (size > config_.settings.max_hello) {
      return tooLarge();
    }
    // The records' headers may make it longer than it is said to be so far.
    if (peeked.size() >= wanted_) {
      wanted_ = std::min(std::max(2 * wanted_, size), config_.settings.max_hello);
    }
    return net::FilterStatus::StopIteration;
  }
  net::FilterStatus tooLarge() {
    config_.stats.client_hello_too_large.inc();
    config_.stats.bytes_processed.record(config_.settings.max_hello);
    tellWhy("ClientHelloTooLarge");
    return refuse();
  }
  net::FilterStatus notTls(absl::string_view peeked) {
    config_.stats.tls_not_found.inc();
    config_.stats.bytes_processed.record(peeked.size());
    tellWhy("ClientHelloNotDetected");
    return config_.settings.close_on_broken_hello ? refuse() : net::FilterStatus::Continue;
  }
  void tellWhy(absl::string_view reason) {
    addDynamicMetadata(callbacks_->streamInfo(), "envoy.filters.listener.tls_inspector", "failure_reason", reason);
  }
  net::FilterStatus refuse() {
    callbacks_->continueFilterChain(false);
    return net::FilterStatus::StopIteration;
  }
  void take(const ClientHello& hello) {
    const TlsInspectorStats& stats = config_.stats;
    net::StreamExtras& extras = callbacks_->streamInfo().makeExtras();
    stats.tls_found.inc();
    extras.transport_protocol = "tls";
    if (hello.server_name.empty()) {
      stats.sni_not_found.inc();
    } else {
      stats.sni_found.inc();
      extras.requested_server_name = absl::AsciiStrToLower(hello.server_name);
    }
    (hello.application_protocols.empty() ? stats.alpn_not_found : stats.alpn_found).inc();
    extras.application_protocols.clear();
    for (absl::string_view protocol : hello.application_protocols) {
      extras.application_protocols.emplace_back(protocol);
    }
    if (config_.settings.ja3) {
      extras.ja3 = ja3(hello);
    }
    if (config_.settings.ja4) {
      extras.ja4 = ja4(hello);
    }
  }

  const TlsInspectorConfig& config_;
  net::ListenerFilterCallbacks* callbacks_ = nullptr;
  size_t wanted_;
};

std::unique_ptr<net::ListenerFilter> TlsInspectorConfig::create() const {
  return std::make_unique<TlsInspector>(*this);
}

class TlsInspectorFactory final : public listener::ListenerFilterFactory {
 public:
  explicit TlsInspectorFactory(stats::ScopePtr root) : root_(std::move(root)) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const net::ListenerFilterConfig> create(const google::protobuf::Message& message,
                                                          const config::FieldPath&, listener::FactoryContext&,
                                                          config::Violations&) const override {
    const auto& proto = static_cast<const Proto&>(message);
    TlsInspectorSettings settings;
    if (proto.has_max_client_hello_size()) {
      settings.max_hello = proto.max_client_hello_size().value();
    }
    settings.first_read =
        proto.has_initial_read_buffer_size() ? proto.initial_read_buffer_size().value() : settings.max_hello;
    settings.ja3 = proto.enable_ja3_fingerprinting().value();
    settings.ja4 = proto.enable_ja4_fingerprinting().value();
    settings.close_on_broken_hello = proto.close_connection_on_client_hello_parsing_errors();
    return std::make_shared<const TlsInspectorConfig>(settings, root_->createScope("tls_inspector"));
  }

 private:
  const stats::ScopePtr root_;
};

}  // namespace

std::unique_ptr<listener::ListenerFilterFactory> tlsInspectorFactory(stats::ScopePtr root) {
  return std::make_unique<TlsInspectorFactory>(std::move(root));
}

}  // namespace sluice::filters
