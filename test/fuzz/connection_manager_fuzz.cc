// A connection manager with its codecs and a chain of filters, all of them real but the filters, and a client that does
// what it likes: whatever comes, each filter hears its messages in order and is destroyed once, each stream is logged
// once, and nothing is left behind or counted as active when the connection has gone.
//
// The input: 6 bytes of settings, the lengths of two scripts (a byte each), what the client and time do, what filters do,
// and then the client's bytes.

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"

#include "source/http/connection_manager.h"
#include "source/http/http1_codec.h"
#include "source/http/http2_codec.h"
#include "source/http/route_table.h"
#include "source/net/drain.h"
#include "source/stats/cell_registry.h"
#include "source/stats/store.h"
#include "test/fuzz/script_filters.h"
#include "test/support/fake_dispatcher.h"
#include "test/support/loopback_transport.h"
#include "test/support/sockets.h"

namespace sluice::fuzz {
namespace {

using std::chrono::milliseconds;

class NoRoutes final : public http::RouteProvider {
 public:
  http::RouteTablePin table() const override { return {}; }
};

class Codecs final : public http::ServerCodecFactory {
 public:
  std::unique_ptr<http::ServerCodec> create(net::Connection& connection, http::ServerCodecCallbacks& callbacks,
                                            http::Protocol protocol) const override {
    if (protocol == http::Protocol::Http2) {
      return std::make_unique<http::Http2ServerCodec>(connection, callbacks, http2, http2_stats);
    }
    return std::make_unique<http::Http1ServerCodec>(connection, callbacks, http1, http1_stats);
  }
  http::Http1Settings http1;
  http::Http2Settings http2;
  http::Http1Stats http1_stats;
  http::Http2Stats http2_stats;
};

class CountingLogger final : public access_log::AccessLogger {
 public:
  explicit CountingLogger(int& ends) : ends_(ends) {}
  void log(const access_log::LogContext& context) const override {
    SLUICE_CHECK(context.http != nullptr, "a stream's log has no stream");
    ends_ += context.type == access_log::LogType::DownstreamEnd ? 1 : 0;
  }

 private:
  int& ends_;
};

/** Of all runs: making them anew would take longer than most of one. */
struct Statistics {
  static Statistics& get() {
    static auto* const all = new Statistics();
    return *all;
  }
  stats::Store store;
  const stats::ScopePtr http = store.root()->createScope("http");
  const stats::ScopePtr listener = store.root()->createScope("listener");
};

class Run : private net::ConnectionCallbacks {
 public:
  static constexpr size_t kHead = 8;

  Run(absl::string_view head, absl::string_view filters) : head_(head), stage_(filters) {}
  void run(absl::string_view script, absl::string_view wire);

 private:
  uint8_t setting(size_t at) const { return static_cast<uint8_t>(head_[at]); }
  bool bit(size_t at, int which) const { return (setting(at) >> which & 1) != 0; }
  std::shared_ptr<const http::ConnectionManagerConfig> config();
  http::ConnectionManagerSettings settings();
  void connect();
  void step(uint8_t what, absl::string_view& wire);
  void deliver(absl::string_view& wire, size_t count);
  void act(size_t which);
  void end();
  uint64_t counter(absl::string_view name) {
    return stats::CellRegistry::get().read(stats_.http->counter(name).cell()).value;
  }
  uint64_t gauge(absl::string_view name) {
    return stats::CellRegistry::get().read(stats_.http->gauge(name).cell()).value;
  }
  void onEvent(net::ConnectionEvent event) override { closed_ = closed_ || event != net::ConnectionEvent::Connected; }

