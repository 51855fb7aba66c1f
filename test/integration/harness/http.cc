#include "test/integration/harness/http.h"

#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sluice::integration {
namespace {

std::string with(const std::string& extra) { return extra.empty() ? "" : ", " + extra; }

std::string list(const Yamls& items) { return absl::StrCat("[", absl::StrJoin(items, ", "), "]"); }

std::string word(const std::string& line, size_t index) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  return index < words.size() ? words[index] : "";
}

}  // namespace

int HttpMessage::status() const {
  int code = 0;
  return absl::SimpleAtoi(word(start, 1), &code) ? code : 0;
}

std::string HttpMessage::method() const { return word(start, 0); }
std::string HttpMessage::path() const { return word(start, 1); }

std::string HttpMessage::header(const std::string& name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

bool HttpMessage::has(const std::string& name) const {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& field) { return field.first == name; });
}

bool HttpReader::fill() {
  char buffer[16384];
  const ssize_t count = recv(socket_.fd(), buffer, sizeof(buffer), 0);
  if (count > 0) {
    rest_.append(buffer, static_cast<size_t>(count));
  }
  return count > 0;
}

bool HttpReader::line(std::string& out) {
  for (;;) {
    const size_t end = rest_.find("\r\n");
    if (end != std::string::npos) {
      out = rest_.substr(0, end);
      rest_.erase(0, end + 2);
      return true;
    }
    if (!fill()) {
      return false;
    }
  }
}

bool HttpReader::bytes(size_t count, std::string& out) {
  while (rest_.size() < count) {
    if (!fill()) {
      out += rest_;
      rest_.clear();
      return false;
    }
  }
  out += rest_.substr(0, count);
  rest_.erase(0, count);
  return true;
}

bool HttpReader::fields(std::vector<std::pair<std::string, std::string>>& out) {
  std::string text;
  while (line(text)) {
    if (text.empty()) {
      return true;
    }
    const size_t colon = text.find(':');
    out.emplace_back(absl::AsciiStrToLower(text.substr(0, colon)),
                     colon == std::string::npos ? "" : std::string(absl::StripAsciiWhitespace(text.substr(colon + 1))));
  }
  return false;
}

HttpMessage HttpReader::read(bool response, bool head) {
  HttpMessage message;
  if (!line(message.start) || !fields(message.headers)) {
    return message;
  }
  const int status = message.status();
  if (response && (head || status / 100 == 1 || status == 204 || status == 304)) {
    message.complete = true;
    return message;
  }
  if (absl::AsciiStrToLower(message.header("transfer-encoding")) == "chunked") {
    for (std::string size; line(size);) {
      const size_t count = std::stoul(size, nullptr, 16);
      if (count == 0) {
        message.complete = fields(message.trailers);
        return message;
      }
      std::string end;
      if (!bytes(count, message.body) || !line(end)) {
        return message;
      }
    }
    return message;
  }
  if (message.has("content-length")) {
    message.complete = bytes(std::stoul(message.header("content-length")), message.body);
    return message;
  }
  if (response) {
    while (fill()) {
    }
    message.body.swap(rest_);
  }
  message.complete = true;
  return message;
}

std::string httpResponse(int status, const std::string& body, const std::string& headers) {
  return absl::StrCat("HTTP/1.1 ", status, " Said\r\n", headers, "content-length: ", body.size(), "\r\n\r\n", body);
}

HttpServer::HttpServer(Answer answer)
    : answer_(std::move(answer)), server_([this](Socket& socket) {
        HttpReader reader(socket);
        for (;;) {
          const HttpMessage request = reader.readRequest();
          if (request.start.empty()) {
            return;
          }
          {
            const std::lock_guard<std::mutex> lock(mutex_);
            requests_.push_back(request);
          }
          const std::string answer = answer_(request);
          if (answer.empty() || !sendAll(socket, answer)) {
            return;
          }
        }
      }) {}

HttpServer::HttpServer(const std::string& name)
    : HttpServer([name](const HttpMessage& request) {
        return httpResponse(200, name, absl::StrCat("x-request: ", request.method(), " ", request.path(), "\r\n"));
      }) {}

std::vector<HttpMessage> HttpServer::requests() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return requests_;
}

HttpMessage HttpClient::get(const std::string& path, const std::string& headers, const std::string& host) {
  send(absl::StrCat("GET ", path, " HTTP/1.1\r\nhost: ", host, "\r\n", headers, "\r\n"));
  return receive();
}

HttpMessage HttpClient::request(const std::string& method, const std::string& path, const std::string& headers,
                                const std::string& body, const std::string& host) {
  send(absl::StrCat(method, " ", path, " HTTP/1.1\r\nhost: ", host, "\r\n", headers,
                    body.empty() ? "" : absl::StrCat("content-length: ", body.size(), "\r\n"), "\r\n", body));
  return receive(method == "HEAD");
}

HttpMessage httpGet(uint16_t port, const std::string& path, const std::string& headers, const std::string& host) {
  HttpClient client(port);
  return client.get(path, headers, host);
}

std::string httpConnectionManager(const std::string& routes, const std::string& extra, const Yamls& filters) {
  Yamls all = filters;
  all.push_back(
      "{name: envoy.filters.http.router, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}");
  return absl::StrCat(
      "{name: http, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, ",
      extra.find("stat_prefix") == std::string::npos ? "stat_prefix: h, " : "", routes, ", http_filters: ", list(all),
      with(extra), "}}");
}

std::string routeConfig(const Yamls& hosts, const std::string& extra) {
  return absl::StrCat("route_config: {name: local, virtual_hosts: ", list(hosts), with(extra), "}");
}

std::string virtualHost(const std::string& name, const Yamls& domains, const Yamls& routes, const std::string& extra) {
  Yamls quoted;
  for (const std::string& domain : domains) {
    quoted.push_back("\"" + domain + "\"");
  }
  return absl::StrCat("{name: ", name, ", domains: ", list(quoted), ", routes: ", list(routes), with(extra), "}");
}

std::string routeTo(const std::string& cluster, const std::string& extra) {
  return route("prefix: /", "route: {cluster: " + cluster + with(extra) + "}");
}

std::string route(const std::string& match, const std::string& action, const std::string& extra) {
  return absl::StrCat("{match: {", match, "}, ", action, with(extra), "}");
}

std::string httpForward(const std::string& listener, const std::string& cluster, const std::string& extra) {
  return httpListener(listener,
                      httpConnectionManager(routeConfig({virtualHost("all", {"*"}, {routeTo(cluster)})}), extra));
}

std::string httpListener(const std::string& name, const std::string& manager, const std::string& extra) {
  return listener(name, {chain("http", {manager})}, extra);
}

std::string routeConfiguration(const std::string& name, const Yamls& hosts) {
  return absl::StrCat("{\"@type\": type.googleapis.com/envoy.config.route.v3.RouteConfiguration, name: ", name,
                      ", virtual_hosts: ", list(hosts), "}");
}

std::string rdsOverAds(const std::string& name, const std::string& extra) {
  return absl::StrCat("rds: {route_config_name: ", name, ", config_source: {ads: {}, resource_api_version: V3",
                      with(extra), "}}");
}

std::string http2Upstream(const std::string& extra, const std::string& http2_options) {
  return absl::StrCat(
      "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
      "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: "
      "{http2_protocol_options: {",
      http2_options, "}}", with(extra), "}}");
}

}  // namespace sluice::integration
