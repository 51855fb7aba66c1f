#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envoy/config/listener/v3/listener.pb.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"

#include "source/access_log/factory.h"
#include "source/config/canonical_key.h"
#include "source/config/data_source.h"
#include "source/listener/filter_factory.h"
#include "source/net/connection.h"
#include "source/xds/init_manager.h"
#include "source/xds/subscription.h"

// Filters, listeners and clients for the tests of this folder.

namespace sluice::test {

namespace v3 = envoy::config::listener::v3;

/**
 * A network filter that greets with its structure and answers each chunk of bytes with its live part, so that a client
 * sees which version it talks to: "A" on connect, and "one" for anything it sends.
 */
class SayConfig final : public net::NetworkFilterConfig {
 public:
  SayConfig(std::string structure, std::string live, bool terminal = true)
      : structure_(std::move(structure)),
        live_(std::move(live)),
        terminal_(terminal),
        key_(config::contentKey(structure_)) {}

  const config::ContentKey& structuralKey() const override { return key_; }
  void addTo(net::Connection& connection, net::LiveFilterConfig& live) const override {
    if (terminal_) {
      connection.addReadFilter(std::make_unique<Filter>(structure_, live));
    }
  }
  bool isTerminal() const override { return terminal_; }
  const std::string& live() const { return live_; }

 private:
  class Filter final : public net::ReadFilter {
   public:
    Filter(std::string structure, net::LiveFilterConfig& live) : structure_(std::move(structure)), live_(live) {}
    void initialize(net::ReadFilterCallbacks& callbacks) override { callbacks_ = &callbacks; }
    net::FilterStatus onNewConnection() override {
      say(structure_);
      return net::FilterStatus::Continue;
    }
    net::FilterStatus onData(net::Buffer& data, bool end_stream) override {
      if (!data.empty()) {
        data.clear();
        say(live_.as<SayConfig>().live());
      }
      if (end_stream) {
        callbacks_->connection().close(net::CloseType::FlushWrite);
      }
      return net::FilterStatus::StopIteration;
    }

   private:
    void say(const std::string& text) {
      net::Buffer buffer;
      buffer.append(text);
      callbacks_->connection().write(buffer, false);
    }
    const std::string structure_;
    net::LiveFilterConfig& live_;
    net::ReadFilterCallbacks* callbacks_ = nullptr;
  };

  const std::string structure_;
  const std::string live_;
  const bool terminal_;
  const config::ContentKey key_;
};

/** Makes SayConfigs of Structs {say, live, live_file, terminal, wait, broken}. */
class SayFactory final : public listener::NetworkFilterFactory {
 public:
  absl::string_view messageName() const override { return "google.protobuf.Struct"; }
  std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message& message,
                                                         const config::FieldPath& path,
                                                         listener::FactoryContext& context,
                                                         config::Violations& violations) const override {
    google::protobuf::Struct fields;
    fields.CopyFrom(message);
    auto text = [&fields](const char* key) {
      return fields.fields().contains(key) ? fields.fields().at(key).string_value() : "";
    };
    if (!text("broken").empty()) {
      violations.add(path.field("broken"), text("broken"));
      return nullptr;
    }
    std::optional<std::string> live = text("live");
    if (!text("live_file").empty()) {
      live = config::readFile(text("live_file"), path.field("live_file"), violations);
      if (!live.has_value()) {
        return nullptr;
      }
    }
    if (!text("wait").empty()) {
      waiting.push_back(std::make_unique<xds::InitTarget>(text("wait"), [] {}));
      context.init_manager.add(*waiting.back());
    }
    return std::make_shared<const SayConfig>(text("say"), *live, text("terminal") != "no");
  }

  /** What the listeners built so far wait for. */
  mutable std::vector<std::unique_ptr<xds::InitTarget>> waiting;
};

/** Keeps what it would have written: the name of the filter chain, or "-". From any thread. */
class CountingLoggers final : public access_log::LoggerFactory {
 public:
  class Lines {
   public:
    void add(const std::string& line) {
      const std::lock_guard<std::mutex> lock(mutex_);
      lines_.push_back(line);
    }
    std::vector<std::string> all() const {
      const std::lock_guard<std::mutex> lock(mutex_);
      return lines_;
    }

