#include "source/listener/connection_handler.h"

#include <utility>

#include "source/base/logging.h"
#include "source/listener/local_listener.h"

namespace sluice::listener {

ConnectionHandler::ConnectionHandler(event::Dispatcher& dispatcher, uint32_t worker_index,
                                     ConnectionLimit& process_limit, AcceptedSocketRouter& router)
    : dispatcher_(dispatcher), worker_index_(worker_index), process_limit_(process_limit), router_(router) {}

ConnectionHandler::~ConnectionHandler() = default;

LocalListener* ConnectionHandler::find(uint64_t listener) {
  auto found = listeners_.find(listener);
  return found == listeners_.end() ? nullptr : found->second.get();
}

void ConnectionHandler::apply(ListenerAssignment assignment) {
  std::unique_ptr<LocalListener>& listener = listeners_[assignment.listener];
  if (listener == nullptr) {
    listener = std::make_unique<LocalListener>(*this, assignment.listener);
  }
  listener->apply(std::move(assignment));
}

void ConnectionHandler::stopAccepting(uint64_t listener) {
  if (LocalListener* found = find(listener); found != nullptr) {
    found->stopAccepting();
  }
}

void ConnectionHandler::drainChains(uint64_t listener, const std::vector<uint64_t>& chains, Done done) {
  if (LocalListener* found = find(listener); found != nullptr) {
    found->drainChains(chains, std::move(done));
  } else {
    done();
  }
}

void ConnectionHandler::drainListener(uint64_t listener, Done done) {
  if (LocalListener* found = find(listener); found != nullptr) {
    found->drain(std::move(done));
  } else {
    done();
  }
}

void ConnectionHandler::closeChains(uint64_t listener, const std::vector<uint64_t>& chains) {
  if (LocalListener* found = find(listener); found != nullptr) {
    found->closeChains(chains);
  }
}

void ConnectionHandler::closeListener(uint64_t listener) {
  if (LocalListener* found = find(listener); found != nullptr) {
    found->closeAll();
  }
}

void ConnectionHandler::takeOver(HandedSocket socket) {
  if (LocalListener* found = find(socket.listener); found != nullptr) {
    found->takeOver(std::move(socket.socket), socket.local, socket.remote);
  } else {
    LOG_DEBUG(conn_handler, "closing a connection to {}: its listener has gone", socket.local.toString());
  }
}

void ConnectionHandler::forget(uint64_t listener, Done done) {
  auto found = listeners_.find(listener);
  if (found != listeners_.end()) {
    // Its own frames are on the stack.
    dispatcher_.deferredDelete(std::move(found->second));
    listeners_.erase(found);
  }
  done();
}

void ConnectionHandler::claimAddresses(LocalListener& listener, const std::vector<net::Address>& addresses) {
  for (const net::Address& address : addresses) {
    by_address_[address].push_back(&listener);
  }
}

void ConnectionHandler::releaseAddresses(LocalListener& listener, const std::vector<net::Address>& addresses) {
  for (const net::Address& address : addresses) {
    auto claims = by_address_.find(address);
    if (claims == by_address_.end()) {
      continue;
    }
    std::erase(claims->second, &listener);
    if (claims->second.empty()) {
      by_address_.erase(claims);
    }
  }
}

LocalListener* ConnectionHandler::findByAddress(const net::Address& address) const {
  auto claims = by_address_.find(address);
  if (claims == by_address_.end() && address.isIp()) {
    static const net::Address any_ipv4 = *net::Address::ip("0.0.0.0", 0);
    static const net::Address any_ipv6 = *net::Address::ip("::", 0);
    const bool ipv6 = address.kind() == net::Address::Kind::Ipv6;
    claims = by_address_.find((ipv6 ? any_ipv6 : any_ipv4).withPort(address.port()));
  }
  return claims == by_address_.end() ? nullptr : claims->second.back();
}

void ConnectionHandler::shutdown() {
  // One that drains is forgotten while it is shut down.
  std::vector<LocalListener*> all;
  for (auto& [id, listener] : listeners_) {
    all.push_back(listener.get());
  }
  for (LocalListener* listener : all) {
    listener->shutdown();
  }
}

}  // namespace sluice::listener
