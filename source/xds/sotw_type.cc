#include "source/xds/sotw_type.h"

#include <utility>

namespace sluice::xds {

using envoy::service::discovery::v3::DiscoveryRequest;

void SotwType::addInterest(const std::set<std::string>& names) {
  if (names.empty()) {
    interest_changed_ |= wildcards_++ == 0;
  }
  for (const std::string& name : names) {
    interest_changed_ |= names_[name]++ == 0;
  }
}

void SotwType::removeInterest(const std::set<std::string>& names) {
  if (names.empty()) {
    interest_changed_ |= --wildcards_ == 0;
  }
  for (const std::string& name : names) {
    auto found = names_.find(name);
    if (--found->second == 0) {
      names_.erase(found);
      interest_changed_ = true;
    }
  }
}

void SotwType::streamOpened() {
  stream_open_ = true;
  interest_changed_ = hasInterest();
}

void SotwType::streamClosed() {
  // A nonce is valid on its own stream only.
  stream_open_ = asked_ = told_names_ = false;
  nonce_.clear();
  answers_.clear();
}

void SotwType::answer(absl::string_view version, absl::string_view nonce, std::optional<google::rpc::Status> error) {
  if (!error.has_value()) {
    version_ = std::string(version);
  }
  nonce_ = std::string(nonce);
  answers_.push_back({version_, nonce_, std::move(error)});
}

bool SotwType::refuseLate(google::rpc::Status error) {
  if (!stream_open_ || nonce_.empty()) {
    return false;
  }
  answers_.push_back({version_, nonce_, std::move(error)});
  return true;
}

bool SotwType::wantsToSend() const {
  // Before anything was asked there is nothing to take back either.
  return stream_open_ && (!answers_.empty() || (interest_changed_ && (asked_ || hasInterest())));
}

DiscoveryRequest SotwType::takeRequest() {
  DiscoveryRequest request;
  request.set_type_url(type_url_);
  if (answers_.empty()) {
    // A response that is still being worked on is not told yet: a request with its nonce and the old version would be
    // taken for a refusal.
    request.set_version_info(version_);
    request.set_response_nonce(nonce_);
  } else {
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    request.set_version_info(std::move(answer.version));
    request.set_response_nonce(std::move(answer.nonce));
    if (answer.error.has_value()) {
      *request.mutable_error_detail() = *std::move(answer.error);
    }
  }
  if (wildcards_ > 0 && (told_names_ || !names_.empty())) {
    request.add_resource_names(std::string("*"));
  }
  for (const auto& [name, subscribers] : names_) {
    request.add_resource_names(name);
  }
  told_names_ |= !names_.empty();
  asked_ = true;
  interest_changed_ = false;
  return request;
}

}  // namespace sluice::xds
