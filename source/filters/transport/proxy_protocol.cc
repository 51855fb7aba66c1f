#include "source/filters/transport/proxy_protocol.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"

#include "source/cluster/transport_config.h"
#include "source/config/canonical_key.h"
#include "source/filters/transport/proxy_protocol_header.h"

namespace sluice::filters {
namespace {

namespace core = envoy::config::core::v3;
using Proto = envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
using net::IoResult;

/** What a ProxyProtocolConfig says. */
struct Settings {
  bool v2 = false;
  bool passes_tlvs = false;
  /** Of all types when empty. */
  std::vector<uint32_t> passed_types;
  std::vector<net::ProxyTlv> added;
};

/** The header of one connection; without a downstream connection that of one between the two ends of `fd`. */
std::string makeHeader(const Settings& settings, const net::TransportSocketOptions* options, int fd) {
  if (options != nullptr && options->downstream_remote.kind() != net::Address::Kind::None) {
    if (!settings.v2) {
      return proxyHeaderV1(options->downstream_remote, options->downstream_local);
    }
    // What is added wins over what came with the same type.
    std::vector<net::ProxyTlv> tlvs = settings.added;
    for (const net::ProxyTlv& tlv : options->proxy_tlvs) {
      const auto& types = settings.passed_types;
      const bool passes =
          settings.passes_tlvs && (types.empty() || std::find(types.begin(), types.end(), tlv.type) != types.end());
      const bool replaced = std::any_of(settings.added.begin(), settings.added.end(),
                                        [&tlv](const net::ProxyTlv& added) { return added.type == tlv.type; });
      if (passes && !replaced) {
        tlvs.push_back(tlv);
      }
    }
    return proxyHeaderV2(options->downstream_remote, options->downstream_local, tlvs);
  }
  if (settings.v2) {
    return proxyHeaderV2Local();
  }
  sockaddr_storage local{};
  sockaddr_storage remote{};
  socklen_t local_length = sizeof(local);
  socklen_t remote_length = sizeof(remote);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_length) != 0 ||
      ::getpeername(fd, reinterpret_cast<sockaddr*>(&remote), &remote_length) != 0) {
    return proxyHeaderV1({}, {});
  }
  return proxyHeaderV1(net::Address::fromSockaddr(reinterpret_cast<sockaddr*>(&local), local_length),
                       net::Address::fromSockaddr(reinterpret_cast<sockaddr*>(&remote), remote_length));
}

/**
 * Writes the header and is from then on the socket that it wraps, which begins its handshake then. One for each
 * connection, on its thread, owned by it.
 */
class ProxyProtocolSocket final : public net::TransportSocket {
 public:
  ProxyProtocolSocket(std::shared_ptr<const Settings> settings, const net::TransportSocketTarget& target,
                      std::unique_ptr<net::TransportSocket> inner)
      : settings_(std::move(settings)), options_(target.options), inner_(std::move(inner)) {}

