#include "source/filters/listener/http_inspector.h"

#include <algorithm>
#include <utility>

#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"

#include "source/filters/listener/filter_config.h"
#include "source/filters/listener/http_guess.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;

constexpr size_t kFirstRead = 1024;

/** Names of `http_inspector.*`. */
struct HttpInspectorStats {
  explicit HttpInspectorStats(stats::Scope& scope)
      : read_error(scope.counter("read_error")),
        http10_found(scope.counter("http10_found")),
        http11_found(scope.counter("http11_found")),
        http2_found(scope.counter("http2_found")),
        http_not_found(scope.counter("http_not_found")) {}
  /** A request line had no end. */
  stats::Counter read_error;
  stats::Counter http10_found;
  stats::Counter http11_found;
  stats::Counter http2_found;
  stats::Counter http_not_found;
};

class HttpInspectorConfig final : public ListenerFilterSettings {
 public:
  explicit HttpInspectorConfig(stats::ScopePtr scope) : scope_(std::move(scope)), stats(*scope_) {}
  std::unique_ptr<net::ListenerFilter> create() const override;

 private:
  const stats::ScopePtr scope_;

 public:
  const HttpInspectorStats stats;
};

/** Looks at the first bytes of one connection; `config` outlives it. */
class HttpInspector final : public net::ListenerFilter {
 public:
  explicit HttpInspector(const HttpInspectorConfig& config) : stats_(config.stats) {}

  net::FilterStatus onAccept(net::ListenerFilterCallbacks& callbacks) override {
    callbacks_ = &callbacks;
    const auto& extras = callbacks.streamInfo().extras;
    // What is ciphered shows nothing.
    const bool ciphered = extras != nullptr && extras->transport_protocol != nullptr &&
                          absl::string_view(extras->transport_protocol) != "raw_buffer";
    return ciphered ? net::FilterStatus::Continue : net::FilterStatus::StopIteration;
  }
  size_t maxReadBytes() const override { return wanted_; }

  net::FilterStatus onData(absl::string_view peeked, bool, size_t&) override {
    switch (guessHttp(peeked)) {
      case HttpGuess::NeedMore:
        if (peeked.size() >= wanted_) {
          wanted_ = std::min(2 * wanted_, kMaxRequestLine);
        }
        return net::FilterStatus::StopIteration;
      case HttpGuess::TooLong:
        stats_.read_error.inc();
        callbacks_->continueFilterChain(false);
        return net::FilterStatus::StopIteration;
      case HttpGuess::None:
        stats_.http_not_found.inc();
        break;
      case HttpGuess::Http10:
        found(stats_.http10_found, "http/1.0");
        break;
      case HttpGuess::Http11:
        found(stats_.http11_found, "http/1.1");
        break;
      case HttpGuess::Http2:
        found(stats_.http2_found, "h2c");
        break;
    }
    return net::FilterStatus::Continue;
  }

 private:
  void found(const stats::Counter& counter, const char* protocol) {
    counter.inc();
    callbacks_->streamInfo().makeExtras().application_protocols = {protocol};
  }

  const HttpInspectorStats& stats_;
  net::ListenerFilterCallbacks* callbacks_ = nullptr;
  size_t wanted_ = kFirstRead;
};

std::unique_ptr<net::ListenerFilter> HttpInspectorConfig::create() const {
  return std::make_unique<HttpInspector>(*this);
}

class HttpInspectorFactory final : public listener::ListenerFilterFactory {
 public:
  explicit HttpInspectorFactory(stats::ScopePtr root) : root_(std::move(root)) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const net::ListenerFilterConfig> create(const google::protobuf::Message&, const config::FieldPath&,
                                                          listener::FactoryContext&,
                                                          config::Violations&) const override {
    return std::make_shared<const HttpInspectorConfig>(root_->createScope("http_inspector"));
  }

 private:
  const stats::ScopePtr root_;
};

}  // namespace

std::unique_ptr<listener::ListenerFilterFactory> httpInspectorFactory(stats::ScopePtr root) {
  return std::make_unique<HttpInspectorFactory>(std::move(root));
}

}  // namespace sluice::filters
