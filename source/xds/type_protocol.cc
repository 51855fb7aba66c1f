#include "source/xds/type_protocol.h"

#include <utility>

#include "source/xds/delta_type.h"
#include "source/xds/sotw_type.h"

namespace sluice::xds {

std::unique_ptr<TypeProtocol> TypeProtocol::create(Variant variant, std::string type_url) {
  if (variant == Variant::Delta) {
    return std::make_unique<DeltaType>(std::move(type_url));
  }
  return std::make_unique<SotwType>(std::move(type_url));
}

void TypeProtocol::addInterest(const std::set<std::string>& names) {
  if (names.empty() && wildcards_++ == 0) {
    nameAdded(kWildcard);
  }
  for (const std::string& name : names) {
    if (names_[name]++ == 0) {
      nameAdded(name);
    }
  }
}

void TypeProtocol::removeInterest(const std::set<std::string>& names) {
  if (names.empty() && --wildcards_ == 0) {
    nameRemoved(kWildcard);
  }
  for (const std::string& name : names) {
    auto found = names_.find(name);
    if (--found->second == 0) {
      names_.erase(found);
      nameRemoved(name);
    }
  }
}

void TypeProtocol::streamOpened() {
  stream_open_ = true;
  streamBegins();
}

void TypeProtocol::streamClosed() {
  // A nonce is valid on its own stream only.
  stream_open_ = asked_ = false;
  nonce_.clear();
  answers_.clear();
}

void TypeProtocol::answer(absl::string_view version, absl::string_view nonce,
                          std::optional<google::rpc::Status> error) {
  if (!error.has_value()) {
    accepted(version);
  }
  nonce_ = std::string(nonce);
  answers_.push_back({version_, nonce_, std::move(error)});
}

bool TypeProtocol::refuseLate(google::rpc::Status error) {
  if (!stream_open_ || nonce_.empty()) {
    return false;
  }
  answers_.push_back({version_, nonce_, std::move(error)});
  return true;
}

std::optional<TypeProtocol::Answer> TypeProtocol::takeAnswer() {
  if (answers_.empty()) {
    return std::nullopt;
  }
  Answer answer = std::move(answers_.front());
  answers_.pop_front();
  return answer;
}

}  // namespace sluice::xds
