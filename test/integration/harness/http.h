#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/integration/harness/mesh.h"
#include "test/integration/harness/traffic.h"

namespace sluice::integration {

/** An HTTP/1 message as it was on the wire, but for its body's framing. Header names are in lower case. */
struct HttpMessage {
  /** The first line; empty when none came. */
  std::string start;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::vector<std::pair<std::string, std::string>> trailers;
  /** It came whole. */
  bool complete = false;

  /** Of a response; 0 when there is none. */
  int status() const;
  /** Of a request. */
  std::string method() const;
  std::string path() const;
  /** The first of the name, or "". */
  std::string header(const std::string& name) const;
  bool has(const std::string& name) const;
};

/** A connection that HTTP/1 messages are read from. */
class HttpReader {
 public:
  explicit HttpReader(Socket& socket) : socket_(socket) {}
  HttpMessage readRequest() { return read(false, false); }
  /** Interim (1xx) responses count as messages. `head`: it answers a HEAD request. */
  HttpMessage readResponse(bool head = false) { return read(true, head); }
  /** What was read beyond the last message. */
  const std::string& rest() const { return rest_; }

 private:
  HttpMessage read(bool response, bool head);
  bool fill();
  bool line(std::string& out);
  bool bytes(size_t count, std::string& out);
  bool fields(std::vector<std::pair<std::string, std::string>>& out);

  Socket& socket_;
  std::string rest_;
};

/** "HTTP/1.1 200 OK" with a content-length; `headers` are whole lines, each with its "\r\n". */
std::string httpResponse(int status, const std::string& body, const std::string& headers = "");

/** A backend that answers each request with what `answer` makes of it; "" closes the connection instead. */
class HttpServer {
 public:
  using Answer = std::function<std::string(const HttpMessage& request)>;
  explicit HttpServer(Answer answer);
  /** Answers 200 with its name, and "method path" in x-request. */
  explicit HttpServer(const std::string& name);

  uint16_t port() const { return server_.port(); }
  uint64_t connections() const { return server_.accepted(); }
  /** All requests so far, in order of arrival. */
  std::vector<HttpMessage> requests() const;

 private:
  const Answer answer_;
  mutable std::mutex mutex_;
  std::vector<HttpMessage> requests_;
  TcpServer server_;
};

/** A client's connection that requests are sent on one after the other. */
class HttpClient {
 public:
  explicit HttpClient(uint16_t port, const std::string& from = "127.0.0.1")
      : socket_(connectTo(port, from)), reader_(socket_) {}
  HttpClient(const HttpClient&) = delete;

  HttpMessage get(const std::string& path, const std::string& headers = "", const std::string& host = "test.com");
  HttpMessage request(const std::string& method, const std::string& path, const std::string& headers,
                      const std::string& body = "", const std::string& host = "test.com");
  bool send(const std::string& bytes) { return sendAll(socket_, bytes); }
  HttpMessage receive(bool head = false) { return reader_.readResponse(head); }
  Socket& socket() { return socket_; }
  HttpReader& reader() { return reader_; }

 private:
  Socket socket_;
  HttpReader reader_;
};

/** One request on a connection of its own. */
HttpMessage httpGet(uint16_t port, const std::string& path, const std::string& headers = "",
                    const std::string& host = "test.com");

// Resources; see resources.h.

/** A connection manager; `routes` is "route_config: {...}" or "rds: {...}", `filters` come before the router. */
std::string httpConnectionManager(const std::string& routes, const std::string& extra = "", const Yamls& filters = {});
/** "route_config: {...}" of these virtual hosts; `extra` is further fields of the table. */
std::string routeConfig(const Yamls& hosts, const std::string& extra = "");
std::string virtualHost(const std::string& name, const Yamls& domains, const Yamls& routes,
                        const std::string& extra = "");
/** Prefix "/" to a cluster; `extra` is further fields of its action. */
std::string routeTo(const std::string& cluster, const std::string& extra = "");
/** `match` and `action` are the fields' own, such as "prefix: /a" and "route: {cluster: a}". */
std::string route(const std::string& match, const std::string& action, const std::string& extra = "");
/** One connection manager with one host, all of whose requests go to the cluster. */
std::string httpForward(const std::string& listener, const std::string& cluster, const std::string& extra = "");
std::string httpListener(const std::string& name, const std::string& manager, const std::string& extra = "");
/** A RouteConfiguration for RDS. */
std::string routeConfiguration(const std::string& name, const Yamls& hosts);
/** `extra` is further fields of its config source. */
std::string rdsOverAds(const std::string& name, const std::string& extra = "");
/** The extra field that has a cluster speak HTTP/2. */
std::string http2Upstream(const std::string& extra = "", const std::string& http2_options = "");

}  // namespace sluice::integration
