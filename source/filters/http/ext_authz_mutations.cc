#include "source/filters/http/ext_authz_mutations.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sluice::filters {
namespace {

using Action = AuthzHeader::Action;
using http::HeaderId;
using http::HeaderMap;

/** RFC 9110, section 5.6.2; pseudo-headers too. */
bool validName(absl::string_view name) {
  if (absl::StartsWith(name, ":")) {
    name.remove_prefix(1);
  }
  constexpr absl::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains(kOthers, c);
  });
}

bool validValue(absl::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool validHeaders(const std::vector<AuthzHeader>& headers) {
  return std::all_of(headers.begin(), headers.end(),
                     [](const AuthzHeader& header) { return validName(header.name) && validValue(header.value); });
}

/** Of application/x-www-form-urlencoded, but that a space is %20. */
std::string encodeQuery(absl::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("-._~", c)) {
      out += c;
    } else {
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

void changeQuery(const AuthzAnswer& answer, HeaderMap& request) {
  const std::string path(request.get(HeaderId::Path));
  const std::string fragment = path.find('#') == std::string::npos ? "" : path.substr(path.find('#'));
  const std::string whole = path.substr(0, path.find('#'));
  const size_t question = whole.find('?');
  std::vector<std::string> parameters;
  if (question != std::string::npos) {
    parameters = absl::StrSplit(whole.substr(question + 1), '&', absl::SkipEmpty());
  }
  const auto drop = [&parameters](absl::string_view key) {
    parameters.erase(std::remove_if(parameters.begin(), parameters.end(),
                                    [&](const std::string& each) {
                                      return absl::string_view(each).substr(0, each.find('=')) == key;
                                    }),
                     parameters.end());
  };
  for (const auto& [key, value] : answer.query_to_set) {
    const std::string name = encodeQuery(key);
    drop(name);
    parameters.push_back(absl::StrCat(name, "=", encodeQuery(value)));
  }
  for (const std::string& key : answer.query_to_remove) {
    drop(encodeQuery(key));
  }
  request.set(HeaderId::Path, absl::StrCat(whole.substr(0, question), parameters.empty() ? "" : "?",
                                           absl::StrJoin(parameters, "&"), fragment));
}

}  // namespace

bool validAuthzAnswer(const AuthzAnswer& answer) {
  return validHeaders(answer.headers) && validHeaders(answer.response_headers) &&
         std::all_of(answer.headers_to_remove.begin(), answer.headers_to_remove.end(),
                     [](const std::string& name) { return validName(name); });
}

void applyAuthzHeader(const AuthzHeader& header, HeaderMap& headers) {
  if (!validName(header.name) || !validValue(header.value)) {
    return;
  }
  const bool there = headers.has(header.name);
  switch (header.action) {
    case Action::Add:
      headers.add(header.name, header.value);
      break;
    case Action::AppendToExisting:
      if (there) {
        headers.append(header.name, header.value);
      }
      break;
    case Action::AddIfAbsent:
      if (!there) {
        headers.add(header.name, header.value);
      }
      break;
    case Action::Overwrite:
      headers.set(header.name, header.value);
      break;
    case Action::OverwriteIfPresent:
      if (there) {
        headers.set(header.name, header.value);
      }
      break;
  }
}

bool applyAuthzAnswer(const AuthzAnswer& answer, HeaderMap& request) {
  bool changed = false;
  for (const AuthzHeader& header : answer.headers) {
    applyAuthzHeader(header, request);
    changed = true;
  }
  for (const std::string& name : answer.headers_to_remove) {
    // What a request cannot be without stays.
    if (!absl::StartsWith(name, ":") && name != "host") {
      request.remove(name);
      changed = true;
    }
  }
  if (!answer.query_to_set.empty() || !answer.query_to_remove.empty()) {
    changeQuery(answer, request);
    changed = true;
  }
  return changed;
}

void applyAuthzReply(const std::vector<AuthzHeader>& headers, HeaderMap& response) {
  for (const AuthzHeader& header : headers) {
    if (header.action == Action::Overwrite && !absl::StartsWith(header.name, ":")) {
      response.remove(header.name);
    }
  }
  for (const AuthzHeader& header : headers) {
    // The status is what the reply has; its length is its body's.
    if (absl::StartsWith(header.name, ":") || header.name == "content-length") {
      continue;
    }
    AuthzHeader added = header;
    added.action = header.action == Action::Overwrite ? Action::Add : header.action;
    applyAuthzHeader(added, response);
  }
}

}  // namespace sluice::filters
