#include "source/stats/default_tags.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace sluice::stats {
namespace {

constexpr DefaultTag kDefaultTags[] = {
    {"envoy.response_code", "**._$"},
    {"envoy.response_code_class", "**._$xx"},
    {"envoy.dynamo_partition_id", "http.*.dynamodb.table.*.capacity.*.$p"},
    {"envoy.dynamo_operation", "http.*.dynamodb.operation.$.**"},
    {"envoy.dynamo_operation", "http.*.dynamodb.operation.$"},
    {"envoy.dynamo_operation", "http.*.dynamodb.table.*.capacity.$.**"},
    {"envoy.dynamo_operation", "http.*.dynamodb.table.*.capacity.$"},
    {"envoy.mongo_callsite", "mongo.*.collection.*.callsite.$.query.**"},
    {"envoy.dynamo_table", "http.*.dynamodb.table|error.$.**"},
    {"envoy.mongo_collection", "mongo.*.collection.$.**.query.*"},
    {"envoy.mongo_cmd", "mongo.*.cmd.$.**"},
    {"envoy.grpc_bridge_method", "cluster.*.grpc.*.$.**"},
    {"envoy.http_user_agent", "http.*.user_agent.$.**"},
    {"envoy.virtual_cluster", "vhost.*.vcluster.$.**"},
    {"envoy.fault_downstream_cluster", "http.*.fault.$.**"},
    {"envoy.ssl_cipher", "listener.*.ssl.ciphers.$$"},
    {"envoy.ssl_cipher_suite", "cluster.*.ssl.ciphers.$$"},
    {"envoy.ssl_curve", "listener|cluster.*.ssl.curves.$$"},
    {"envoy.ssl_sigalg", "listener|cluster.*.ssl.sigalgs.$$"},
    {"envoy.ssl_version", "listener|cluster.*.ssl.versions.$$"},
    {"envoy.tls_certificate", "listener|cluster.*.ssl.certificate.$.**"},
    {"envoy.health_check_name", "cluster.*.health_check.$n.**"},
    {"envoy.grpc_bridge_service", "cluster.*.grpc.$.**"},
    {"envoy.ext_authz_prefix", "http|cluster.*.ext_authz.$.**"},
    {"envoy.rbac_policy_name", "http.*.rbac.policy.$.allowed|shadow_allowed|denied|shadow_denied"},
    {"envoy.rbac_policy_name", "http.*.rbac.*.policy.$.allowed|shadow_allowed|denied|shadow_denied"},
    {"envoy.rbac_http_prefix", "http.*.rbac.$.**"},
    {"envoy.rbac_prefix", "$.rbac.**"},
    {"envoy.proxy_protocol_version", "proxy_proto.versions.$v.*"},
    {"envoy.proxy_protocol_version", "proxy_proto.*.versions.$v.*"},
    {"envoy.proxy_protocol_prefix", "proxy_proto.$.**", "versions"},
    {"envoy.xds_resource_name", "sds.$.**"},
    {"envoy.rds_route_config", "http.*.rds.$$.*"},
    {"envoy.scoped_rds_config", "http.*.scoped_rds.$$.*"},
    {"envoy.tcp_prefix", "tcp.$.**"},
    {"envoy.udp_prefix", "udp.$.**"},
    {"envoy.clientssl_prefix", "auth.clientssl.$.**"},
    {"envoy.ratelimit_prefix", "ratelimit.$.**"},
    {"envoy.local_http_ratelimit_prefix", "$.http_local_rate_limit.**"},
    {"envoy.local_network_ratelimit_prefix", "local_rate_limit.$.**"},
    {"envoy.local_listener_ratelimit_prefix", "listener_local_ratelimit.$.**"},
    {"envoy.dns_filter_prefix", "dns_filter.$.**"},
    {"envoy.connection_limit_prefix", "connection_limit.$.**"},
    {"envoy.google_grpc_client_prefix", "grpc.$.**"},
    {"envoy.worker_id", "listener.*.$w.**"},
    {"envoy.worker_id", "server|listener_manager|thread_local_cluster_manager.$w.**"},
    {"envoy.cluster_name", "cluster.$.**"},
    {"envoy.http_conn_manager_prefix", "http.$.**"},
    {"envoy.http_conn_manager_prefix", "listener.*.http.$.**"},
    {"envoy.listener_address", "listener.$.**", "admin"},
    {"envoy.virtual_host", "vhost.$.**"},
    {"envoy.route", "vhost.*.route.$.**"},
    {"envoy.mongo_prefix", "mongo.$.**"},
    {"envoy.redis_prefix", "redis.$.**"},
    {"envoy.thrift_prefix", "thrift.$.**"},
};

bool isDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

/** The length of "127.0.0.1_80" or "[__1]_80" at the head of `text`, or 0. */
size_t addressLength(absl::string_view text) {
  size_t end = 0;
  if (absl::StartsWith(text, "[")) {
    end = text.find("]_");
    if (end == absl::string_view::npos || text.substr(0, end).find('.') != absl::string_view::npos) {
      return 0;
    }
    ++end;
  } else {
    end = text.find_first_not_of("0123456789.");
    if (end == absl::string_view::npos || end == 0 || text[end] != '_' ||
        std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(end), '.') != 3) {
      return 0;
    }
  }
  const size_t after = text.find_first_not_of("0123456789", end + 1);
  return after != absl::string_view::npos && after > end + 1 && text[after] == '.' ? after : 0;
}

