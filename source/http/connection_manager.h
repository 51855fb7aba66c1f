#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "source/event/deadline.h"
#include "source/event/task_list.h"
#include "source/http/cluster_directory.h"
#include "source/http/codec.h"
#include "source/http/connection_manager_settings.h"
#include "source/http/connection_manager_stats.h"
#include "source/http/route_provider.h"
#include "source/net/connection.h"
#include "source/net/filter.h"
#include "source/stats/stats.h"

namespace sluice::http {

class Stream;

/** Where a connection manager's codecs come from: it knows neither their options nor their statistics. */
class ServerCodecFactory {
 public:
  virtual ~ServerCodecFactory() = default;
  /** Http11 stands for 1.0 as well. The codec refers to this factory, which outlives it. */
  virtual std::unique_ptr<ServerCodec> create(net::Connection& connection, ServerCodecCallbacks& callbacks,
                                              Protocol protocol) const = 0;
};

/** One HttpConnectionManager of a filter chain. Made on main; immutable; shared; dies on main. */
class ConnectionManagerConfig final : public net::NetworkFilterConfig {
 public:
  /**
   * `scope` is "http.<stat_prefix>.", `listener_scope` "listener.<address>.http.<stat_prefix>.". `clusters` outlives this;
   * without it logs tell of no cluster that was not asked.
   */
  ConnectionManagerConfig(ConnectionManagerSettings settings, config::ContentKey structural_key, stats::ScopePtr scope,
                          stats::ScopePtr listener_scope, std::unique_ptr<const ServerCodecFactory> codecs,
                          std::shared_ptr<const RouteProvider> routes, const ClusterDirectory* clusters = nullptr);

  const config::ContentKey& structuralKey() const override { return structural_key_; }
  void addTo(net::Connection& connection, net::LiveFilterConfig& live) const override;
  bool isTerminal() const override { return true; }

  const ConnectionManagerSettings& settings() const { return settings_; }
  const ConnectionManagerStats& stats() const { return stats_; }
  const StatusClassStats& listenerStats() const { return listener_stats_; }
  void countStatus(uint32_t status) const;
  const ServerCodecFactory& codecs() const { return *codecs_; }
  const RouteProvider& routes() const { return *routes_; }
  /** May be null. */
  const ClusterDirectory* clusters() const { return clusters_; }

 private:
  const ConnectionManagerSettings settings_;
  const config::ContentKey structural_key_;
  const stats::ScopePtr scope_;
  const stats::ScopePtr listener_scope_;
  const ConnectionManagerStats stats_;
  const StatusClassStats status_stats_;
  const StatusClassStats listener_stats_;
  const std::unique_ptr<const ServerCodecFactory> codecs_;
  const std::shared_ptr<const RouteProvider> routes_;
  const ClusterDirectory* const clusters_;
};

/**
 * HTTP on one downstream connection: finds out the protocol, has a codec take the bytes apart and makes a Stream of each
 * request; sees to idleness, the connection's greatest age, and draining. A read filter of the connection, which owns it;
 * on its worker. Any callback may close the connection. New streams go by the newest configuration; those under way and
 * the connection's own statistics keep theirs.
 *
 *               drain decision, idle, age                  drain_timeout (HTTP/1: the answer says close)
 *   NotDraining -------------------------> Draining -----------------------------------> Closing --no streams--> closed
 *        \------------- the codec's error, or close from either side ---------------------^
 */
class ConnectionManager final : public net::ReadFilter,
                                public net::ConnectionCallbacks,
                                private ServerCodecCallbacks,
                                private event::Deadline,
                                private event::IntrusiveTask {
 public:
  explicit ConnectionManager(net::LiveFilterConfig& live);
  ~ConnectionManager() override;

  // net::ReadFilter
  void initialize(net::ReadFilterCallbacks& callbacks) override;
  net::FilterStatus onNewConnection() override;
  net::FilterStatus onData(net::Buffer& data, bool end_stream) override;

  // net::ConnectionCallbacks
  void onEvent(net::ConnectionEvent event) override;
  void onAboveWriteBufferHighWatermark() override;
  void onBelowWriteBufferLowWatermark() override;

 private:
  friend class Stream;
  enum class DrainState : uint8_t { NotDraining, Draining, Closing };

  // ServerCodecCallbacks
  RequestReceiver& onNewStream(StreamSender& sender) override;
  void onGoAway(bool no_error) override;
  void onKeepaliveTimeout() override;
  void onReadyForInput() override;

  // event::Deadline: idleness, age and draining, whichever is due first.
  void onDeadline() override;
  // event::IntrusiveTask: what the codec kept back, and a close that waits.
  void run() override;

  net::Connection& connection() { return callbacks_->connection(); }
  event::Dispatcher& dispatcher() { return callbacks_->connection().dispatcher(); }
  bool chooseProtocol(const net::Buffer& data, Protocol& protocol) const;
  void makeCodec(Protocol protocol);
  void take(net::Buffer& data);
  void onCodecError(const CodecStatus& status);
  void startDrain();
  bool drainDue();
  void close(net::CloseType type, const char* details);
  void armDeadline();
  /** No stream is left, but the codec may still have some of an answer that the client does not take. */
  bool closeWaits() const { return drain_ == DrainState::Closing && stream_count_ == 0 && codec_ && isHttp2(); }
  std::chrono::milliseconds drainTimeout() const;
  const std::shared_ptr<const net::NetworkFilterConfig>& newestConfig();

  // From streams.
  /** The stream has ended and goes with this turn. */
  void onStreamEnd(Stream& stream);
  /** Closes if nothing is left to wait for. */
  void closeIfDone();
  bool isHttp2() const { return codec_->protocol() == Protocol::Http2; }
  uint32_t streamBufferLimit(const ConnectionManagerConfig& config);

  net::LiveFilterConfig& live_;
  net::ReadFilterCallbacks* callbacks_ = nullptr;
  /** What new streams go by; its codec options are the codec's. */
  std::shared_ptr<const net::NetworkFilterConfig> config_;
  /** Those that streams under way, the codec and the connection's statistics still use. */
  std::vector<std::shared_ptr<const net::NetworkFilterConfig>> earlier_;
  const ConnectionManagerConfig* first_ = nullptr;
  std::unique_ptr<ServerCodec> codec_;
  Stream* streams_ = nullptr;
  /** Ended by the connection's own end: they go with this, since their filters' configurations do, too. */
  Stream* ended_ = nullptr;
  base::MonotonicTime idle_since_;
  base::MonotonicTime drain_ends_;
  /** What had gone out when a close that waits for the codec was last looked at. */
  uint64_t sent_at_look_ = 0;
  uint32_t stream_count_ = 0;
  /** Those that have ended count until they are deleted: their filters still refer to their configuration. */
  uint32_t undeleted_ = 0;
  uint32_t requests_ = 0;
  DrainState drain_ = DrainState::NotDraining;
  bool counted_http2_ = false;
  bool counted_tls_ = false;
  bool closed_ = false;
  bool dispatching_ = false;
  bool age_reached_ = false;
};

}  // namespace sluice::http