  const absl::string_view head_;
  Statistics& stats_ = Statistics::get();
  const uint64_t requests_before_ = counter("downstream_rq_total");
  test::FakeDispatcher dispatcher_;
  const std::shared_ptr<test::Loopback> wire_ = std::make_shared<test::Loopback>();
  Stage stage_;
  int logged_ = 0;
  int fd_ = -1;
  bool closed_ = false;
  net::Socket peer_;
  std::unique_ptr<net::LiveFilterConfig> live_;
  std::unique_ptr<net::Connection> connection_;
};

http::ConnectionManagerSettings Run::settings() {
  http::ConnectionManagerSettings out;
  out.stat_prefix = "fuzz";
  out.codec = static_cast<http::CodecType>(setting(0) % 3);
  out.accept_http_10 = bit(1, 0);
  out.default_host_for_http_10 = bit(1, 1) ? "host" : "";
  out.proxy_100_continue = bit(1, 2);
  out.stream_error_on_invalid_message = bit(1, 3);
  out.request.use_remote_address = bit(1, 4);
  out.request.normalize_path = out.request.merge_slashes = bit(1, 5);
  out.request.strip_port = static_cast<http::StripPort>(setting(1) >> 6 & 1);
  out.request.escaped_slashes = static_cast<http::EscapedSlashes>(setting(2) & 3);
  if (bit(2, 2)) {
    out.request_timeout = milliseconds(50);
    out.request_headers_timeout = milliseconds(20);
  }
  if (bit(2, 3)) {
    out.stream_idle_timeout = milliseconds(100);
  }
  if (bit(2, 4)) {
    out.max_stream_duration = milliseconds(300);
  }
  if (bit(2, 5)) {
    out.idle_timeout = milliseconds(1000);
  }
  if (bit(2, 6)) {
    out.max_connection_duration = milliseconds(2000);
    out.http1_safe_max_connection_duration = bit(2, 7);
  }
  out.drain_timeout = milliseconds(500);
  out.max_requests_per_connection = setting(3) & 3;
  out.http2_stream_buffer_limit = bit(3, 2) ? 16 : 65535;
  out.log_on_new_request = bit(3, 3);
  if (bit(3, 4)) {
    out.log_interval = milliseconds(200);
  }
  if (bit(3, 5)) {
    out.upgrades.push_back({"websocket", true, std::nullopt});
    out.upgrades.push_back({"connect", true, std::nullopt});
  }
  for (int i = setting(3) >> 6; i > 0; --i) {
    out.filters.push_back({absl::StrCat("script", i), std::make_shared<ScriptFilterConfig>(stage_), false});
  }
  out.filters.push_back({"upstream", std::make_shared<ScriptUpstreamConfig>(stage_), false});
  out.access_logs.push_back(std::make_shared<CountingLogger>(logged_));
  return out;
}

std::shared_ptr<const http::ConnectionManagerConfig> Run::config() {
  auto codecs = std::make_unique<Codecs>();
  codecs->http1.accept_http_10 = bit(1, 0);
  codecs->http1.stream_error_on_invalid_http_message = bit(1, 3);
  codecs->http1.enable_trailers = bit(4, 0);
  codecs->http1.allow_chunked_length = bit(4, 1);
  codecs->http2.allow_connect = bit(4, 2);
  codecs->http2.stream_error_on_invalid_http_message = bit(1, 3);
  if (bit(4, 3)) {
    codecs->http2.initial_stream_window = 65535;
    codecs->http2.initial_connection_window = 65535;
  }
  if (bit(4, 4)) {
    codecs->http2.keepalive_interval = milliseconds(400);
    codecs->http2.keepalive_timeout = milliseconds(100);
  }
  codecs->http2.max_concurrent_streams = bit(4, 5) ? 2 : 100;
  return std::make_shared<const http::ConnectionManagerConfig>(settings(), config::contentKey("x"), stats_.http,
                                                               stats_.listener, std::move(codecs),
                                                               std::make_shared<NoRoutes>());
}

void Run::connect() {
  auto [ours, theirs] = test::unixPair();
  fd_ = ours.fd();
  peer_ = std::move(theirs);
  net::StreamInfo info;
  info.start_monotonic = dispatcher_.now();
  connection_ = net::Connection::server(dispatcher_, std::move(ours), std::make_unique<test::LoopbackTransport>(wire_),
                                        std::move(info));
  connection_->setBufferLimit(bit(5, 0) ? 64 : 65536);
  connection_->addCallbacks(*this);
  live_ = std::make_unique<net::LiveFilterConfig>(config());
  live_->shared()->addTo(*connection_, *live_);
  dispatcher_.callback([this] { connection_->initializeReadFilters(); });
  dispatcher_.runUntilIdle();
}

void Run::deliver(absl::string_view& wire, size_t count) {
  const absl::string_view part = wire.substr(0, count);
  wire.remove_prefix(part.size());
  absl::StrAppend(&wire_->incoming, part);
  dispatcher_.fire(fd_, event::ready::kRead);
}

void Run::act(size_t which) {
  if (!stage_.actors.empty()) {
    Actor* const actor = stage_.actors[which % stage_.actors.size()];
    dispatcher_.callback([actor] { actor->act(); });
  }
}

void Run::step(uint8_t what, absl::string_view& wire) {
  const uint8_t size = what >> 4;
  switch (what & 15) {
    case 0:
    case 1:
      deliver(wire, size == 15 ? wire.size() : size_t{1} << size);
      break;
    case 2:
      deliver(wire, size);
      break;
    case 3:
      dispatcher_.advance(milliseconds(1 << size));
      break;
    case 4:
      wire_->takes = size * 16;
      break;
    case 5:
      wire_->takes = std::numeric_limits<uint64_t>::max();
      dispatcher_.fire(fd_, event::ready::kWrite);
      break;
    case 6:
      wire_->incoming_end = true;
      dispatcher_.fire(fd_, size % 2 == 0 ? event::ready::kRead | event::ready::kClosed : event::ready::kRead);
      break;
    case 7:
      (size % 2 == 0 ? wire_->read_error : wire_->write_error) = ECONNRESET;
      dispatcher_.fire(fd_, event::ready::kRead);
      break;
    case 8:
      live_->replace(config());
      break;
    case 9:
      live_->setDraining(dispatcher_.now());
      break;
    case 10:
      dispatcher_.callback([this] { connection_->close(net::CloseType::FlushWriteAndDelay, "fuzz"); });
      break;
    case 11:
      // Several things within one turn, before anything is flushed or deleted.
      dispatcher_.callback([&] {
        act(size);
        act(size + 1u);
      });
      break;
    default:
      act(size);
      break;
  }
  // What is left for later comes before the next step, or does not.
  if ((what & 15) != 2) {
    dispatcher_.runUntilIdle();
  }
}

void Run::end() {
  if (!closed_) {
    dispatcher_.callback([this] { connection_->close(net::CloseType::NoFlush, "end"); });
  }
  SLUICE_CHECK(closed_, "a connection stays open when it is closed at once");
  dispatcher_.runUntilIdle();
  connection_.reset();
  dispatcher_.runUntilIdle();
  SLUICE_CHECK(stage_.actors.empty(), "filters are left when their connection has gone");
  SLUICE_CHECK(gauge("downstream_rq_active") == 0, "requests count as active when their connection has gone");
  SLUICE_CHECK(gauge("downstream_cx_active") == 0, "a connection counts as active when it has gone");
  SLUICE_CHECK(gauge("downstream_cx_upgrades_active") == 0, "an upgrade counts as active when its connection has gone");
  SLUICE_CHECK(counter("downstream_rq_total") - requests_before_ == static_cast<uint64_t>(logged_),
               "each stream is logged once, those that a redirect begins included");
}

void Run::run(absl::string_view script, absl::string_view wire) {
  connect();
  for (const char what : script) {
    if (closed_) {
      break;
    }
    step(static_cast<uint8_t>(what), wire);
  }
  if (!closed_) {
    deliver(wire, wire.size());
    dispatcher_.runUntilIdle();
  }
  dispatcher_.advance(milliseconds(100));
  for (size_t i = 0; i < 8; ++i) {
    act(i);
    dispatcher_.runUntilIdle();
  }
  end();
}

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sluice::fuzz::Run;
  // By chance otherwise.
  sluice::net::DrainRules::get().gradual = false;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  if (size < Run::kHead) {
    return 0;
  }
  absl::string_view rest = input.substr(Run::kHead);
  const absl::string_view script = rest.substr(0, data[6]);
  rest.remove_prefix(script.size());
  const absl::string_view filters = rest.substr(0, data[7]);
  rest.remove_prefix(filters.size());
  Run(input.substr(0, Run::kHead), filters).run(script, rest);
  return 0;
}
