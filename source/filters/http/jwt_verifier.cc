#include "source/filters/http/jwt_verifier.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "source/access_log/json_text.h"
#include "source/access_log/metadata_value.h"
#include "source/http/header_matcher.h"

namespace sluice::filters {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using http::HeaderId;

/** The longest text of a token's letters from the start of `text` on: what comes after it (a comma, say) is not the token's. */
absl::string_view tokenAt(absl::string_view text) {
  size_t end = 0;
  while (end < text.size() &&
         (absl::ascii_isalnum(static_cast<unsigned char>(text[end])) || absl::StrContains("-_.=", text[end]))) {
    ++end;
  }
  return text.substr(0, end);
}

absl::string_view cookieValue(const http::HeaderMap& headers, absl::string_view name) {
  for (const http::Header* header = headers.find(HeaderId::Cookie); header != nullptr; header = headers.next(*header)) {
    for (absl::string_view each : absl::StrSplit(header->value, ';')) {
      each = absl::StripAsciiWhitespace(each);
      const size_t equals = each.find('=');
      if (equals != absl::string_view::npos && each.substr(0, equals) == name) {
        absl::string_view value = each.substr(equals + 1);
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
          value = value.substr(1, value.size() - 2);
        }
        return value;
      }
    }
  }
  return {};
}

/** The query without a parameter. */
void removeParameter(http::HeaderMap& headers, absl::string_view name) {
  const std::string path(headers.get(HeaderId::Path));
  const size_t question = path.find('?');
  if (question == std::string::npos) {
    return;
  }
  std::vector<absl::string_view> kept;
  for (const absl::string_view each : absl::StrSplit(absl::string_view(path).substr(question + 1), '&')) {
    if (each.substr(0, each.find('=')) != name) {
      kept.push_back(each);
    }
  }
  headers.set(HeaderId::Path,
              absl::StrCat(path.substr(0, question), kept.empty() ? "" : "?", absl::StrJoin(kept, "&")));
}

const Value* claimAt(const Struct& payload, const std::vector<std::string>& path) {
  const Struct* object = &payload;
  const Value* value = nullptr;
  for (const std::string& name : path) {
    const auto found = object->fields().find(name);
    if (found == object->fields().end()) {
      return nullptr;
    }
    value = &found->second;
    object = &value->struct_value();
  }
  return value;
}

/** As a header: what is no scalar as JSON in base64. */
bool claimText(const Value& value, std::string& out) {
  switch (value.kind_case()) {
    case Value::kStringValue:
      out = value.string_value();
      return !out.empty();
    case Value::kNumberValue:
    case Value::kBoolValue:
      access_log::appendJsonValue(value, out);
      return true;
    case Value::kListValue:
    case Value::kStructValue: {
      std::string json;
      access_log::appendJsonValue(value, json);
      out = absl::Base64Escape(json);
      return true;
    }
    default:
      return false;
  }
}

std::vector<const JwtProvider*> providersOf(const JwtRequirement& requirement) {
  return requirement.provider != nullptr ? std::vector<const JwtProvider*>{requirement.provider}
                                         : requirement.providers;
}

const JwtProvider* byIssuer(const std::vector<const JwtProvider*>& providers, const std::string& issuer) {
  const JwtProvider* any = nullptr;
  for (const JwtProvider* each : providers) {
    if (each->issuer == issuer) {
      return each;
    }
    any = each->issuer.empty() ? each : any;
  }
  return any;
}

}  // namespace

std::vector<JwtVerifier::Found> JwtVerifier::find(const std::vector<const JwtProvider*>& providers) const {
  std::vector<Found> out;
  for (const JwtProvider* provider : providers) {
    for (const JwtProvider::Header& from : provider->from_headers) {
      for (const http::Header* header = headers_.find(from.name); header != nullptr; header = headers_.next(*header)) {
        const size_t at = header->value.find(from.prefix);
        if (at == absl::string_view::npos) {
          continue;
        }
        const absl::string_view token = tokenAt(header->value.substr(at + from.prefix.size()));
        if (!token.empty()) {
          out.push_back({std::string(token), provider, &from, nullptr});
        }
      }
    }
    for (const std::string& name : provider->from_params) {
      const absl::string_view value = http::queryParameter(headers_.get(HeaderId::Path), name);
      if (!value.empty()) {
        out.push_back({std::string(value), provider, nullptr, &name});
      }
    }
    for (const std::string& name : provider->from_cookies) {
      const absl::string_view value = cookieValue(headers_, name);
      if (!value.empty()) {
        out.push_back({std::string(value), provider});
      }
    }
  }
  return out;
}