  void setCallbacks(net::TransportSocketCallbacks& callbacks) override {
    callbacks_ = &callbacks;
    inner_->setCallbacks(callbacks);
  }
  absl::string_view protocol() const override { return inner_->protocol(); }
  absl::string_view failureReason() const override {
    return error_ != 0 ? "the PROXY protocol's header could not be sent" : inner_->failureReason();
  }
  void onConnected() override {
    header_ = makeHeader(*settings_, options_.get(), callbacks_->fd());
    if (header_.size() > kFitsAnySocket) {
      // So that it is taken whole: there is nothing yet that would have the connection wait for more room.
      const int size = static_cast<int>(header_.size());
      ::setsockopt(callbacks_->fd(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
    writeHeader();
    if (error_ != 0) {
      callbacks_->scheduleRead();
      return;
    }
    inner_->onConnected();
  }
  IoResult read(net::Buffer& buffer, uint64_t budget, bool until_eof) override {
    return error_ != 0 ? failed() : inner_->read(buffer, budget, until_eof);
  }
  IoResult write(net::Buffer& buffer, bool end_stream) override {
    return error_ != 0 ? failed() : inner_->write(buffer, end_stream);
  }
  void onClose(net::ConnectionEvent event) override { inner_->onClose(event); }
  bool canFlush() const override { return inner_->canFlush(); }
  std::shared_ptr<const net::TlsInfo> tlsInfo() const override { return inner_->tlsInfo(); }
  bool isRaw() const override { return inner_->isRaw(); }

 private:
  static constexpr size_t kFitsAnySocket = 4096;

  IoResult failed() const {
    IoResult result;
    result.close = true;
    result.error = error_;
    return result;
  }
  void writeHeader() {
    while (!header_.empty() && error_ == 0) {
      const ssize_t sent = ::send(callbacks_->fd(), header_.data(), header_.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        header_.erase(0, static_cast<size_t>(sent));
      } else if (errno != EINTR) {
        error_ = errno;
      }
    }
    header_ = std::string();
  }

  const std::shared_ptr<const Settings> settings_;
  const std::shared_ptr<const net::TransportSocketOptions> options_;
  const std::unique_ptr<net::TransportSocket> inner_;
  net::TransportSocketCallbacks* callbacks_ = nullptr;
  std::string header_;
  /** An errno: the header could not be sent. */
  int error_ = 0;
};

class ProxyProtocolTransport final : public net::TransportSocketFactory {
 public:
  ProxyProtocolTransport(Settings settings, absl::string_view canonical,
                         std::shared_ptr<const net::TransportSocketFactory> inner)
      : settings_(std::make_shared<const Settings>(std::move(settings))),
        inner_(std::move(inner)),
        key_(config::contentKey(absl::StrCat(canonical, inner_->structuralKey().hex()))) {}

  std::unique_ptr<net::TransportSocket> create(const net::TransportSocketTarget& target) const override {
    return std::make_unique<ProxyProtocolSocket>(settings_, target, inner_->create(target));
  }
  bool readsOptions() const override { return inner_->readsOptions(); }
  bool readsAddresses() const override { return true; }
  bool isTls() const override { return inner_->isTls(); }
  const config::ContentKey& structuralKey() const override { return key_; }

 private:
  const std::shared_ptr<const Settings> settings_;
  const std::shared_ptr<const net::TransportSocketFactory> inner_;
  const config::ContentKey key_;
};

class ProxyProtocolFactory final : public cluster::UpstreamTransportSocketFactory {
 public:
  ProxyProtocolFactory(event::Dispatcher& main, const cluster::UpstreamTransportSocketFactories& all)
      : main_(main), all_(all) {}

  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const net::TransportSocketFactory> create(const google::protobuf::Message& message,
                                                            const config::FieldPath& path,
                                                            cluster::TransportContext& context,
                                                            config::Violations& violations) const override {
    // What unpacked it may have made it of a type of its own.
    Proto proto;
    proto.ParsePartialFromString(message.SerializePartialAsString());
    Settings settings = readSettings(proto.config(), path.field("config"), violations);
    const config::FieldPath at = path.field("transport_socket");
    if (!proto.has_transport_socket()) {
      violations.add(at, "is required");
      return nullptr;
    }
    const size_t before = violations.size();
    const cluster::TransportPart part = cluster::readTransport(&proto.transport_socket(), at, violations);
    if (violations.size() != before) {
      return nullptr;
    }
    auto inner = cluster::makeTransport(part, all_, context, violations);
    if (inner == nullptr) {
      return nullptr;
    }
    return event::ownedBy<const net::TransportSocketFactory>(
        main_, std::make_unique<ProxyProtocolTransport>(
                   std::move(settings), absl::StrCat("proxy_protocol\n", config::canonicalBytes(proto.config())),
                   std::move(inner)));
  }

 private:
  static Settings readSettings(const core::ProxyProtocolConfig& proto, const config::FieldPath& path,
                               config::Violations& violations) {
    Settings settings;
    settings.v2 = proto.version() == core::ProxyProtocolConfig::V2;
    if (proto.has_pass_through_tlvs()) {
      settings.passes_tlvs = true;
      const core::ProxyProtocolPassThroughTLVs& passed = proto.pass_through_tlvs();
      if (passed.match_type() == core::ProxyProtocolPassThroughTLVs::INCLUDE) {
        settings.passed_types.assign(passed.tlv_type().begin(), passed.tlv_type().end());
        // None of them is none, and not all.
        settings.passes_tlvs = !settings.passed_types.empty();
      }
    }
    for (int i = 0; i < proto.added_tlvs_size(); ++i) {
      const core::TlvEntry& tlv = proto.added_tlvs(i);
      const config::FieldPath at = path.field("added_tlvs").index(static_cast<size_t>(i));
      if (tlv.type() > 255) {
        violations.add(at.field("type"), absl::StrCat(tlv.type(), " is above 255"));
      }
      settings.added.push_back({static_cast<uint8_t>(tlv.type()), tlv.value()});
    }
    if (!settings.v2 && (settings.passes_tlvs || !settings.added.empty())) {
      violations.add(path.field("version"), "must be V2 for TLVs to be sent");
    }
    return settings;
  }

  event::Dispatcher& main_;
  const cluster::UpstreamTransportSocketFactories& all_;
};

}  // namespace

std::unique_ptr<cluster::UpstreamTransportSocketFactory> upstreamProxyProtocolFactory(
    event::Dispatcher& main, const cluster::UpstreamTransportSocketFactories& all) {
  return std::make_unique<ProxyProtocolFactory>(main, all);
}

}  // namespace sluice::filters
