#include "source/admin/admin_server.h"

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/admin/http_server.h"
#include "source/admin/main_caller.h"
#include "source/admin/pages.h"
#include "source/base/logging.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/event/libevent_dispatcher.h"
#include "source/net/config.h"
#include "source/net/socket.h"
#include "source/thread/named_thread.h"

namespace sluice::admin {
namespace {

constexpr int kBacklog = 128;
/** How long the end waits for answers that were given but not sent yet, and how often it looks. */
constexpr std::chrono::milliseconds kFlushTime{250};
constexpr std::chrono::milliseconds kFlushInterval{5};
constexpr absl::string_view kThreadName = "admin";

}  // namespace

/** The admin thread, what it uses, and what of that is main's. */
class AdminServer::Thread {
 public:
  Thread(AdminOptions options, net::Socket socket, net::Address address)
      : options_(std::move(options)),
        address_(std::move(address)),
        dispatcher_(std::string(kThreadName)),
        main_caller_(options_.main, dispatcher_),
        socket_(std::move(socket)),
        pages_(main_caller_, options_.clock, options_.store, options_.facts, options_.views, options_.actions) {}

  ~Thread() {
    if (!thread_.joinable()) {
      return;
    }
    dispatcher_.post([this] { beginEnd(); });
    thread_.join();
    if (options_.guard_dog != nullptr) {
      options_.guard_dog->unwatch(dispatcher_);
    }
  }

  void start() {
    if (options_.guard_dog != nullptr) {
      options_.guard_dog->watch(dispatcher_, kThreadName, {});
    }
    dispatcher_.post([this] {
      server_.emplace(dispatcher_, std::move(socket_), options_.limits,
                      [this](Exchange& exchange) { pages_.answer(exchange); });
    });
    thread_ = thread::startThread(std::string(kThreadName), [this] { run(); });
  }

  const net::Address& address() const { return address_; }

 private:
  void run() {
    dispatcher_.run(event::Dispatcher::RunType::UntilExit);
    flush_timer_ = nullptr;
    server_.reset();
    // libevent frees connections in a turn of their own.
    dispatcher_.run(event::Dispatcher::RunType::NonBlock);
  }

  void beginEnd() {
    server_->stopAccepting();
    end_ = dispatcher_.now() + kFlushTime;
    flush_timer_ = dispatcher_.createTimer([this] { endWhenSent(); });
    endWhenSent();
  }

  void endWhenSent() {
    if (server_->sentAll() || dispatcher_.now() >= end_) {
      dispatcher_.exit();
    } else {
      flush_timer_->enable(kFlushInterval);
    }
  }

  // Set on main, read by both.
  const AdminOptions options_;
  const net::Address address_;
  event::LibeventDispatcher dispatcher_;
  MainCaller main_caller_;

  // The admin thread's.
  net::Socket socket_;
  Pages pages_;
  std::optional<HttpServer> server_;
  std::unique_ptr<event::Timer> flush_timer_;
  base::MonotonicTime end_;

  // Main's.
  std::thread thread_;
};

AdminServer::AdminServer(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}
AdminServer::~AdminServer() = default;

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::create(AdminOptions options) {
  config::Violations violations;
  const config::FieldPath path = config::FieldPath().field("admin").field("address");
  std::optional<net::ListenSocketOptions> listen =
      net::toListenSocketOptions(options.facts.bootstrap.admin().address(), path, violations);
  if (!listen.has_value()) {
    return absl::InvalidArgumentError(violations.toString());
  }
  // Two servers on one admin address would answer by turns.
  listen->reuse_port = false;
  absl::StatusOr<net::Socket> socket = net::bindListenSocket(*listen);
  if (!socket.ok()) {
    return absl::Status(socket.status().code(), absl::StrCat("admin address: ", socket.status().message()));
  }
  if (const absl::Status status = net::startListening(*socket, *listen, kBacklog); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat("admin address: ", status.message()));
  }
  absl::StatusOr<net::Address> address = net::localAddress(*socket);
  if (!address.ok()) {
    return address.status();
  }
  LOG_INFO(admin, "admin address: {}", address->toString());
  return std::unique_ptr<AdminServer>(
      new AdminServer(std::make_unique<Thread>(std::move(options), *std::move(socket), *std::move(address))));
}

void AdminServer::start() { thread_->start(); }
const net::Address& AdminServer::localAddress() const { return thread_->address(); }

}  // namespace sluice::admin
