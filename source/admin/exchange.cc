#include "source/admin/exchange.h"

#include <utility>

#include "absl/strings/match.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "source/admin/connection_gate.h"
#include "source/base/assert.h"

// evhttp frees a request when its answer is complete or, if all of the answer has been given, with its connection. When
// the connection fails earlier, evhttp takes the request off it and leaves it to us: evhttp_send_reply_end() then only
// frees it.

namespace sluice::admin {
namespace {

const char* reasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "";
  }
}

const char* methodOf(evhttp_request* request) {
  switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
      return "GET";
    case EVHTTP_REQ_POST:
      return "POST";
    case EVHTTP_REQ_HEAD:
      return "HEAD";
    case EVHTTP_REQ_PUT:
      return "PUT";
    case EVHTTP_REQ_DELETE:
      return "DELETE";
    case EVHTTP_REQ_OPTIONS:
      return "OPTIONS";
    case EVHTTP_REQ_PATCH:
      return "PATCH";
    default:
      return "";
  }
}

Request parse(evhttp_request* request) {
  Request parsed;
  parsed.method = methodOf(request);
  parsed.post = evhttp_request_get_command(request) == EVHTTP_REQ_POST;
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* path = uri == nullptr ? nullptr : evhttp_uri_get_path(uri);
  parsed.path = path == nullptr || *path == '\0' ? "/" : path;
  const char* query = uri == nullptr ? nullptr : evhttp_uri_get_query(uri);
  if (query != nullptr) {
    parsed.parameters = parseQuery(query);
  }
  const char* type = evhttp_find_header(evhttp_request_get_input_headers(request), "Content-Type");
  if (parsed.post && query == nullptr && type != nullptr &&
      absl::StartsWithIgnoreCase(type, "application/x-www-form-urlencoded")) {
    evbuffer* body = evhttp_request_get_input_buffer(request);
    const size_t size = evbuffer_get_length(body);
    const unsigned char* bytes = evbuffer_pullup(body, -1);
    if (bytes != nullptr) {
      parsed.parameters = parseForm(absl::string_view(reinterpret_cast<const char*>(bytes), size));
    }
  }
  return parsed;
}

struct BufferDeleter {
  void operator()(evbuffer* buffer) const { evbuffer_free(buffer); }
};
using Buffer = std::unique_ptr<evbuffer, BufferDeleter>;

Buffer toBuffer(absl::string_view bytes) {
  Buffer buffer(evbuffer_new());
  SLUICE_CHECK(buffer != nullptr && evbuffer_add(buffer.get(), bytes.data(), bytes.size()) == 0, "out of memory");
  return buffer;
}

}  // namespace

Exchange::Exchange(event::LibeventDispatcher& dispatcher, ConnectionGate& gate, evhttp_request* request,
                   std::function<void()> gone)
    : dispatcher_(dispatcher),
      gate_(gate),
      request_(request),
      gone_(std::move(gone)),
      parsed_(parse(request)),
      head_only_(evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
  evhttp_connection* connection = evhttp_request_get_connection(request_);
  evhttp_connection_set_closecb(connection, onConnectionClosed, this);
  evhttp_request_set_on_complete_cb(request_, onCompleted, this);
  gate_.requestBegan(evhttp_connection_get_bufferevent(connection));
}

Exchange::~Exchange() = default;

void Exchange::addHeaders(absl::string_view content_type) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request_);
  evhttp_add_header(headers, "content-type", std::string(content_type).c_str());
  evhttp_add_header(headers, "cache-control", "no-cache, max-age=0");
  evhttp_add_header(headers, "x-content-type-options", "nosniff");
  evhttp_add_header(headers, "server", "envoy");
}

void Exchange::reply(int status, absl::string_view content_type, absl::string_view body) {
  SLUICE_CHECK(state_ == State::Waiting, parsed_.path);
  state_ = State::Sending;
  addHeaders(content_type);
  const Buffer buffer = toBuffer(body);
  if (head_only_) {
    evhttp_add_header(evhttp_request_get_output_headers(request_), "content-length",
                      std::to_string(body.size()).c_str());
    evbuffer_drain(buffer.get(), body.size());
  }
  evhttp_send_reply(request_, status, reasonOf(status), buffer.get());
}

void Exchange::stream(int status, absl::string_view content_type, std::unique_ptr<Body> body) {
  SLUICE_CHECK(state_ == State::Waiting, parsed_.path);
  state_ = State::Streaming;
  addHeaders(content_type);
  body_ = std::move(body);
  evhttp_send_reply_start(request_, status, reasonOf(status));
  if (head_only_) {
    finish();
    return;
  }
  body_->onWake([this] { dispatcher_.runNextTurn(*this); });
  dispatcher_.runNextTurn(*this);
}

void Exchange::pump() {
  if (state_ != State::Streaming || sending_piece_) {
    return;
  }
  if (body_ended_) {
    finish();
    return;
  }
  std::string piece;
  const Body::Next next = body_->next(piece);
  body_ended_ = next == Body::Next::End;
  if (!piece.empty()) {
    sending_piece_ = true;
    // Its callback comes when the piece has left evhttp's buffer, so a slow client holds up its own answer alone.
    evhttp_send_reply_chunk_with_cb(request_, toBuffer(piece).get(), onPieceTaken, this);
    bufferevent* connection = evhttp_connection_get_bufferevent(evhttp_request_get_connection(request_));
    if (evbuffer_get_length(bufferevent_get_output(connection)) == 0) {
      // The socket's buffer took it at once, before evhttp knew of the callback.
      sending_piece_ = false;
      dispatcher_.runNextTurn(*this);
    }
  } else if (next != Body::Next::Later) {
    dispatcher_.runNextTurn(*this);
  }
}

void Exchange::onPieceTaken(evhttp_connection*, void* argument) {
  auto* exchange = static_cast<Exchange*>(argument);
  const event::LibeventDispatcher::CallbackScope scope(exchange->dispatcher_);
  exchange->sending_piece_ = false;
  exchange->dispatcher_.runNextTurn(*exchange);
}

void Exchange::finish() {
  state_ = State::Sending;
  body_ = nullptr;
  unlink();
  evhttp_send_reply_end(request_);
}

void Exchange::onCompleted(evhttp_request* request, void* argument) {
  auto* exchange = static_cast<Exchange*>(argument);
  const event::LibeventDispatcher::CallbackScope scope(exchange->dispatcher_);
  evhttp_connection* connection = evhttp_request_get_connection(request);
  evhttp_connection_set_closecb(connection, nullptr, nullptr);
  exchange->gate_.requestEnded(evhttp_connection_get_bufferevent(connection));
  exchange->end();
}

void Exchange::onConnectionClosed(evhttp_connection*, void* argument) {
  auto* exchange = static_cast<Exchange*>(argument);
  const event::LibeventDispatcher::CallbackScope scope(exchange->dispatcher_);
  evhttp_request* request = exchange->request_;
  evhttp_request_set_on_complete_cb(request, nullptr, nullptr);
  exchange->end();
  if (evhttp_request_get_connection(request) == nullptr) {
    evhttp_send_reply_end(request);
  }
}

void Exchange::end() {
  if (sent_) {
    std::exchange(sent_, nullptr)();
  }
  const std::function<void()> gone = gone_;
  gone();
}

}  // namespace sluice::admin
