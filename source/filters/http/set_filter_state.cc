#include "source/filters/http/set_filter_state.h"

#include <utility>

#include "envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.pb.h"

#include "source/filters/common/filter_state_values.h"
#include "source/filters/common/header_rules.h"
#include "source/filters/http/pass_through.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::http::set_filter_state::v3::Config;

struct RouteValues : http::PerRouteConfig {
  FilterStateValues values;
};

class SetFilterState final : public PassThroughDecoder {
 public:
  explicit SetFilterState(const FilterStateValues& values) : values_(values) {}

  http::HeadersStatus decodeHeaders(http::HeaderMap&, bool) override {
    http::StreamInfo& info = decoder_->streamInfo();
    net::FilterState& state = info.makeExtras().filter_state;
    values_.apply(formatContext(info), state);
    decoder_->forEachPerRouteConfig([&](const http::PerRouteConfig& config) {
      static_cast<const RouteValues&>(config).values.apply(formatContext(info), state);
    });
    return http::HeadersStatus::Continue;
  }

 private:
  const FilterStateValues& values_;
};

class SetFilterStateConfig : public http::HttpFilterConfig {
 public:
  explicit SetFilterStateConfig(FilterStateValues values) : values_(std::move(values)) {}
  void addTo(http::FilterChainBuilder& chain) const override {
    chain.addDecoderFilter(*chain.arena().make<SetFilterState>(values_));
  }

 private:
  const FilterStateValues values_;
};

class SetFilterStateFactory : public HttpFilterFactory {
 public:
  SetFilterStateFactory(event::Dispatcher& main, const ConfigTools& tools) : main_(main), tools_(tools) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return messageName(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext&,
                                                       config::Violations& violations) const override {
    return event::ownedBy<const http::HttpFilterConfig>(
        main_, std::make_unique<SetFilterStateConfig>(read(message, path, violations)));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const config::FieldPath& path,
                                                             config::Violations& violations) const override {
    auto made = std::make_shared<RouteValues>();
    made->values = read(message, path, violations);
    return made;
  }

 private:
  FilterStateValues read(const google::protobuf::Message& message, const config::FieldPath& path,
                         config::Violations& violations) const {
    return FilterStateValues::read(static_cast<const Proto&>(message).on_request_headers(), tools_,
                                   path.field("on_request_headers"), violations);
  }

  event::Dispatcher& main_;
  const ConfigTools tools_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> setFilterStateFactory(event::Dispatcher& main, const ConfigTools& tools) {
  return std::make_unique<SetFilterStateFactory>(main, tools);
}

}  // namespace sluice::filters