/** One run of a pattern over one name's tokens. */
class Matcher {
 public:
  Matcher(absl::string_view name, absl::Span<const absl::string_view> tokens, TagMatch& match)
      : name_(name), tokens_(tokens), match_(match) {}

  bool run(absl::string_view pattern, size_t at) {
    if (pattern.empty()) {
      return at == tokens_.size();
    }
    const size_t dot = pattern.find('.');
    const absl::string_view element = pattern.substr(0, dot);
    const absl::string_view rest = dot == absl::string_view::npos ? absl::string_view() : pattern.substr(dot + 1);
    if (element == "**") {
      // Most names end neither in a response code nor in a class of them, and these patterns are tried on all.
      if (name_.empty() || (rest == "_$" && !absl::ascii_isdigit(name_.back()))) {
        return false;
      }
      if (rest.empty()) {
        return at < tokens_.size();
      }
      return runAtEnd(rest, at);
    }
    if (element == "$$") {
      const size_t fixed_after = rest.empty() ? 0 : static_cast<size_t>(std::count(rest.begin(), rest.end(), '.')) + 1;
      if (at + 1 + fixed_after > tokens_.size()) {
        return false;
      }
      const size_t last = tokens_.size() - fixed_after - 1;
      take(at, last, span(at, last));
      return run(rest, last + 1);
    }
    if (element == "$n") {
      if (at + 1 >= tokens_.size() || tokens_[at] != "name") {
        return false;
      }
      take(at, at + 1, tokens_[at + 1]);
      return run(rest, at + 2);
    }
    return at < tokens_.size() && matchToken(element, at) && run(rest, at + 1);
  }

 private:
  /** After "**": what follows it in every pattern has a fixed number of elements, and so one place from the end. */
  bool runAtEnd(absl::string_view rest, size_t at) {
    const size_t elements = static_cast<size_t>(std::count(rest.begin(), rest.end(), '.')) + 1;
    return tokens_.size() >= at + elements && run(rest, tokens_.size() - elements);
  }

