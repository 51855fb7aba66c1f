#include "source/tls/session_store.h"

namespace sluice::tls {

void SessionStore::put(std::string key, SslSessionPtr session) {
  if (limit_ == 0) {
    return;
  }
  // Freed after the lock.
  SslSessionPtr oldest;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (sessions_.size() >= limit_) {
    oldest = std::move(sessions_.back().second);
    sessions_.pop_back();
  }
  sessions_.emplace_front(std::move(key), std::move(session));
}

SslSessionPtr SessionStore::take(absl::string_view key) {
  if (limit_ == 0) {
    return nullptr;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    if (it->first != key) {
      continue;
    }
    SslSessionPtr session;
    if (SSL_SESSION_get_protocol_version(it->second.get()) >= TLS1_3_VERSION) {
      session = std::move(it->second);
      sessions_.erase(it);
    } else {
      SSL_SESSION_up_ref(it->second.get());
      session.reset(it->second.get());
    }
    return session;
  }
  return nullptr;
}

}  // namespace sluice::tls
