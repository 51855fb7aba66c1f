#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"

#include "source/access_log/operators.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/event/dispatcher.h"
#include "source/grpc/service_config.h"
#include "source/grpc/upstreams.h"
#include "source/http/header_mutations.h"
#include "source/matcher/config.h"
#include "source/matcher/string_matcher.h"

namespace envoy::config::core::v3 {
class GrpcService;
}
namespace envoy::extensions::filters::http::ext_authz::v3 {
class HttpService;
}
namespace envoy::service::auth::v3 {
class CheckRequest;
}
namespace envoy::type::matcher::v3 {
class ListStringMatcher;
}

namespace sluice::filters {

/** Names that an ext_authz filter picks headers by. */
struct HeaderNames {
  std::vector<matcher::StringMatcher> patterns;

  bool empty() const { return patterns.empty(); }
  bool contains(absl::string_view lower_name) const;
  static HeaderNames create(const envoy::type::matcher::v3::ListStringMatcher& config, matcher::RegexLimit limit,
                            const config::FieldPath& path, config::Violations& violations);
};

/** A header that an authorization service wants to be in the request or the response. */
struct AuthzHeader {
  enum class Action : uint8_t {
    /** A further field. */
    Add,
    /** Only where there is one already, to which it is added. */
    AppendToExisting,
    AddIfAbsent,
    Overwrite,
    OverwriteIfPresent,
  };
  Action action = Action::Overwrite;
  /** In lower case. */
  std::string name;
  std::string value;
};

/** What an authorization service said. */
struct AuthzAnswer {
  enum class Verdict : uint8_t { Ok, Denied, Error };
  Verdict verdict = Verdict::Error;
  /** Ok: of the request. Denied and Error: of the response in its place. */
  std::vector<AuthzHeader> headers;
  std::vector<std::string> headers_to_remove;
  /** Ok: of the upstream's response. */
  std::vector<AuthzHeader> response_headers;
  std::vector<std::pair<std::string, std::string>> query_to_set;
  std::vector<std::string> query_to_remove;
  /** Denied, and an Error that has its own; else 0. */
  uint32_t http_status = 0;
  std::string body;
  google::protobuf::Struct metadata;
};

class AuthzCallbacks {
 public:
  virtual ~AuthzCallbacks() = default;
  /** Once; the call may be deleted in it. */
  virtual void onAnswer(AuthzAnswer answer) = 0;
};

/** One question under way; destroying it cancels it. */
class AuthzCall {
 public:
  virtual ~AuthzCall() = default;
  /** Once; the answer may come inside this. */
  virtual void start(const envoy::service::auth::v3::CheckRequest& request, const access_log::LogContext& parent) = 0;
};

/** Who is asked, over gRPC or HTTP. Made on main, immutable, shared by all workers. */
class AuthzService {
 public:
  virtual ~AuthzService() = default;
  virtual std::unique_ptr<AuthzCall> newCall(const grpc::Upstreams& upstreams, event::Dispatcher& dispatcher,
                                             AuthzCallbacks& callbacks) const = 0;
  /** Over HTTP the question is made of few headers unless more are configured. */
  virtual bool isHttp() const = 0;
  /** HttpService.authorization_request.allowed_headers. */
  virtual const HeaderNames* allowedHeaders() const { return nullptr; }

  // Null with a violation.

  static std::shared_ptr<const AuthzService> create(const envoy::config::core::v3::GrpcService& config,
                                                    const access_log::OperatorTable& operators,
                                                    const config::FieldPath& path, config::Violations& violations);
  static std::shared_ptr<const AuthzService> create(
      const envoy::extensions::filters::http::ext_authz::v3::HttpService& config,
      const access_log::OperatorTable& operators, matcher::RegexLimit limit, const config::FieldPath& path,
      config::Violations& violations);
};

}  // namespace sluice::filters
