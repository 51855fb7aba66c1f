// Filters and access logs that call services, with services that answer.

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "envoy/service/accesslog/v3/als.grpc.pb.h"
#include "envoy/service/auth/v3/external_auth.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <grpcpp/grpcpp.h>

#include "test/filters/services/jwt_signer.h"
#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/** A gRPC server of one service, on a port that the system chooses. */
class GrpcServer {
 public:
  explicit GrpcServer(grpc::Service& service) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service);
    server_ = builder.BuildAndStart();
  }
  ~GrpcServer() { stop(); }
  void stop() { server_->Shutdown(std::chrono::system_clock::now()); }
  int port() const { return port_; }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

using envoy::service::auth::v3::CheckRequest;
using envoy::service::auth::v3::CheckResponse;

/** Answers as it is told, and keeps what it was asked. */
class AuthzServer final : public envoy::service::auth::v3::Authorization::Service {
 public:
  using Answer = std::function<CheckResponse(const CheckRequest&)>;
  explicit AuthzServer(Answer answer) : answer_(std::move(answer)), server_(*this) {}

  int port() const { return server_.port(); }
  void stop() { server_.stop(); }
  std::vector<CheckRequest> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  grpc::Status Check(grpc::ServerContext*, const CheckRequest* request, CheckResponse* response) override {
    *response = answer_(*request);
    const std::lock_guard lock(mutex_);
    asked_.push_back(*request);
    return grpc::Status::OK;
  }

  const Answer answer_;
  mutable std::mutex mutex_;
  std::vector<CheckRequest> asked_;
  GrpcServer server_;
};

CheckResponse allow() {
  CheckResponse response;
  response.mutable_ok_response();
  return response;
}

CheckResponse deny(int status, const std::string& body) {
  CheckResponse response;
  response.mutable_status()->set_code(7);
  response.mutable_denied_response()->mutable_status()->set_code(static_cast<envoy::type::v3::StatusCode>(status));
  response.mutable_denied_response()->set_body(body);
  return response;
}

std::string filter(const std::string& name, const std::string& type, const std::string& fields) {
  return absl::StrCat("{name: ", name, ", typed_config: {\"@type\": type.googleapis.com/", type,
                      fields.empty() ? "" : ", ", fields, "}}");
}

std::string extAuthz(const std::string& fields) {
  return filter("envoy.filters.http.ext_authz", "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", fields);
}

std::string extAuthzOverGrpc(const std::string& extra = "") {
  return extAuthz(
      absl::StrCat("transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: authz}, timeout: 10s}",
                   extra.empty() ? "" : ", ", extra));
}

std::string perRoute(const std::string& filter, const std::string& type, const std::string& fields) {
  return absl::StrCat("typed_per_filter_config: {", filter, ": {\"@type\": type.googleapis.com/", type, ", ", fields,
                      "}}");
}