const JwtRemoteKeys* JwtVerifier::missingKeys(const JwtRequirement& requirement) const {
  for (const JwtRequirement& each : requirement.inner) {
    if (const JwtRemoteKeys* missing = missingKeys(each); missing != nullptr) {
      return missing;
    }
  }
  for (const Found& found : find(providersOf(requirement))) {
    const JwtProvider& provider = *found.provider;
    if (provider.remote_keys == nullptr || provider.remote_keys->keys() != nullptr) {
      continue;
    }
    JwtToken token;
    // A token that is refused whatever the keys say is not worth a fetch.
    if (token.parse(found.text) == JwtStatus::Ok && (provider.issuer.empty() || provider.issuer == token.iss) &&
        token.checkTime(now_, provider.clock_skew) == JwtStatus::Ok) {
      return provider.remote_keys.get();
    }
  }
  return nullptr;
}

JwtStatus JwtVerifier::verify(const JwtRequirement& requirement) {
  switch (requirement.kind) {
    case JwtRequirement::Kind::Provider:
      return authenticate({requirement.provider}, requirement.provider,
                          requirement.audiences.has_value() ? &*requirement.audiences : nullptr, false, false);
    case JwtRequirement::Kind::AllowMissing:
      return authenticate(requirement.providers, nullptr, nullptr, true, false);
    case JwtRequirement::Kind::AllowMissingOrFailed:
      return authenticate(requirement.providers, nullptr, nullptr, false, true);
    case JwtRequirement::Kind::All:
      for (const JwtRequirement& each : requirement.inner) {
        if (const JwtStatus status = verify(each); status != JwtStatus::Ok) {
          return status;
        }
      }
      return JwtStatus::Ok;
    case JwtRequirement::Kind::Any:
      return verifyAny(requirement);
  }
  return JwtStatus::Missing;
}

JwtStatus JwtVerifier::verifyAny(const JwtRequirement& requirement) {
  // The last failure that tells more than that the token is another provider's.
  JwtStatus failure = JwtStatus::Missing;
  for (const JwtRequirement& each : requirement.inner) {
    const JwtStatus status = verify(each);
    if (status == JwtStatus::Ok) {
      return status;
    }
    if (failure == JwtStatus::Missing || (status != JwtStatus::Missing && status != JwtStatus::UnknownIssuer)) {
      failure = status;
    }
  }
  return failure;
}

JwtStatus JwtVerifier::authenticate(const std::vector<const JwtProvider*>& providers, const JwtProvider* provider,
                                    const std::vector<std::string>* audiences, bool allow_missing, bool allow_failed) {
  const std::vector<Found> tokens = find(providers);
  if (tokens.empty()) {
    return allow_missing || allow_failed ? JwtStatus::Ok : JwtStatus::Missing;
  }
  // All must be good: what is behind might take the bad one of two for the one that was verified.
  JwtStatus first_failure = JwtStatus::Ok;
  for (const Found& each : tokens) {
    const JwtStatus status = verifyToken(each, providers, provider, audiences);
    if (status != JwtStatus::Ok && first_failure == JwtStatus::Ok) {
      first_failure = status;
    }
    if (first_failure != JwtStatus::Ok && !allow_failed) {
      return first_failure;
    }
  }
  return allow_failed ? JwtStatus::Ok : first_failure;
}

