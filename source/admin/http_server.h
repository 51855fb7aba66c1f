#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/container/flat_hash_map.h"

#include "source/admin/connection_gate.h"
#include "source/admin/exchange.h"
#include "source/event/libevent_dispatcher.h"
#include "source/net/socket.h"

struct evhttp;
struct evhttp_bound_socket;
struct evhttp_request;

namespace sluice::admin {

/** What keeps clients from costing much; tests make it small. */
struct HttpLimits {
  /** One more closes the connection that has been idle longest; if none is idle, the new one. */
  uint32_t max_connections = 128;
  uint32_t max_header_bytes = 64 * 1024;
  uint32_t max_body_bytes = 1024 * 1024;
  /** From the connection, or the answer before, to the end of a request; and for a client that takes nothing. */
  std::chrono::milliseconds timeout{60000};
};

/** Serves HTTP/1.1 over evhttp on a dispatcher's thread, on which it is made, used and destroyed. */
class HttpServer {
 public:
  /** Called for each request; it answers the exchange now or later. */
  using Handler = std::function<void(Exchange&)>;

  /** `listening` is a socket that listens already. */
  HttpServer(event::LibeventDispatcher& dispatcher, net::Socket listening, const HttpLimits& limits, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  void stopAccepting();
  /** Nothing of an answer is left to be sent, but of those that are streamed or not answered yet. */
  bool sentAll() const { return gate_.unsentBytes() == 0; }

 private:
  struct EvhttpDeleter {
    void operator()(evhttp* server) const;
  };

  static void onRequest(evhttp_request* request, void* server);
  void onAcceptError();

  event::LibeventDispatcher& dispatcher_;
  const Handler handler_;
  ConnectionGate gate_;
  std::unique_ptr<event::Timer> accept_again_;
  evhttp_bound_socket* bound_ = nullptr;
  uint64_t last_exchange_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Exchange>> exchanges_;
  /** First to go: it calls the exchanges back. */
  std::unique_ptr<evhttp, EvhttpDeleter> server_;
};

}  // namespace sluice::admin