class ServiceFiltersTest : public ::testing::Test {
 protected:
  void start(const Yamls& clusters, const Yamls& filters, const Yamls& routes, const std::string& extra = "") {
    Yamls all = clusters;
    all.push_back(cluster("a", backend_.port()));
    proxy_ = std::make_unique<Proxy>(
        staticResources(
            all, {httpListener("front", httpConnectionManager(routeConfig({virtualHost("all", {"*"}, routes)}), extra,
                                                              filters))}),
        Proxy::Options{{"--file-flush-interval-msec", "20"}});
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  HttpMessage get(const std::string& path, const std::string& headers = "") { return httpGet(port_, path, headers); }

  HttpServer backend_{"a"};
  TempFolder folder_;
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(ServiceFiltersTest, AGrpcServiceLetsPassOrDenies) {
  AuthzServer authz([](const CheckRequest& request) {
    const auto& http = request.attributes().request().http();
    if (http.headers().count("x-bad") > 0) {
      CheckResponse response = deny(401, "no entry");
      auto* const header = response.mutable_denied_response()->add_headers();
      header->mutable_header()->set_key("x-why");
      header->mutable_header()->set_value("bad");
      return response;
    }
    CheckResponse response = allow();
    auto* const header = response.mutable_ok_response()->add_headers();
    header->mutable_header()->set_key("x-user");
    header->mutable_header()->set_value("me");
    response.mutable_ok_response()->add_headers_to_remove("x-secret");
    return response;
  });
  start({cluster("authz", authz.port(), http2Upstream())}, {extAuthzOverGrpc()},
        {route("prefix: /open", "route: {cluster: a}",
               perRoute("envoy.filters.http.ext_authz", "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                        "disabled: true")),
         route("prefix: /told", "route: {cluster: a}",
               perRoute("envoy.filters.http.ext_authz", "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                        "check_settings: {context_extensions: {where: told}}")),
         routeTo("a")});
  EXPECT_EQ(get("/x?y", "x-secret: 1\r\n").status(), 200);
  const HttpMessage denied = get("/", "x-bad: 1\r\n");
  EXPECT_EQ(denied.status(), 401);
  EXPECT_EQ(denied.body, "no entry");
  EXPECT_EQ(denied.header("x-why"), "bad");
  EXPECT_EQ(get("/open", "x-bad: 1\r\n").status(), 200);
  EXPECT_EQ(get("/told").status(), 200);

  const std::vector<HttpMessage> seen = backend_.requests();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].header("x-user"), "me");
  EXPECT_FALSE(seen[0].has("x-secret"));
  EXPECT_FALSE(seen[1].has("x-user"));
  const std::vector<CheckRequest> asked = authz.asked();
  ASSERT_EQ(asked.size(), 3u);
  const auto& http = asked[0].attributes().request().http();
  EXPECT_EQ(http.method(), "GET");
  EXPECT_EQ(http.path(), "/x?y");
  EXPECT_EQ(http.host(), "test.com");
  EXPECT_EQ(asked[0].attributes().source().address().socket_address().address(), "127.0.0.1");
  EXPECT_EQ(asked[0].attributes().destination().address().socket_address().port_value(), port_);
  EXPECT_EQ(asked[2].attributes().context_extensions().at("where"), "told");
  EXPECT_EQ(proxy_->stat("http.h.ext_authz.ok"), 2u);
  EXPECT_EQ(proxy_->stat("http.h.ext_authz.denied"), 1u);
}

TEST_F(ServiceFiltersTest, AServiceSeesAsMuchOfABodyAsItMay) {
  AuthzServer authz([](const CheckRequest&) { return allow(); });
  start({cluster("authz", authz.port(), http2Upstream())},
        {extAuthzOverGrpc("with_request_body: {max_request_bytes: 5, allow_partial_message: true}")}, {routeTo("a")});
  HttpClient client(port_);
  EXPECT_EQ(client.request("POST", "/", "", "123").status(), 200);
  EXPECT_EQ(client.request("POST", "/", "", "1234567").status(), 200);
  const std::vector<CheckRequest> asked = authz.asked();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].attributes().request().http().body(), "123");
  EXPECT_EQ(asked[0].attributes().request().http().headers().at("x-envoy-auth-partial-body"), "false");
  EXPECT_EQ(asked[1].attributes().request().http().body(), "12345");
  EXPECT_EQ(asked[1].attributes().request().http().headers().at("x-envoy-auth-partial-body"), "true");
  const std::vector<HttpMessage> seen = backend_.requests();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].body, "1234567");
}

TEST_F(ServiceFiltersTest, WithoutAnAnswerTheStatusIsTheConfigured) {
  start({cluster("authz", demo::freePort(), http2Upstream())},
        {extAuthzOverGrpc("status_on_error: {code: ServiceUnavailable}")}, {routeTo("a")});
  EXPECT_EQ(get("/").status(), 503);
  EXPECT_EQ(proxy_->stat("http.h.ext_authz.error"), 1u);
  EXPECT_TRUE(backend_.requests().empty());
}

TEST_F(ServiceFiltersTest, WithoutAnAnswerRequestsPassWhereTheyMay) {
  start({cluster("authz", demo::freePort(), http2Upstream())},
        {extAuthzOverGrpc("failure_mode_allow: true, failure_mode_allow_header_add: true")}, {routeTo("a")});
  EXPECT_EQ(get("/").status(), 200);
  EXPECT_EQ(proxy_->stat("http.h.ext_authz.failure_mode_allowed"), 1u);
  const std::vector<HttpMessage> seen = backend_.requests();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].header("x-envoy-auth-failure-mode-allowed"), "true");
}