JwtStatus JwtVerifier::verifyToken(const Found& found, const std::vector<const JwtProvider*>& providers,
                                   const JwtProvider* provider, const std::vector<std::string>* audiences) {
  JwtToken token;
  const auto fail = [&](JwtStatus status) {
    const JwtProvider* const of = provider != nullptr ? provider : found.provider;
    if (!of->failed_status_in_metadata.empty()) {
      Struct& told = *(*metadata_.mutable_fields())[of->failed_status_in_metadata].mutable_struct_value();
      (*told.mutable_fields())["code"].set_number_value(static_cast<double>(status));
      (*told.mutable_fields())["message"].set_string_value(std::string(jwtStatusText(status)));
    }
    return status;
  };
  if (const JwtStatus status = token.parse(found.text); status != JwtStatus::Ok) {
    return fail(status);
  }
  const JwtProvider* const of = provider != nullptr ? provider : byIssuer(providers, token.iss);
  // A token counts only where its own issuer says that it is to be.
  if (of == nullptr || (!of->issuer.empty() && of->issuer != token.iss) ||
      (!found.provider->issuer.empty() && found.provider->issuer != token.iss)) {
    return fail(JwtStatus::UnknownIssuer);
  }
  if (of->subjects.has_value() && !of->subjects->matches(token.sub)) {
    return fail(JwtStatus::VerificationFails);
  }
  if ((of->require_expiration && token.exp == 0) ||
      (of->max_lifetime.has_value() &&
       (token.exp == 0 || token.exp > now_ + static_cast<uint64_t>(of->max_lifetime->count())))) {
    return fail(JwtStatus::VerificationFails);
  }
  if (const JwtStatus status = token.checkTime(now_, of->clock_skew); status != JwtStatus::Ok) {
    return fail(status);
  }
  const std::vector<std::string>& wanted = audiences != nullptr ? *audiences : of->audiences;
  const auto named = [&wanted](std::string audience) {
    // "https://x/" and "http://x" are the same for those who write audiences.
    const auto bare = [](absl::string_view text) {
      absl::ConsumePrefix(&text, "http://") || absl::ConsumePrefix(&text, "https://");
      absl::ConsumeSuffix(&text, "/");
      return text;
    };
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](const std::string& each) { return bare(each) == bare(audience); });
  };
  if (!wanted.empty() && std::none_of(token.aud.begin(), token.aud.end(), named)) {
    return fail(JwtStatus::AudienceNotAllowed);
  }
  const std::shared_ptr<const JwtKeys> keys = of->remote_keys != nullptr ? of->remote_keys->keys() : of->local_keys;
  if (keys == nullptr) {
    return fail(of->remote_keys != nullptr ? JwtStatus::KeysFetchFailed : of->local_status);
  }
  if (const JwtStatus status = keys->verify(token); status != JwtStatus::Ok) {
    return fail(status);
  }
  accept(*of, token, found);
  return JwtStatus::Ok;
}

void JwtVerifier::accept(const JwtProvider& provider, const JwtToken& token, const Found& found) {
  forwardClaims(provider, token);
  if (!provider.forward) {
    if (found.header != nullptr) {
      headers_.remove(found.header->name);
    } else if (found.param != nullptr) {
      removeParameter(headers_, *found.param);
    }
  }
  if (!provider.header_in_metadata.empty()) {
    *(*metadata_.mutable_fields())[provider.header_in_metadata].mutable_struct_value() = token.header;
  }
  if (!provider.payload_in_metadata.empty()) {
    Struct& payload = *(*metadata_.mutable_fields())[provider.payload_in_metadata].mutable_struct_value();
    payload = token.payload;
    for (const std::string& name : provider.space_delimited_claims) {
      const auto claim = token.payload.fields().find(name);
      if (claim == token.payload.fields().end() || claim->second.kind_case() != Value::kStringValue) {
        continue;
      }
      Value list;
      list.mutable_list_value();
      for (const absl::string_view word : absl::StrSplit(claim->second.string_value(), ' ', absl::SkipEmpty())) {
        list.mutable_list_value()->add_values()->set_string_value(std::string(word));
      }
      (*payload.mutable_fields())[name] = std::move(list);
    }
  }
  clear_route_cache_ =
      clear_route_cache_ ||
      (provider.clear_route_cache &&
       (!provider.claims.empty() || !provider.payload_in_metadata.empty() || !provider.header_in_metadata.empty()));
}

void JwtVerifier::forwardClaims(const JwtProvider& provider, const JwtToken& token) {
  if (!provider.forward_payload_header.empty()) {
    std::string text = token.payload_text;
    if (provider.pad_payload) {
      text.append((4 - text.size() % 4) % 4, '=');
    }
    headers_.add(provider.forward_payload_header, text);
  }
  for (const JwtProvider::Claim& claim : provider.claims) {
    const Value* const value = claimAt(token.payload, claim.path);
    std::string text;
    if (value != nullptr && claimText(*value, text) &&
        std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; })) {
      headers_.add(claim.header, text);
    }
  }
}

}  // namespace sluice::filters
