#include "source/admin/http_server.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <event2/http.h>
#include <event2/listener.h>

#include "source/base/assert.h"
#include "source/base/logging.h"

namespace sluice::admin {
namespace {

/** How long accepting rests when descriptors have run out. */
constexpr std::chrono::milliseconds kAcceptPause{100};

/** evhttp takes the argument of its listener's callbacks for itself, so the one for errors finds its server here. */
constinit thread_local HttpServer* serving_here = nullptr;

}  // namespace

void HttpServer::EvhttpDeleter::operator()(evhttp* server) const { evhttp_free(server); }

HttpServer::HttpServer(event::LibeventDispatcher& dispatcher, net::Socket listening, const HttpLimits& limits,
                       Handler handler)
    : dispatcher_(dispatcher),
      handler_(std::move(handler)),
      gate_(dispatcher, limits.max_connections, limits.timeout),
      accept_again_(dispatcher.createTimer([this] {
        if (bound_ != nullptr) {
          evconnlistener_enable(evhttp_bound_socket_get_listener(bound_));
        }
      })),
      server_(evhttp_new(dispatcher.base())) {
  SLUICE_CHECK(server_ != nullptr, "out of memory");
  evhttp_set_allowed_methods(server_.get(), EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                                EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
  evhttp_set_max_headers_size(server_.get(), limits.max_header_bytes);
  evhttp_set_max_body_size(server_.get(), limits.max_body_bytes);
  evhttp_set_bevcb(
      server_.get(), [](event_base*, void* gate) { return static_cast<ConnectionGate*>(gate)->makeConnection(); },
      &gate_);
  evhttp_set_gencb(server_.get(), onRequest, this);
  bound_ = evhttp_accept_socket_with_handle(server_.get(), listening.release());
  SLUICE_CHECK(bound_ != nullptr, "evhttp refuses a listening socket");
  SLUICE_CHECK(serving_here == nullptr, "one server for each thread");
  serving_here = this;
  evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(bound_),
                              [](evconnlistener*, void*) { serving_here->onAcceptError(); });
}

HttpServer::~HttpServer() {
  serving_here = nullptr;
  bound_ = nullptr;
  server_ = nullptr;
}

void HttpServer::stopAccepting() {
  if (bound_ != nullptr) {
    evhttp_del_accept_socket(server_.get(), std::exchange(bound_, nullptr));
  }
}

void HttpServer::onAcceptError() {
  const event::LibeventDispatcher::CallbackScope scope(dispatcher_);
  LOG_WARNING(admin, "cannot accept a connection to the admin address: {}", std::strerror(errno));
  if (bound_ != nullptr) {
    evconnlistener_disable(evhttp_bound_socket_get_listener(bound_));
    accept_again_->enable(kAcceptPause);
  }
}

void HttpServer::onRequest(evhttp_request* request, void* argument) {
  auto* server = static_cast<HttpServer*>(argument);
  const event::LibeventDispatcher::CallbackScope scope(server->dispatcher_);
  const uint64_t id = ++server->last_exchange_;
  auto exchange = std::make_unique<Exchange>(server->dispatcher_, server->gate_, request,
                                             [server, id] { server->exchanges_.erase(id); });
  Exchange& entered = *exchange;
  server->exchanges_.emplace(id, std::move(exchange));
  server->handler_(entered);
}

}  // namespace sluice::admin