TEST_F(ServiceFiltersTest, AnHttpServiceLetsPassOrDenies) {
  HttpServer authz([](const HttpMessage& request) {
    return request.header("x-token") == "good" ? httpResponse(200, "", "x-user: me\r\n")
                                               : httpResponse(403, "denied", "x-why: bad\r\n");
  });
  start({cluster("authz", authz.port())},
        {extAuthz("http_service: {server_uri: {uri: \"http://authz/\", cluster: authz, timeout: 10s}, "
                  "path_prefix: /check, authorization_request: {headers_to_add: [{key: x-from, value: sluice}]}, "
                  "authorization_response: {allowed_upstream_headers: {patterns: [{exact: x-user}]}}}, "
                  "allowed_headers: {patterns: [{exact: x-token}]}")},
        {routeTo("a")});
  EXPECT_EQ(get("/ok", "x-token: good\r\nx-other: 1\r\n").status(), 200);
  const HttpMessage denied = get("/", "x-token: evil\r\n");
  EXPECT_EQ(denied.status(), 403);
  EXPECT_EQ(denied.body, "denied");
  EXPECT_EQ(denied.header("x-why"), "bad");
  const std::vector<HttpMessage> asked = authz.requests();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].path(), "/check/ok");
  EXPECT_EQ(asked[0].header("x-from"), "sluice");
  EXPECT_FALSE(asked[0].has("x-other"));
  ASSERT_EQ(backend_.requests().size(), 1u);
  EXPECT_EQ(backend_.requests()[0].header("x-user"), "me");
}

TEST_F(ServiceFiltersTest, ConnectionsAreLetInOrClosed) {
  AuthzServer authz([](const CheckRequest& request) {
    return request.attributes().source().address().socket_address().address() == "127.0.0.2" ? deny(403, "") : allow();
  });
  EchoServer blue("blue");
  proxy_ = std::make_unique<Proxy>(staticResources(
      {cluster("blue", blue.port()), cluster("authz", authz.port(), http2Upstream())},
      {listener("front", {chain("main", {filter("authz", "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
                                                "stat_prefix: gate, transport_api_version: V3, grpc_service: "
                                                "{envoy_grpc: {cluster_name: authz}, timeout: 10s}"),
                                         tcpProxy("blue")})})}));
  ASSERT_TRUE(proxy_->waitReady());
  port_ = proxy_->listenerPort("front").value_or(0);
  Client in = Client::connect(port_);
  EXPECT_TRUE(in.echo("12345"));
  Client out = Client::connect(port_, "127.0.0.2");
  EXPECT_FALSE(out.echo("12345"));
  EXPECT_EQ(proxy_->stat("ext_authz.gate.ok"), 1u);
  EXPECT_EQ(proxy_->stat("ext_authz.gate.denied"), 1u);
}

// JSON Web Tokens.

constexpr const char* kClaims = R"({"iss":"me","sub":"s","aud":"here","exp":4102444800,"role":"admin"})";