  bool matchToken(absl::string_view element, size_t at) {
    const absl::string_view token = tokens_[at];
    if (element == "*") {
      return true;
    }
    if (element == "$") {
      take(at, at, token);
      return true;
    }
    if (element == "$w") {
      constexpr absl::string_view kWorker = "worker_";
      const absl::string_view digits = absl::StripPrefix(token, kWorker);
      // "worker_3" stays as "worker".
      if (digits.size() == token.size() || !isDigits(digits)) {
        return false;
      }
      cut(digits.data() - 1, digits.data() + digits.size(), digits);
      return true;
    }
    if (element == "$p") {
      const absl::string_view id = absl::StripPrefix(token, "__partition_id=");
      take(at, at, id);
      return id.size() != token.size() && id.size() == 7;
    }
    if (element == "$v") {
      if (token.size() != 2 || token[0] != 'v' || !absl::ascii_isdigit(token[1])) {
        return false;
      }
      take(at - 1, at, token.substr(1));
      return true;
    }
    if (element == "_$") {
      const size_t size = token.size();
      if (size < 7 || token.substr(size - 7, 4) != "_rq_" || !isDigits(token.substr(size - 3))) {
        return false;
      }
      cut(token.data() + size - 4, token.data() + size, token.substr(size - 3));
      return true;
    }
    if (element == "_$xx") {
      const size_t size = token.size();
      if (size < 7 || !absl::EndsWith(token, "xx") || token.substr(size - 7, 4) != "_rq_" ||
          !absl::ascii_isdigit(token[size - 3])) {
        return false;
      }
      cut(token.data() + size - 3, token.data() + size - 2, token.substr(size - 3, 1));
      return true;
    }
    for (const absl::string_view choice : absl::StrSplit(element, '|')) {
      if (choice == token) {
        return true;
      }
    }
    return false;
  }

  absl::string_view span(size_t first, size_t last) const {
    const char* end = tokens_[last].data() + tokens_[last].size();
    return absl::string_view(tokens_[first].data(), static_cast<size_t>(end - tokens_[first].data()));
  }

  /** Tokens go with the dot that follows them; the last one of a name with the dot before. */
  void take(size_t first, size_t last, absl::string_view value) {
    const absl::string_view whole = span(first, last);
    if (last + 1 < tokens_.size()) {
      cut(whole.data(), whole.data() + whole.size() + 1, value);
    } else {
      cut(first > 0 ? whole.data() - 1 : whole.data(), whole.data() + whole.size(), value);
    }
  }

  void cut(const char* begin, const char* end, absl::string_view value) {
    match_.remove_begin = static_cast<size_t>(begin - name_.data());
    match_.remove_end = static_cast<size_t>(end - name_.data());
    match_.value = value;
  }

  const absl::string_view name_;
  const absl::Span<const absl::string_view> tokens_;
  TagMatch& match_;
};

}  // namespace

absl::Span<const DefaultTag> defaultTags() { return kDefaultTags; }

bool mayBegin(const DefaultTag& tag, char first) {
  const absl::string_view pattern = tag.pattern;
  if (pattern[0] == '$' || pattern[0] == '*' || pattern[0] == first) {
    return true;
  }
  for (size_t i = 1; pattern[i] != '.'; ++i) {
    if (pattern[i - 1] == '|' && pattern[i] == first) {
      return true;
    }
  }
  return false;
}

std::vector<absl::string_view> tokenize(absl::string_view name) {
  std::vector<absl::string_view> tokens;
  constexpr absl::string_view kListener = "listener.";
  if (absl::StartsWith(name, kListener)) {
    const size_t length = addressLength(name.substr(kListener.size()));
    if (length > 0) {
      tokens.push_back(name.substr(0, kListener.size() - 1));
      tokens.push_back(name.substr(kListener.size(), length));
      name.remove_prefix(kListener.size() + length + 1);
    }
  }
  for (const absl::string_view token : absl::StrSplit(name, '.')) {
    tokens.push_back(token);
  }
  return tokens;
}

bool matchDefaultTag(const DefaultTag& tag, absl::string_view name, absl::Span<const absl::string_view> tokens,
                     TagMatch& match) {
  return Matcher(name, tokens, match).run(tag.pattern, 0) && (tag.except.empty() || match.value != tag.except);
}

}  // namespace sluice::stats
