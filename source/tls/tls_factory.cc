#include "source/tls/tls_factory.h"

#include <utility>

#include "source/base/logging.h"
#include "source/tls/certificate_details.h"
#include "source/tls/tls_transport_socket.h"

namespace sluice::tls {
namespace {

/** A connection that no context is there for: closes with its first step. */
class NotReadySocket final : public net::TransportSocket {
 public:
  explicit NotReadySocket(bool server) : server_(server) {}

  void setCallbacks(net::TransportSocketCallbacks& callbacks) override { callbacks_ = &callbacks; }
  absl::string_view protocol() const override { return ""; }
  absl::string_view failureReason() const override { return "TLS error: Secret is not supplied by SDS"; }
  void onConnected() override {
    if (!server_) {
      callbacks_->setHandshaking(true);
      callbacks_->scheduleRead();
    }
  }
  net::IoResult read(net::Buffer&, uint64_t, bool) override { return closed(); }
  net::IoResult write(net::Buffer&, bool) override { return closed(); }
  void onClose(net::ConnectionEvent) override {}
  bool canFlush() const override { return false; }
  std::shared_ptr<const net::TlsInfo> tlsInfo() const override { return nullptr; }
  bool isRaw() const override { return false; }

 private:
  static net::IoResult closed() {
    net::IoResult result;
    result.close = true;
    return result;
  }

  const bool server_;
  net::TransportSocketCallbacks* callbacks_ = nullptr;
};

}  // namespace

struct TlsFactory::Follower : std::enable_shared_from_this<Follower> {
  Follower(event::Dispatcher& main, const std::shared_ptr<ContextPublisher>& publisher, const ContextParts& parts,
           std::shared_ptr<const TlsStats> stats)
      : main(main), publisher(publisher), parts(parts), stats(std::move(stats)), id(publisher->newId()) {}

  void follow() {
    const auto changed = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->onChange();
      }
    };
    for (const ContextParts::Identity& identity : parts.identities) {
      handles.push_back(identity.provider->onChange(changed));
    }
    if (parts.validation != nullptr) {
      handles.push_back(parts.validation->onChange(changed));
    }
    if (parts.ticket_keys != nullptr) {
      handles.push_back(parts.ticket_keys->onChange(changed));
    }
  }

  /** Several secrets that change in one turn make one context. */
  void onChange() {
    if (rebuilding) {
      return;
    }
    rebuilding = true;
    main.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->rebuild();
      }
    });
  }

  void rebuild() {
    rebuilding = false;
    auto context = build(main, parts, stats);
    if (!context.ok()) {
      LOG_WARNING(config, "a TLS context keeps its secrets, as the new ones do not fit: {}",
                  context.status().message());
      return;
    }
    const auto to = publisher.lock();
    if (*context != nullptr && to != nullptr) {
      stats->ssl_context_update_by_sds.inc();
      published = true;
      to->publish(id, *std::move(context));
    }
  }

  event::Dispatcher& main;
  const std::weak_ptr<ContextPublisher> publisher;
  const ContextParts parts;
  const std::shared_ptr<const TlsStats> stats;
  const uint64_t id;
  bool rebuilding = false;
  bool published = false;
  std::vector<base::CallbackHandlePtr> handles;
};

absl::StatusOr<std::shared_ptr<const net::TransportSocketFactory>> TlsFactory::make(
    event::Dispatcher& main, const std::shared_ptr<ContextPublisher>& publisher, ContextParts parts,
    std::shared_ptr<const TlsStats> stats, const config::ContentKey& structural_key) {
  auto first = build(main, parts, stats);
  if (!first.ok()) {
    return first.status();
  }
  std::unique_ptr<TlsFactory> made(new TlsFactory(main, publisher, std::move(parts), std::move(stats), structural_key));
  made->first_ = *std::move(first);
  return event::ownedBy<const net::TransportSocketFactory>(main, std::move(made));
}

TlsFactory::TlsFactory(event::Dispatcher& main, const std::shared_ptr<ContextPublisher>& publisher, ContextParts parts,
                       std::shared_ptr<const TlsStats> stats, const config::ContentKey& structural_key)
    : parts_(std::move(parts)),
      stats_(std::move(stats)),
      structural_key_(structural_key),
      publisher_(*publisher),
      follower_(std::make_shared<Follower>(main, publisher, parts_, stats_)),
      id_(follower_->id) {
  follower_->follow();
}

TlsFactory::~TlsFactory() {
  const auto publisher = follower_->publisher.lock();
  if (publisher != nullptr && follower_->published) {
    publisher->publish(id_, nullptr);
  }
}

absl::StatusOr<std::shared_ptr<const Context>> TlsFactory::build(event::Dispatcher& main, const ContextParts& parts,
                                                                 const std::shared_ptr<const TlsStats>& stats) {
  Materials materials;
  for (const ContextParts::Identity& identity : parts.identities) {
    materials.certificates.push_back(identity.provider->content());
    if (materials.certificates.back() == nullptr) {
      return nullptr;
    }
  }
  if (parts.validation != nullptr) {
    materials.validation = parts.validation->content();
    if (materials.validation == nullptr) {
      return nullptr;
    }
  }
  if (parts.ticket_keys != nullptr) {
    materials.ticket_keys = parts.ticket_keys->content();
    if (materials.ticket_keys == nullptr) {
      return nullptr;
    }
  }
  for (size_t i = 0; i < materials.certificates.size(); ++i) {
    const base::SystemTime until = systemTime(X509_get0_notAfter(&materials.certificates[i]->leaf()));
    stats->setCertificateExpiration(parts.identities[i].name, std::chrono::system_clock::to_time_t(until));
  }
  // Of the authority that is named first, as Envoy has it.
  const std::vector<X509*> trusted =
      materials.validation == nullptr ? std::vector<X509*>() : materials.validation->authorities();
  if (!trusted.empty()) {
    const base::SystemTime until = systemTime(X509_get0_notAfter(trusted.front()));
    stats->setCertificateExpiration(parts.validation_name, std::chrono::system_clock::to_time_t(until));
  }
  auto made = Context::create(parts.settings, std::move(materials), stats);
  if (!made.ok()) {
    return made.status();
  }
  return event::ownedBy<const Context>(main, *std::move(made));
}

std::unique_ptr<net::TransportSocket> TlsFactory::create(const net::TransportSocketTarget& target) const {
  std::shared_ptr<const Context> context = publisher_.find(id_);
  if (context == nullptr) {
    context = first_;
  }
  if (context == nullptr) {
    (parts_.settings->server ? stats_->downstream_context_secrets_not_ready
                             : stats_->upstream_context_secrets_not_ready)
        .inc();
    return std::make_unique<NotReadySocket>(parts_.settings->server);
  }
  return std::make_unique<TlsTransportSocket>(std::move(context), target);
}

}  // namespace sluice::tls