std::string jwtAuthn(const std::string& providers, const std::string& rules, const std::string& extra = "") {
  return filter("envoy.filters.http.jwt_authn", "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                absl::StrCat("providers: {", providers, "}, rules: [", rules, "]", extra.empty() ? "" : ", ", extra));
}

std::string bearer(const std::string& token) { return absl::StrCat("authorization: Bearer ", token, "\r\n"); }

TEST_F(ServiceFiltersTest, ATokenIsCheckedByInlineKeys) {
  const test::JwtSigner signer("RS256", "one");
  const test::JwtSigner other("RS256", "one");
  const std::string keys = absl::StrCat("local_jwks: {inline_string: '", test::keySet({&signer}), "'}");
  const std::string log = folder_.path() + "/log";
  start({},
        {jwtAuthn(absl::StrCat("p: {issuer: me, audiences: [here], forward_payload_header: x-payload, "
                               "payload_in_metadata: claims, claim_to_headers: [{header_name: x-role, claim_name: "
                               "role}], from_headers: [{name: authorization, value_prefix: \"Bearer \"}], "
                               "from_params: [token], from_cookies: [session], ",
                               keys, "}"),
                  "{match: {prefix: /maybe}, requires: {requires_any: {requirements: [{provider_name: p}, "
                  "{allow_missing: {}}]}}}, {match: {prefix: /}, requires: {provider_name: p}}")},
        {route("prefix: /free", "route: {cluster: a}",
               perRoute("envoy.filters.http.jwt_authn", "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
                        "disabled: true")),
         routeTo("a")},
        "access_log: [" + fileAccessLog(log, "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:sub)%") + "]");
  const std::string good = signer.token(kClaims);
  EXPECT_EQ(get("/", bearer(good)).status(), 200);
  EXPECT_EQ(get("/?token=" + good).status(), 200);
  EXPECT_EQ(get("/", "cookie: session=" + good + "\r\n").status(), 200);
  EXPECT_EQ(get("/maybe").status(), 200);
  EXPECT_EQ(get("/free").status(), 200);
  EXPECT_EQ(backend_.requests().size(), 5u);

  const HttpMessage missing = get("/");
  EXPECT_EQ(missing.status(), 401);
  EXPECT_EQ(missing.body, "Jwt is missing");
  EXPECT_THAT(missing.header("www-authenticate"), HasSubstr("Bearer realm="));
  EXPECT_EQ(get("/", bearer(other.token(kClaims))).body, "Jwt verification fails");
  EXPECT_EQ(get("/maybe", bearer(other.token(kClaims))).status(), 401);
  EXPECT_EQ(get("/", bearer(signer.token(R"({"iss":"me","aud":"here","exp":1})"))).body, "Jwt is expired");
  EXPECT_EQ(get("/", bearer(signer.token(R"({"iss":"me","aud":"there","exp":4102444800})"))).status(), 403);

  const HttpMessage seen = backend_.requests()[0];
  EXPECT_EQ(seen.header("x-role"), "admin");
  EXPECT_EQ(seen.header("x-payload"), test::base64Url(kClaims).substr(0, seen.header("x-payload").size()));
  EXPECT_FALSE(seen.header("x-payload").empty());
  EXPECT_FALSE(seen.has("authorization"));
  EXPECT_TRUE(eventually([&] { return folder_.read("log").substr(0, 2) == "s\n"; })) << folder_.read("log");
  EXPECT_EQ(proxy_->stat("http.h.jwt_authn.allowed"), 5u);
  EXPECT_EQ(proxy_->stat("http.h.jwt_authn.denied"), 5u);
}

TEST_F(ServiceFiltersTest, KeysAreFetchedOnce) {
  const test::JwtSigner signer("ES256", "one");
  HttpServer keys([&signer](const HttpMessage&) { return httpResponse(200, test::keySet({&signer})); });
  start({cluster("keys", keys.port())},
        {jwtAuthn("p: {issuer: me, remote_jwks: {http_uri: {uri: \"http://keys.test/jwks\", cluster: keys, timeout: "
                  "10s}, async_fetch: {}}}",
                  "{match: {prefix: /}, requires: {provider_name: p}}")},
        {routeTo("a")});
  const std::string good = signer.token(kClaims);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(get("/", bearer(good)).status(), 200);
  }
  EXPECT_EQ(get("/", bearer(good + "x")).status(), 401);
  ASSERT_EQ(keys.requests().size(), 1u);
  EXPECT_EQ(keys.requests()[0].path(), "/jwks");
  EXPECT_EQ(keys.requests()[0].header("host"), "keys.test");
  EXPECT_EQ(proxy_->stat("http.h.jwt_authn.jwks_fetch_success"), 1u);
}

// Access logs over gRPC.

using envoy::service::accesslog::v3::StreamAccessLogsMessage;
using envoy::service::accesslog::v3::StreamAccessLogsResponse;

