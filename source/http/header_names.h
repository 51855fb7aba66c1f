#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::http {

// Every header name that the program looks up, in lower case. A name in this list costs an index to find.
// clang-format off
#define SLUICE_HTTP_HEADERS(X)                                                  \
  X(Method, ":method") X(Scheme, ":scheme") X(Authority, ":authority")          \
  X(Path, ":path") X(PseudoProtocol, ":protocol") X(Status, ":status")          \
  X(Accept, "accept") X(AcceptEncoding, "accept-encoding")                      \
  X(AccessControlAllowCredentials, "access-control-allow-credentials")          \
  X(AccessControlAllowHeaders, "access-control-allow-headers")                  \
  X(AccessControlAllowMethods, "access-control-allow-methods")                  \
  X(AccessControlAllowOrigin, "access-control-allow-origin")                    \
  X(AccessControlAllowPrivateNetwork, "access-control-allow-private-network")   \
  X(AccessControlExposeHeaders, "access-control-expose-headers")                \
  X(AccessControlMaxAge, "access-control-max-age")                              \
  X(AccessControlRequestHeaders, "access-control-request-headers")              \
  X(AccessControlRequestMethod, "access-control-request-method")                \
  X(AccessControlRequestPrivateNetwork, "access-control-request-private-network") \
  X(Authorization, "authorization") X(CacheControl, "cache-control")            \
  X(Connection, "connection") X(ContentEncoding, "content-encoding")            \
  X(ContentLength, "content-length") X(ContentType, "content-type")             \
  X(Cookie, "cookie") X(Date, "date") X(Etag, "etag") X(Expect, "expect")       \
  X(ForwardedClientCert, "x-forwarded-client-cert")                             \
  X(ForwardedFor, "x-forwarded-for") X(ForwardedHost, "x-forwarded-host")       \
  X(ForwardedPort, "x-forwarded-port") X(ForwardedProto, "x-forwarded-proto")   \
  X(GrpcAcceptEncoding, "grpc-accept-encoding") X(GrpcMessage, "grpc-message")  \
  X(GrpcStatus, "grpc-status") X(GrpcStatusDetails, "grpc-status-details-bin")  \
  X(GrpcTimeout, "grpc-timeout") X(Host, "host") X(Http2Settings, "http2-settings") \
  X(KeepAlive, "keep-alive") X(LastModified, "last-modified")                   \
  X(Location, "location") X(Origin, "origin")                                   \
  X(ProxyConnection, "proxy-connection") X(Referer, "referer")                  \
  X(RequestId, "x-request-id") X(RetryAfter, "retry-after") X(Server, "server") \
  X(SetCookie, "set-cookie") X(Te, "te") X(Trailer, "trailer")                  \
  X(TransferEncoding, "transfer-encoding") X(Upgrade, "upgrade")                \
  X(UserAgent, "user-agent") X(Vary, "vary") X(Via, "via")                      \
  X(EnvoyAttemptCount, "x-envoy-attempt-count")                                 \
  X(EnvoyDecoratorOperation, "x-envoy-decorator-operation")                     \
  X(EnvoyDegraded, "x-envoy-degraded")                                          \
  X(EnvoyDownstreamServiceCluster, "x-envoy-downstream-service-cluster")        \
  X(EnvoyDownstreamServiceNode, "x-envoy-downstream-service-node")              \
  X(EnvoyExpectedRequestTimeoutMs, "x-envoy-expected-rq-timeout-ms")            \
  X(EnvoyExternalAddress, "x-envoy-external-address")                           \
  X(EnvoyForceTrace, "x-envoy-force-trace")                                     \
  X(EnvoyHedgeOnPerTryTimeout, "x-envoy-hedge-on-per-try-timeout")              \
  X(EnvoyImmediateHealthCheckFail, "x-envoy-immediate-health-check-fail")       \
  X(EnvoyInternalRequest, "x-envoy-internal")                                   \
  X(EnvoyIpTags, "x-envoy-ip-tags")                                             \
  X(EnvoyIsTimeoutRetry, "x-envoy-is-timeout-retry")                            \
  X(EnvoyLocalOverloaded, "x-envoy-local-overloaded")                           \
  X(EnvoyMaxRetries, "x-envoy-max-retries")                                     \
  X(EnvoyOriginalHost, "x-envoy-original-host")                                 \
  X(EnvoyOriginalMethod, "x-envoy-original-method")                             \
  X(EnvoyOriginalPath, "x-envoy-original-path")                                 \
  X(EnvoyOriginalUrl, "x-envoy-original-url")                                   \
  X(EnvoyOverloaded, "x-envoy-overloaded")                                      \
  X(EnvoyRateLimited, "x-envoy-ratelimited")                                    \
  X(EnvoyRetriableHeaderNames, "x-envoy-retriable-header-names")                \
  X(EnvoyRetriableStatusCodes, "x-envoy-retriable-status-codes")                \
  X(EnvoyRetryGrpcOn, "x-envoy-retry-grpc-on")                                  \
  X(EnvoyRetryOn, "x-envoy-retry-on")                                           \
  X(EnvoyUpstreamAltStatName, "x-envoy-upstream-alt-stat-name")                 \
  X(EnvoyUpstreamCanary, "x-envoy-upstream-canary")                             \
  X(EnvoyUpstreamHealthCheckedCluster, "x-envoy-upstream-healthchecked-cluster") \
  X(EnvoyUpstreamRequestPerTryTimeoutMs, "x-envoy-upstream-rq-per-try-timeout-ms") \
  X(EnvoyUpstreamRequestTimeoutAltResponse, "x-envoy-upstream-rq-timeout-alt-response") \
  X(EnvoyUpstreamRequestTimeoutMs, "x-envoy-upstream-rq-timeout-ms")            \
  X(EnvoyUpstreamServiceTime, "x-envoy-upstream-service-time")                  \
  X(EnvoyUpstreamStreamDurationMs, "x-envoy-upstream-stream-duration-ms")
// clang-format on

/** A header name that the program knows; Other is every other one. */
enum class HeaderId : uint8_t {
  Other,
#define SLUICE_HTTP_HEADER_ID(id, name) id,
  SLUICE_HTTP_HEADERS(SLUICE_HTTP_HEADER_ID)
#undef SLUICE_HTTP_HEADER_ID
      Count,
};
inline constexpr size_t kHeaderIds = static_cast<size_t>(HeaderId::Count);

/** The name in lower case, static; empty for Other. */
absl::string_view headerName(HeaderId id);

/** `name` in lower case; any thread. */
HeaderId headerId(absl::string_view name);

}  // namespace sluice::http
