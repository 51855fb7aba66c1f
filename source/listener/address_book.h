#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/net/address.h"

namespace sluice::listener {

/**
 * Which listener has which address, its warming version's included. Main thread; owned by the listener manager, and
 * outlives the claims.
 */
class AddressBook {
 public:
  /** A listener's addresses, for as long as this lives. */
  class Claim {
   public:
    Claim(AddressBook& book, uint64_t listener, std::vector<net::Address> addresses)
        : book_(book), listener_(listener), addresses_(std::move(addresses)) {
      for (const net::Address& address : addresses_) {
        ++book_.holders_[address][listener_];
      }
    }
    Claim(const Claim&) = delete;
    ~Claim() {
      for (const net::Address& address : addresses_) {
        auto holders = book_.holders_.find(address);
        auto holder = holders->second.find(listener_);
        if (--holder->second == 0) {
          holders->second.erase(holder);
        }
        if (holders->second.empty()) {
          book_.holders_.erase(holders);
        }
      }
    }

   private:
    AddressBook& book_;
    const uint64_t listener_;
    const std::vector<net::Address> addresses_;
  };

  /** A listener other than `listener` that has the address. Port 0 is nobody's. */
  std::optional<uint64_t> otherHolder(const net::Address& address, uint64_t listener) const {
    auto holders = holders_.find(address);
    if (holders == holders_.end() || (address.isIp() && address.port() == 0)) {
      return std::nullopt;
    }
    for (const auto& [holder, times] : holders->second) {
      if (holder != listener) {
        return holder;
      }
    }
    return std::nullopt;
  }

 private:
  friend class Claim;
  absl::flat_hash_map<net::Address, absl::flat_hash_map<uint64_t, int>> holders_;
};

}  // namespace sluice::listener