class LogServer final : public envoy::service::accesslog::v3::AccessLogService::Service {
 public:
  LogServer() : server_(*this) {}
  int port() const { return server_.port(); }
  void stop() { server_.stop(); }

  std::vector<StreamAccessLogsMessage> messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  size_t entries() const {
    size_t count = 0;
    for (const StreamAccessLogsMessage& each : messages()) {
      count += static_cast<size_t>(each.http_logs().log_entry_size() + each.tcp_logs().log_entry_size());
    }
    return count;
  }

 private:
  grpc::Status StreamAccessLogs(grpc::ServerContext*, grpc::ServerReader<StreamAccessLogsMessage>* reader,
                                StreamAccessLogsResponse*) override {
    StreamAccessLogsMessage message;
    while (reader->Read(&message)) {
      const std::lock_guard lock(mutex_);
      messages_.push_back(message);
    }
    return grpc::Status::OK;
  }

  mutable std::mutex mutex_;
  std::vector<StreamAccessLogsMessage> messages_;
  GrpcServer server_;
};

std::string grpcLog(const std::string& kind, const std::string& common, const std::string& extra = "") {
  return absl::StrCat(
      "access_log: [{name: als, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.",
      kind, "GrpcAccessLogConfig, common_config: {log_name: mine, transport_api_version: V3, ",
      "grpc_service: {envoy_grpc: {cluster_name: als}}, ", common, "}", extra, "}}]");
}

TEST_F(ServiceFiltersTest, RequestsAreLoggedInBatches) {
  LogServer als;
  start({cluster("als", als.port(), http2Upstream())}, {}, {routeTo("a")},
        grpcLog("Http", "buffer_flush_interval: 0.05s", ", additional_request_headers_to_log: [x-mine]"));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(get("/logged", "x-mine: 7\r\n").status(), 200);
  }
  ASSERT_TRUE(eventually([&als] { return als.entries() == 20; }));
  const StreamAccessLogsMessage first = als.messages()[0];
  EXPECT_EQ(first.identifier().log_name(), "mine");
  const auto& entry = first.http_logs().log_entry(0);
  EXPECT_EQ(entry.request().path(), "/logged");
  EXPECT_EQ(entry.request().request_headers().at("x-mine"), "7");
  EXPECT_EQ(entry.response().response_code().value(), 200u);
  EXPECT_EQ(entry.common_properties().upstream_cluster(), "a");
  EXPECT_EQ(proxy_->stat("access_logs.grpc_access_log.logs_written"), 20u);
  EXPECT_EQ(proxy_->stat("access_logs.grpc_access_log.logs_dropped"), 0u);
}

TEST_F(ServiceFiltersTest, ABatchIsSentWhenItIsFull) {
  LogServer als;
  start({cluster("als", als.port(), http2Upstream())}, {}, {routeTo("a")},
        grpcLog("Http", "buffer_flush_interval: 3600s, buffer_size_bytes: 1"));
  EXPECT_EQ(get("/").status(), 200);
  EXPECT_TRUE(eventually([&als] { return als.entries() == 1; }));
}

TEST_F(ServiceFiltersTest, ConnectionsAreLogged) {
  LogServer als;
  EchoServer blue("blue");
  proxy_ = std::make_unique<Proxy>(
      staticResources({cluster("blue", blue.port()), cluster("als", als.port(), http2Upstream())},
                      {listener("front", {chain("main", {tcpProxy("blue", grpcLog("Tcp",
                                                                                  "buffer_flush_interval: "
                                                                                  "0.05s"))})})}));
  ASSERT_TRUE(proxy_->waitReady());
  {
    Client client = Client::connect(proxy_->listenerPort("front").value_or(0));
    EXPECT_TRUE(client.echo("12345"));
  }
  ASSERT_TRUE(eventually([&als] { return als.entries() == 1; }));
  const auto entry = als.messages()[0].tcp_logs().log_entry(0);
  EXPECT_EQ(entry.connection_properties().received_bytes(), 6u);
  EXPECT_EQ(entry.connection_properties().sent_bytes(), 11u);
  EXPECT_EQ(entry.common_properties().upstream_cluster(), "blue");
}

}  // namespace
}  // namespace sluice::integration
