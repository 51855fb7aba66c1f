#include "source/filters/common/header_rules.h"

#include <algorithm>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"

#include "source/matcher/config.h"

namespace sluice::filters {

HeaderMatchers readHeaderMatchers(
    const google::protobuf::RepeatedPtrField<envoy::config::route::v3::HeaderMatcher>& protos,
    const runtime::Snapshot& runtime, const config::FieldPath& path, config::Violations& violations) {
  HeaderMatchers made;
  for (int i = 0; i < protos.size(); ++i) {
    made.push_back(http::HeaderMatcher::create(protos[i], matcher::RegexLimit::of(runtime), path.index(i), violations));
  }
  return made;
}

bool matchesAll(const HeaderMatchers& matchers, const http::HeaderMap& headers) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&](const http::HeaderMatcher& matcher) { return matcher.matches(headers); });
}

std::shared_ptr<const http::HeaderMutations> readHeaderOptions(const http::HeaderMutations::Options& protos,
                                                               const ConfigTools& tools, const config::FieldPath& path,
                                                               config::Violations& violations) {
  if (protos.empty()) {
    return nullptr;
  }
  auto made = std::make_shared<http::HeaderMutations>();
  for (int i = 0; i < protos.size(); ++i) {
    made->addOption(protos[i], tools.operators, path.index(i), violations);
  }
  return made;
}

}  // namespace sluice::filters
