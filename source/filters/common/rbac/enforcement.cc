#include "source/filters/common/rbac/enforcement.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/struct.pb.h"

#include "source/filters/common/dynamic_metadata.h"

namespace sluice::filters::rbac {
namespace {

constexpr absl::string_view kAllowed = "allowed";
constexpr absl::string_view kDenied = "denied";

void tell(net::StreamInfo& info, absl::string_view filter, absl::string_view prefix, absl::string_view kind,
          const Engine& engine, const Verdict& verdict) {
  if (const absl::string_view policy = engine.policyName(verdict); !policy.empty()) {
    addDynamicMetadata(info, filter, absl::StrCat(prefix, kind, "_effective_policy_id"), policy);
  }
  addDynamicMetadata(info, filter, absl::StrCat(prefix, kind, "_engine_result"), verdict.allowed ? kAllowed : kDenied);
}

void tellLogHint(net::StreamInfo& info, bool matched) {
  google::protobuf::Struct values;
  (*values.mutable_fields())["access_log_hint"].set_bool_value(matched);
  addDynamicMetadata(info, "envoy.common", values);
}

}  // namespace

Stats::Stats(stats::Scope& scope, const std::string& prefix, const std::string& shadow_prefix)
    : allowed(scope.counter(prefixed(prefix, "allowed"))),
      denied(scope.counter(prefixed(prefix, "denied"))),
      shadow_allowed(scope.counter(prefixed(shadow_prefix, "shadow_allowed"))),
      shadow_denied(scope.counter(prefixed(shadow_prefix, "shadow_denied"))) {}

std::string prefixed(absl::string_view prefix, absl::string_view name) {
  return absl::StrCat(prefix, prefix.empty() || absl::EndsWith(prefix, ".") ? "" : ".", name);
}

Verdict enforce(const Rules& rules, const Stats& stats, absl::string_view filter, const Query& query,
                net::StreamInfo& info) {
  if (rules.shadow != nullptr) {
    const Verdict verdict = rules.shadow->ask(query);
    (verdict.allowed ? stats.shadow_allowed : stats.shadow_denied).inc();
    tell(info, filter, rules.shadow_stat_prefix, "shadow", *rules.shadow, verdict);
  }
  if (rules.enforced == nullptr) {
    return {};
  }
  const Verdict verdict = rules.enforced->ask(query);
  (verdict.allowed ? stats.allowed : stats.denied).inc();
  tell(info, filter, rules.stat_prefix, "enforced", *rules.enforced, verdict);
  if (rules.enforced->action() == Action::Log) {
    tellLogHint(info, verdict.policy.has_value());
  }
  return verdict;
}

std::string denialDetails(absl::string_view policy) {
  std::string name(policy.empty() ? "none" : policy);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }, '_');
  return absl::StrCat("rbac_access_denied_matched_policy[", name, "]");
}

}  // namespace sluice::filters::rbac
