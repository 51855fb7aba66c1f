#include "source/filters/transport/start_tls.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/transport_sockets/starttls/v3/starttls.pb.h"

#include "source/config/canonical_key.h"
#include "source/filters/transport/tls.h"
#include "source/net/raw_transport_socket.h"

namespace sluice::filters {
namespace {

namespace proto = envoy::extensions::transport_sockets::starttls::v3;
using net::IoResult;
using FactoryPtr = std::shared_ptr<const net::TransportSocketFactory>;

/**
 * Bytes as they are, then TLS. One for each connection, on its thread, owned by it.
 *
 *   Clear --startSecureTransport()--> Switching --what was written before is sent--> Secure
 *
 * While switching nothing is read: what comes may already be the peer's handshake.
 */
class StartTlsSocket final : public net::TransportSocket {
 public:
  StartTlsSocket(FactoryPtr tls, const net::TransportSocketTarget& target)
      : tls_(std::move(tls)), options_(target.options), hostname_(target.hostname) {}

  void setCallbacks(net::TransportSocketCallbacks& callbacks) override {
    callbacks_ = &callbacks;
    clear_.setCallbacks(callbacks);
  }
  absl::string_view protocol() const override { return state_ == State::Secure ? secure_->protocol() : ""; }
  absl::string_view failureReason() const override { return state_ == State::Secure ? secure_->failureReason() : ""; }
  void onConnected() override { clear_.onConnected(); }
  IoResult read(net::Buffer& buffer, uint64_t budget, bool until_eof) override {
    switch (state_) {
      case State::Clear:
        return clear_.read(buffer, budget, until_eof);
      case State::Switching:
        return {};
      case State::Secure:
        return secure_->read(buffer, budget, until_eof);
    }
    return {};
  }
  IoResult write(net::Buffer& buffer, bool end_stream) override {
    if (state_ == State::Clear) {
      return clear_.write(buffer, end_stream);
    }
    IoResult before;
    if (state_ == State::Switching) {
      before = clear_.write(unsent_, false);
      if (before.close || !unsent_.empty()) {
        return before;
      }
      callbacks_->setHoldsUnsent(false);
      beginTls();
    }
    IoResult result = secure_->write(buffer, end_stream);
    result.bytes += before.bytes;
    return result;
  }
  void onClose(net::ConnectionEvent event) override {
    unsent_.clear();
    if (state_ == State::Secure) {
      secure_->onClose(event);
    }
  }
  bool canFlush() const override { return state_ == State::Clear || (state_ == State::Secure && secure_->canFlush()); }
  std::shared_ptr<const net::TlsInfo> tlsInfo() const override {
    return state_ == State::Secure ? secure_->tlsInfo() : nullptr;
  }
  /** Not even in the clear: what is inside the kernel could not be told from what is ciphered. */
  bool isRaw() const override { return false; }
  bool startSecureTransport(net::Buffer& unsent) override {
    if (state_ != State::Clear) {
      return true;
    }
    if (unsent.empty()) {
      beginTls();
      return true;
    }
    state_ = State::Switching;
    unsent_.move(unsent);
    callbacks_->setHoldsUnsent(true);
    callbacks_->scheduleWrite();
    return true;
  }

 private:
  enum class State : uint8_t { Clear, Switching, Secure };

  void beginTls() {
    state_ = State::Secure;
    // Only now, as most of what TLS costs is its state.
    secure_ = tls_->create({options_, hostname_});
    secure_->setCallbacks(*callbacks_);
    secure_->onConnected();
    // The peer's first bytes may have come while nothing was read.
    callbacks_->scheduleRead();
  }

  const FactoryPtr tls_;
  const std::shared_ptr<const net::TransportSocketOptions> options_;
  const std::string hostname_;
  net::TransportSocketCallbacks* callbacks_ = nullptr;
  State state_ = State::Clear;
  net::RawTransportSocket clear_;
  /** What was written in the clear and is not sent yet. */
  net::Buffer unsent_;
  std::unique_ptr<net::TransportSocket> secure_;
};

class StartTlsTransport final : public net::TransportSocketFactory {
 public:
  explicit StartTlsTransport(FactoryPtr tls)
      : tls_(std::move(tls)), key_(config::contentKey(absl::StrCat("starttls\n", tls_->structuralKey().hex()))) {}

  std::unique_ptr<net::TransportSocket> create(const net::TransportSocketTarget& target) const override {
    return std::make_unique<StartTlsSocket>(tls_, target);
  }
  bool readsOptions() const override { return tls_->readsOptions(); }
  /** Nothing is to be had of TLS before somebody asks for it. */
  bool isTls() const override { return false; }
  const config::ContentKey& structuralKey() const override { return key_; }

 private:
  const FactoryPtr tls_;
  const config::ContentKey key_;
};

/** `Message` has the inner socket's configuration in its tls_socket_config; the clear one has no settings. */
template <class Interface, class Message, class Context>
class StartTlsFactory final : public Interface {
 public:
  StartTlsFactory(event::Dispatcher& main, std::unique_ptr<Interface> tls) : main_(main), tls_(std::move(tls)) {}

  absl::string_view messageName() const override { return Message::descriptor()->full_name(); }
  FactoryPtr create(const google::protobuf::Message& generic, const config::FieldPath& path, Context& context,
                    config::Violations& violations) const override {
    // What unpacked it may have made it of a type of its own.
    Message message;
    message.ParsePartialFromString(generic.SerializePartialAsString());
    FactoryPtr tls = tls_->create(message.tls_socket_config(), path.field("tls_socket_config"), context, violations);
    if (tls == nullptr) {
      return nullptr;
    }
    return event::ownedBy<const net::TransportSocketFactory>(main_,
                                                             std::make_unique<StartTlsTransport>(std::move(tls)));
  }

 private:
  event::Dispatcher& main_;
  const std::unique_ptr<Interface> tls_;
};

}  // namespace

std::unique_ptr<listener::DownstreamTransportSocketFactory> startTlsDownstreamFactory(TlsServices services) {
  using Factory =
      StartTlsFactory<listener::DownstreamTransportSocketFactory, proto::StartTlsConfig, listener::FactoryContext>;
  event::Dispatcher& main = services.main;
  return std::make_unique<Factory>(main, tlsDownstreamFactory(std::move(services)));
}

std::unique_ptr<cluster::UpstreamTransportSocketFactory> startTlsUpstreamFactory(TlsServices services) {
  using Factory = StartTlsFactory<cluster::UpstreamTransportSocketFactory, proto::UpstreamStartTlsConfig,
                                  cluster::TransportContext>;
  event::Dispatcher& main = services.main;
  return std::make_unique<Factory>(main, tlsUpstreamFactory(std::move(services)));
}

}  // namespace sluice::filters
