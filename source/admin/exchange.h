#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

#include "source/admin/body.h"
#include "source/admin/request.h"
#include "source/base/weak_ref.h"
#include "source/event/libevent_dispatcher.h"

struct evhttp_connection;
struct evhttp_request;

namespace sluice::admin {

class ConnectionGate;

namespace content {
inline constexpr absl::string_view kText = "text/plain; charset=UTF-8";
inline constexpr absl::string_view kPlain = "text/plain";
inline constexpr absl::string_view kJson = "application/json";
inline constexpr absl::string_view kHtml = "text/html; charset=UTF-8";
}  // namespace content

/**
 * A request and its answer, which is given once, now or later: who answers later holds a ref(), as the exchange goes with
 * its client. Admin thread; owned by the HTTP server. An answer may delete the exchange.
 *
 *   Waiting --reply()--> Sending ------------------> gone
 *      |                                              ^
 *      +----stream()--> Streaming --body's end--> Sending
 *   from any of them, when the client goes: gone
 */
class Exchange : private event::IntrusiveTask {
 public:
  /** `gone` deletes the exchange. */
  Exchange(event::LibeventDispatcher& dispatcher, ConnectionGate& gate, evhttp_request* request,
           std::function<void()> gone);
  ~Exchange() override;

  const Request& request() const { return parsed_; }
  base::WeakRef<Exchange> ref() const { return anchor_.ref(); }

  void reply(int status, absl::string_view content_type, absl::string_view body);
  void stream(int status, absl::string_view content_type, std::unique_ptr<Body> body);
  /** Calls back when the answer has been handed to the kernel, or the client has gone. */
  void whenSent(std::function<void()> sent) { sent_ = std::move(sent); }

 private:
  enum class State { Waiting, Streaming, Sending };

  static void onConnectionClosed(evhttp_connection* connection, void* exchange);
  static void onCompleted(evhttp_request* request, void* exchange);
  static void onPieceTaken(evhttp_connection* connection, void* exchange);

  void run() override { pump(); }
  /** Sends pieces until the client has to take some; the rest of long work waits for the loop's next turn. */
  void pump();
  void addHeaders(absl::string_view content_type);
  void finish();
  void end();

  event::LibeventDispatcher& dispatcher_;
  ConnectionGate& gate_;
  evhttp_request* const request_;
  const std::function<void()> gone_;
  Request parsed_;
  bool head_only_ = false;
  State state_ = State::Waiting;
  std::unique_ptr<Body> body_;
  /** A piece is on its way. */
  bool sending_piece_ = false;
  bool body_ended_ = false;
  std::function<void()> sent_;
  const base::WeakAnchor<Exchange> anchor_{this};
};

}  // namespace sluice::admin
