#include "source/http/filter_manager.h"

#include <algorithm>
#include <utility>

#include "source/base/assert.h"
#include "source/http/filter_manager_entries.h"
#include "source/http/route_levels.h"

namespace sluice::http {

FilterManager::FilterManager(FilterManagerOwner& owner, base::Arena& arena, event::Dispatcher& dispatcher,
                             StreamInfo& info, net::Connection* connection, uint32_t buffer_limit)
    : owner_(owner),
      arena_(arena),
      dispatcher_(dispatcher),
      info_(info),
      connection_(connection),
      buffer_limit_(buffer_limit) {}

FilterManager::~FilterManager() { SLUICE_CHECK(destroyed_ || filters_ == nullptr, "filters outlive their stream"); }

void FilterManager::addFilters(absl::Span<const NamedFilter> filters) {
  SLUICE_CHECK(!chain_made_, "a stream's filter chain is made once");
  chain_made_ = true;
  for (const NamedFilter& filter : filters) {
    if (!switchedOff(filter)) {
      current_ = &filter;
      filter.config->addTo(*this);
    }
  }
  current_ = nullptr;
}

bool FilterManager::switchedOff(const NamedFilter& filter) {
  const FilterOverride* const found = mostSpecificOverride(owner_.route(), info_.weighted_cluster, filter.name);
  return found == nullptr ? filter.disabled : found->disabled;
}

void FilterManager::remember(StreamFilter& filter) {
  for (const OwnedFilter* known = filters_; known != nullptr; known = known->next) {
    if (known->filter == &filter) {
      return;
    }
  }
  auto* owned = arena_.make<OwnedFilter>(OwnedFilter{&filter, nullptr});
  (last_filter_ == nullptr ? filters_ : last_filter_->next) = owned;
  last_filter_ = owned;
}

void FilterManager::addDecoderFilter(DecoderFilter& filter) {
  remember(filter);
  auto* entry = arena_.make<DecoderEntry>(*this, *current_, filter);
  (last_decoder_ == nullptr ? first_decoder_ : last_decoder_->next) = entry;
  last_decoder_ = entry;
  filter.setDecoderCallbacks(*entry);
}

void FilterManager::addEncoderFilter(EncoderFilter& filter) {
  remember(filter);
  auto* entry = arena_.make<EncoderEntry>(*this, *current_, filter);
  entry->next = first_encoder_;
  first_encoder_ = entry;
  filter.setEncoderCallbacks(*entry);
}

const PerRouteConfig* FilterManager::DecoderEntry::perRouteConfig() {
  return mostSpecificConfig(route(), manager_.info_.weighted_cluster, filter_.name);
}

void FilterManager::DecoderEntry::forEachPerRouteConfig(absl::FunctionRef<void(const PerRouteConfig&)> visit) {
  forEachConfig(route(), manager_.info_.weighted_cluster, filter_.name, visit);
}

const PerRouteConfig* FilterManager::EncoderEntry::perRouteConfig() {
  return mostSpecificConfig(route(), manager_.info_.weighted_cluster, filter_.name);
}

void FilterManager::EncoderEntry::forEachPerRouteConfig(absl::FunctionRef<void(const PerRouteConfig&)> visit) {
  forEachConfig(route(), manager_.info_.weighted_cluster, filter_.name, visit);
}

void FilterManager::notifyComplete() {
  for (OwnedFilter* owned = filters_; owned != nullptr && !destroyed_; owned = owned->next) {
    owned->filter->onStreamComplete();
  }
}

void FilterManager::destroyFilters() {
  if (std::exchange(destroyed_, true)) {
    return;
  }
  for (OwnedFilter* owned = filters_; owned != nullptr; owned = owned->next) {
    owned->filter->onDestroy();
  }
  observers_.clear();
}

void FilterManager::resetStream(ResetReason reason, absl::string_view details) {
  if (!destroyed_) {
    owner_.resetFromFilter(reason, details);
  }
}

// Flow control.

void FilterManager::setBufferLimit(uint32_t bytes) {
  buffer_limit_ = bytes;
  checkRequestBuffer();
  checkResponseBuffer();
}

void FilterManager::pauseRequest(bool pause) {
  if (!destroyed_) {
    owner_.pauseRequest(pause);
  }
}

void FilterManager::checkRequestBuffer() {
  if (!request_above_ && buffer_limit_ > 0 && request_buffer_.length() > buffer_limit_) {
    request_above_ = true;
    if (decoders_stream_) {
      request_paused_ = true;
      pauseRequest(true);
    } else if (!decodingStopped()) {
      owner_.onBodyTooLarge(true);
      LocalReply reply;
      reply.status = 413;
      reply.body = "Payload Too Large";
      reply.details = "request_payload_too_large";
      sendLocalReply(reply);
    }
  } else if (request_above_ && request_buffer_.length() <= buffer_limit_ / 2) {
    request_above_ = false;
    if (std::exchange(request_paused_, false)) {
      pauseRequest(false);
    }
  }
}

void FilterManager::checkResponseBuffer() {
  if (!response_above_ && buffer_limit_ > 0 && response_buffer_.length() > buffer_limit_) {
    response_above_ = true;
    if (encoders_stream_) {
      response_paused_ = true;
      onDownstreamAboveHighWatermark();
    } else if (!encodingStopped()) {
      owner_.onBodyTooLarge(false);
      LocalReply reply;
      reply.status = 500;
      reply.body = "Internal Server Error";
      reply.details = "response_payload_too_large";
      sendLocalReply(reply);
    }
  } else if (response_above_ && response_buffer_.length() <= buffer_limit_ / 2) {
    response_above_ = false;
    if (std::exchange(response_paused_, false)) {
      onDownstreamBelowLowWatermark();
    }
  }
}

void FilterManager::onDownstreamAboveHighWatermark() {
  if (++high_watermarks_ == 1) {
    // By index: an observer may take itself out.
    for (size_t i = 0; i < observers_.size(); ++i) {
      observers_[i]->onDownstreamAboveHighWatermark();
    }
  }
}

void FilterManager::onDownstreamBelowLowWatermark() {
  SLUICE_CHECK(high_watermarks_ > 0, "watermark calls come in pairs");
  if (--high_watermarks_ == 0) {
    for (size_t i = 0; i < observers_.size(); ++i) {
      observers_[i]->onDownstreamBelowLowWatermark();
    }
  }
}

void FilterManager::DecoderEntry::addWatermarkObserver(WatermarkObserver& observer) {
  manager_.observers_.push_back(&observer);
  if (manager_.high_watermarks_ > 0) {
    observer.onDownstreamAboveHighWatermark();
  }
}

void FilterManager::DecoderEntry::removeWatermarkObserver(WatermarkObserver& observer) {
  auto& observers = manager_.observers_;
  observers.erase(std::remove(observers.begin(), observers.end(), &observer), observers.end());
}

}  // namespace sluice::http
