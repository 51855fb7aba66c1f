#include "source/filters/http/header_mutation.h"

#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb.h"

#include "source/filters/common/header_rules.h"
#include "source/filters/http/pass_through.h"
#include "source/matcher/config.h"

namespace sluice::filters {
namespace {

using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;
using MutationProto = envoy::config::common::mutation_rules::v3::HeaderMutation;
using PerRouteProto = envoy::extensions::filters::http::header_mutation::v3::HeaderMutationPerRoute;
using Proto = envoy::extensions::filters::http::header_mutation::v3::HeaderMutation;

/** Changes to one map, in their order. */
class MutationList {
 public:
  void read(const google::protobuf::RepeatedPtrField<MutationProto>& protos, const ConfigTools& tools,
            const config::FieldPath& path, config::Violations& violations) {
    for (int i = 0; i < protos.size(); ++i) {
      const config::FieldPath at = path.index(i);
      if (protos[i].action_case() == MutationProto::kRemoveOnMatch) {
        steps_.emplace_back().remove =
            matcher::toStringMatcher(protos[i].remove_on_match().key_matcher(), matcher::RegexLimit::of(tools.runtime),
                                     at.field("remove_on_match").field("key_matcher"), violations);
        continue;
      }
      http::HeaderMutations& mutations = steps_.emplace_back().mutations;
      if (protos[i].action_case() == MutationProto::kRemove) {
        mutations.addRemoval(protos[i].remove(), at.field("remove"), violations);
      } else {
        mutations.addOption(protos[i].append(), tools.operators, at.field("append"), violations);
      }
    }
  }

  bool empty() const { return steps_.empty(); }

  void apply(HeaderMap& headers, const http::StreamInfo& info) const {
    for (const Step& step : steps_) {
      if (step.remove.has_value()) {
        // A request or response is none without its pseudo-headers.
        headers.removeIf(
            [&](const http::Header& field) { return field.name.front() != ':' && step.remove->matches(field.name); });
      } else {
        step.mutations.apply(headers, formatContext(info));
      }
    }
  }

 private:
  /** Either of the two. */
  struct Step {
    http::HeaderMutations mutations;
    std::optional<matcher::StringMatcher> remove;
  };
  std::vector<Step> steps_;
};

struct Mutations : http::PerRouteConfig {
  MutationList request;
  MutationList request_trailers;
  MutationList response;
  MutationList response_trailers;
};

class HeaderMutationFilter final : public PassThroughFilter {
 public:
  HeaderMutationFilter(const Mutations& own, bool most_specific_wins)
      : own_(own), most_specific_wins_(most_specific_wins) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool) override {
    apply(&Mutations::request, *decoder_, headers);
    return HeadersStatus::Continue;
  }
  TrailersStatus decodeTrailers(HeaderMap& trailers) override {
    apply(&Mutations::request_trailers, *decoder_, trailers);
    return TrailersStatus::Continue;
  }
  HeadersStatus encodeHeaders(HeaderMap& headers, bool) override {
    apply(&Mutations::response, *encoder_, headers);
    return HeadersStatus::Continue;
  }
  TrailersStatus encodeTrailers(HeaderMap& trailers) override {
    apply(&Mutations::response_trailers, *encoder_, trailers);
    return TrailersStatus::Continue;
  }

 private:
  /** What is applied last wins. */
  void apply(MutationList Mutations::*list, http::StreamFilterCallbacks& callbacks, HeaderMap& headers) {
    const http::StreamInfo& info = callbacks.streamInfo();
    (own_.*list).apply(headers, info);
    absl::InlinedVector<const Mutations*, 4> routes;
    callbacks.forEachPerRouteConfig([&](const http::PerRouteConfig& config) {
      const auto* mutations = static_cast<const Mutations*>(&config);
      routes.insert(most_specific_wins_ ? routes.end() : routes.begin(), mutations);
    });
    for (const Mutations* mutations : routes) {
      (mutations->*list).apply(headers, info);
    }
  }

  const Mutations& own_;
  const bool most_specific_wins_;
};

class HeaderMutationConfig : public http::HttpFilterConfig {
 public:
  void addTo(http::FilterChainBuilder& chain) const override {
    chain.addFilter(*chain.arena().make<HeaderMutationFilter>(mutations, most_specific_wins));
  }
  Mutations mutations;
  bool most_specific_wins = false;
};

class HeaderMutationFactory : public HttpFilterFactory {
 public:
  HeaderMutationFactory(event::Dispatcher& main, const ConfigTools& tools) : main_(main), tools_(tools) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  absl::string_view perRouteMessageName() const override { return PerRouteProto::descriptor()->full_name(); }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext&,
                                                       config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    const size_t mistakes = violations.size();
    auto made = std::make_unique<HeaderMutationConfig>();
    read(proto.mutations(), path.field("mutations"), made->mutations, violations);
    made->most_specific_wins = proto.most_specific_header_mutations_wins();
    return violations.size() != mistakes ? nullptr
                                         : event::ownedBy<const http::HttpFilterConfig>(main_, std::move(made));
  }

  std::shared_ptr<const http::PerRouteConfig> createPerRoute(const google::protobuf::Message& message,
                                                             const config::FieldPath& path,
                                                             config::Violations& violations) const override {
    const auto& proto = static_cast<const PerRouteProto&>(message);
    auto made = std::make_shared<Mutations>();
    read(proto.mutations(), path.field("mutations"), *made, violations);
    return made;
  }

 private:
  void read(const envoy::extensions::filters::http::header_mutation::v3::Mutations& proto,
            const config::FieldPath& path, Mutations& out, config::Violations& violations) const {
    out.request.read(proto.request_mutations(), tools_, path.field("request_mutations"), violations);
    out.request_trailers.read(proto.request_trailers_mutations(), tools_, path.field("request_trailers_mutations"),
                              violations);
    out.response.read(proto.response_mutations(), tools_, path.field("response_mutations"), violations);
    out.response_trailers.read(proto.response_trailers_mutations(), tools_, path.field("response_trailers_mutations"),
                               violations);
  }

  event::Dispatcher& main_;
  const ConfigTools tools_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> headerMutationFactory(event::Dispatcher& main, const ConfigTools& tools) {
  return std::make_unique<HeaderMutationFactory>(main, tools);
}

}  // namespace sluice::filters
