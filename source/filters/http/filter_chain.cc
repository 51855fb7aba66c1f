#include "source/filters/http/filter_chain.h"

#include "absl/strings/str_cat.h"
#include "envoy/config/route/v3/route_components.pb.h"

#include "source/config/nearest.h"
#include "source/config/type_registry.h"

namespace sluice::filters {
namespace {

using HttpFilter = envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;

const HttpFilterFactory* findFactory(const HttpFilterFactories& factories, absl::string_view type) {
  for (const auto& factory : factories) {
    if (factory->messageName() == type) {
      return factory.get();
    }
  }
  return nullptr;
}

void refuseType(const HttpFilterFactories& factories, const google::protobuf::Any& any, const std::string& type,
                const config::FieldPath& path, config::Violations& violations) {
  if (type.empty()) {
    violations.add(path, "no type URL, which alone tells the HTTP filter");
    return;
  }
  std::vector<std::string> known;
  for (const auto& factory : factories) {
    known.emplace_back(factory->messageName());
  }
  violations.add(path, absl::StrCat("there is no HTTP filter of the type '", type, "' (type URL '", any.type_url(),
                                    "')", config::didYouMean(type, known)));
}

}  // namespace

std::vector<http::NamedFilter> makeHttpFilterChain(const google::protobuf::RepeatedPtrField<HttpFilter>& filters,
                                                   const HttpFilterFactories& factories, const stats::ScopePtr& scope,
                                                   xds::InitManager& init_manager, const config::FieldPath& path,
                                                   config::Violations& violations) {
  std::vector<http::NamedFilter> chain;
  for (int i = 0; i < filters.size(); ++i) {
    const HttpFilter& filter = filters[i];
    const config::FieldPath at = path.index(static_cast<size_t>(i));
    if (filter.has_config_discovery()) {
      violations.add(at.field("config_discovery"), "a filter's configuration comes with its listener");
      continue;
    }
    const std::string type = config::extensionTypeName(filter.typed_config());
    const HttpFilterFactory* const factory = findFactory(factories, type);
    if (factory == nullptr) {
      if (!filter.is_optional()) {
        refuseType(factories, filter.typed_config(), type, at.field("typed_config"), violations);
      }
      continue;
    }
    const bool last = i + 1 == filters.size();
    if (factory->isTerminal() != last) {
      violations.add(at, last ? absl::StrCat("non-terminal filter named ", filter.name(), " of type ", type,
                                             " is the last filter in a http filter chain")
                              : absl::StrCat("terminal filter named ", filter.name(), " of type ", type,
                                             " must be the last filter in a http filter chain"));
    }
    if (factory->isTerminal() && filter.disabled()) {
      violations.add(at.field("disabled"), "without its terminal filter the chain would answer nothing");
    }
    const std::unique_ptr<google::protobuf::Message> message =
        config::unpackExtension(filter.typed_config(), at.field("typed_config"), violations);
    if (message == nullptr) {
      continue;
    }
    HttpFilterContext context{scope, init_manager, filter.name()};
    std::shared_ptr<const http::HttpFilterConfig> made =
        factory->create(*message, at.field("typed_config"), context, violations);
    if (made != nullptr) {
      chain.push_back({filter.name(), std::move(made), filter.disabled()});
    }
  }
  return chain;
}

http::FilterOverride makeFilterOverride(const google::protobuf::Any& any, const HttpFilterFactories& factories,
                                        const config::FieldPath& path, config::Violations& violations) {
  using Wrapper = envoy::config::route::v3::FilterConfig;
  http::FilterOverride out;
  std::string type = config::extensionTypeName(any);
  const google::protobuf::Any* inner = &any;
  config::FieldPath inner_path = path;
  Wrapper wrapper;
  if (type == Wrapper::descriptor()->full_name()) {
    if (!config::unpackTo(any, wrapper, path, violations)) {
      return out;
    }
    out.disabled = wrapper.disabled();
    if (!wrapper.has_config()) {
      if (!out.disabled) {
        violations.add(path.field("config"), "needs settings for the filter, unless it is disabled");
      }
      return out;
    }
    inner = &wrapper.config();
    inner_path = path.field("config");
    type = config::extensionTypeName(*inner);
  }
  for (const auto& factory : factories) {
    if (!factory->perRouteMessageName().empty() && factory->perRouteMessageName() == type) {
      if (const auto message = config::unpackExtension(*inner, inner_path, violations); message != nullptr) {
        out.config = factory->createPerRoute(*message, inner_path, violations);
      }
      return out;
    }
  }
  if (!wrapper.is_optional()) {
    violations.add(inner_path, absl::StrCat("no HTTP filter has settings of the type '", type, "' for routes"));
  }
  return out;
}

}  // namespace sluice::filters
