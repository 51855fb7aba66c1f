#include "source/filters/http/hash_policy.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include <re2/re2.h>

namespace sluice::filters {
namespace {

using http::HashPolicy;
using http::HeaderId;

uint64_t hashOf(absl::string_view text) { return XXH64(text.data(), text.size(), 0); }

std::optional<uint64_t> headerHash(const HashPolicy& policy, const http::HeaderMap& request) {
  const http::Header* field = request.find(policy.key);
  if (field == nullptr) {
    return std::nullopt;
  }
  if (!policy.header_rewrite.has_value() && request.next(*field) == nullptr) {
    return hashOf(field->value);
  }
  std::vector<std::string> values;
  for (; field != nullptr; field = request.next(*field)) {
    std::string value(field->value);
    if (policy.header_rewrite.has_value()) {
      RE2::GlobalReplace(&value, *policy.header_rewrite->regex, policy.header_rewrite->substitution);
    }
    values.push_back(std::move(value));
  }
  if (values.size() == 1) {
    return hashOf(values[0]);
  }
  // In whatever order they came.
  std::sort(values.begin(), values.end());
  uint64_t hash = 0;
  for (const std::string& value : values) {
    hash = XXH64(value.data(), value.size(), hash);
  }
  return hash;
}

std::optional<absl::string_view> cookieOf(const http::HeaderMap& request, absl::string_view name) {
  for (const http::Header* field = request.find(HeaderId::Cookie); field != nullptr; field = request.next(*field)) {
    for (absl::string_view pair : absl::StrSplit(field->value, ';')) {
      pair = absl::StripAsciiWhitespace(pair);
      const size_t equals = pair.find('=');
      if (equals == absl::string_view::npos || pair.substr(0, equals) != name) {
        continue;
      }
      absl::string_view value = pair.substr(equals + 1);
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
      }
      return value;
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> cookieHash(const HashPolicy& policy, const http::HeaderMap& request,
                                   const http::StreamInfo& info, std::vector<std::string>& new_cookies) {
  if (const auto value = cookieOf(request, policy.key); value.has_value()) {
    return hashOf(*value);
  }
  if (!policy.cookie_ttl.has_value()) {
    return std::nullopt;
  }
  // Of the connection, so that the requests before the client has the cookie go where those after it will.
  const std::string value = absl::StrCat(absl::Hex(
      hashOf(absl::StrCat(info.downstream_remote.toString(), info.downstream_local.toString())), absl::kZeroPad16));
  std::string cookie = absl::StrCat(policy.key, "=\"", value, "\"");
  if (policy.cookie_ttl->count() > 0) {
    absl::StrAppend(&cookie, "; Max-Age=", policy.cookie_ttl->count());
  }
  if (!policy.cookie_path.empty()) {
    absl::StrAppend(&cookie, "; Path=", policy.cookie_path);
  }
  absl::StrAppend(&cookie, "; HttpOnly");
  new_cookies.push_back(std::move(cookie));
  return hashOf(value);
}

std::optional<uint64_t> queryHash(const HashPolicy& policy, const http::HeaderMap& request) {
  const absl::string_view path = request.get(HeaderId::Path);
  const size_t question = path.find('?');
  if (question == absl::string_view::npos) {
    return std::nullopt;
  }
  absl::string_view query = path.substr(question + 1);
  query = query.substr(0, query.find('#'));
  for (absl::string_view pair : absl::StrSplit(query, '&')) {
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) == policy.key) {
      return hashOf(equals == absl::string_view::npos ? absl::string_view() : pair.substr(equals + 1));
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> hashOf(const HashPolicy& policy, const http::HeaderMap& request, const http::StreamInfo& info,
                               std::vector<std::string>& new_cookies) {
  switch (policy.kind) {
    case HashPolicy::Kind::Header:
      return headerHash(policy, request);
    case HashPolicy::Kind::Cookie:
      return cookieHash(policy, request, info, new_cookies);
    case HashPolicy::Kind::SourceIp:
      if (!info.downstream_remote.isIp()) {
        return std::nullopt;
      }
      return hashOf(info.downstream_remote.ipString());
    case HashPolicy::Kind::QueryParameter:
      return queryHash(policy, request);
    case HashPolicy::Kind::FilterState: {
      const net::FilterState::Object* const object = info.filterState(policy.key);
      return object == nullptr ? std::nullopt : std::optional(hashOf(object->serialize()));
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> requestHash(const std::vector<HashPolicy>& policies, const http::HeaderMap& request,
                                    const http::StreamInfo& info, std::vector<std::string>& new_cookies) {
  std::optional<uint64_t> hash;
  for (const HashPolicy& policy : policies) {
    const std::optional<uint64_t> more = hashOf(policy, request, info, new_cookies);
    if (more.has_value()) {
      // Rotated, so that the order of policies counts and two equal parts do not cancel out.
      const uint64_t before = hash.value_or(0);
      hash = ((before << 1) | (before >> 63)) ^ *more;
    }
    if (policy.terminal && hash.has_value()) {
      break;
    }
  }
  return hash;
}

}  // namespace sluice::filters