   private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
  };
  class Logger final : public access_log::AccessLogger {
   public:
    explicit Logger(std::shared_ptr<Lines> lines) : lines_(std::move(lines)) {}
    void log(const access_log::LogContext& context) const override {
      const auto& name = context.info.filter_chain_name;
      lines_->add(name == nullptr ? "-" : *name);
    }

   private:
    const std::shared_ptr<Lines> lines_;
  };

  access_log::AccessLoggers create(
      const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& configs,
      const config::FieldPath&, config::Violations&) const override {
    access_log::AccessLoggers loggers;
    for (int i = 0; i < configs.size(); ++i) {
      loggers.push_back(std::make_shared<const Logger>(lines));
    }
    return loggers;
  }

  const std::shared_ptr<Lines> lines = std::make_shared<Lines>();
};

/** The filter of a chain: says `say` on connect and `live` for what it gets. */
inline void addSay(v3::FilterChain& chain, const std::string& say, const std::string& live = "",
                   const std::string& more_key = "", const std::string& more_value = "") {
  google::protobuf::Struct fields;
  (*fields.mutable_fields())["say"].set_string_value(say);
  (*fields.mutable_fields())["live"].set_string_value(live);
  if (!more_key.empty()) {
    (*fields.mutable_fields())[more_key].set_string_value(more_value);
  }
  chain.add_filters()->mutable_typed_config()->PackFrom(fields);
}

inline v3::FilterChain& addChain(v3::Listener& listener, const std::string& name, const std::string& source,
                                 const std::string& say, const std::string& live = "") {
  v3::FilterChain& chain = *listener.add_filter_chains();
  chain.set_name(name);
  if (!source.empty()) {
    auto* range = chain.mutable_filter_chain_match()->add_source_prefix_ranges();
    range->set_address_prefix(source);
    range->mutable_prefix_len()->set_value(32);
  }
  addSay(chain, say, live);
  return chain;
}

inline v3::Listener makeListener(const std::string& name, uint32_t port = 0, const std::string& ip = "127.0.0.1") {
  v3::Listener listener;
  listener.set_name(name);
  listener.mutable_address()->mutable_socket_address()->set_address(ip);
  listener.mutable_address()->mutable_socket_address()->set_port_value(port);
  return listener;
}

inline xds::Resource toResource(const v3::Listener& listener, const std::string& version = "v") {
  xds::Resource resource;
  resource.name = listener.name();
  resource.version = version;
  resource.message = std::make_shared<v3::Listener>(listener);
  resource.key = config::contentKeyOf(listener);
  return resource;
}

/** A blocking client; what takes longer than ten seconds fails. */
class Client {
 public:
  /** From `source` (a loopback address), or from wherever. */
  explicit Client(const net::Address& to, const std::string& source = "")
      : socket_(::socket(to.kind() == net::Address::Kind::Pipe   ? AF_UNIX
                         : to.kind() == net::Address::Kind::Ipv6 ? AF_INET6
                                                                 : AF_INET,
                         SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    timeval limit{10, 0};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    sockaddr_storage storage;
    if (!source.empty()) {
      const socklen_t length = net::Address::ip(source, 0)->toSockaddr(storage);
      EXPECT_EQ(::bind(socket_.fd(), reinterpret_cast<sockaddr*>(&storage), length), 0);
    }
    const socklen_t length = to.toSockaddr(storage);
    connected_ = ::connect(socket_.fd(), reinterpret_cast<sockaddr*>(&storage), length) == 0;
  }

  bool connected() const { return connected_; }
  int fd() const { return socket_.fd(); }
  /** What one read gives; "" for the peer's end or a failure. */
  std::string read() {
    char bytes[1000];
    const ssize_t got = ::recv(socket_.fd(), bytes, sizeof(bytes), 0);
    return got <= 0 ? "" : std::string(bytes, static_cast<size_t>(got));
  }
  bool send(const std::string& bytes) {
    return ::send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  std::string ask(const std::string& bytes) { return send(bytes) ? read() : ""; }
  bool readable() const {
    pollfd wanted{socket_.fd(), POLLIN, 0};
    return ::poll(&wanted, 1, 0) > 0;
  }
  /** The peer has closed. */
  bool closed() { return readable() && read().empty(); }
  void close() { socket_.close(); }

 private:
  net::Socket socket_;
  bool connected_ = false;
};

}  // namespace sluice::test
