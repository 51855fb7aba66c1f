#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "source/event/deadline.h"
#include "source/http/filter.h"

namespace sluice::filters {

/**
 * Lets a response's body pass at a rate: a slice of it each 50 ms. What waits is kept by the filter manager, so that a
 * full buffer stops the upstream. In the stream's arena; worker thread. Owned by its filter, which cancels it.
 */
class ResponseLimiter final : public event::Deadline {
 public:
  static constexpr std::chrono::milliseconds kTick{50};

  ResponseLimiter(http::EncoderFilterCallbacks& callbacks, uint64_t bytes_per_second)
      : callbacks_(callbacks),
        slice_(std::max<uint64_t>(1, bytes_per_second * kTick.count() / 1000)),
        budget_(slice_) {}

  http::DataStatus onData(net::Buffer& data, bool end_stream) {
    ended_ = ended_ || end_stream;
    if (!pending() && (!data.empty() || waiting_)) {
      callbacks_.dispatcher().deadlines().set(*this, kTick);
    }
    if (!waiting_ && data.length() <= budget_) {
      budget_ -= data.length();
      return http::DataStatus::Continue;
    }
    waiting_ = true;
    return http::DataStatus::StopIterationAndWatermark;
  }

  http::TrailersStatus onTrailers() {
    ended_ = true;
    return waiting_ ? http::TrailersStatus::StopIteration : http::TrailersStatus::Continue;
  }

 private:
  void onDeadline() override {
    budget_ = slice_;
    if (!waiting_) {
      return;
    }
    net::Buffer* kept = callbacks_.encodingBuffer();
    const uint64_t length = kept == nullptr ? 0 : kept->length();
    if (ended_ && length <= slice_) {
      waiting_ = false;
      callbacks_.continueEncoding();
      return;
    }
    net::Buffer now;
    if (length > 0) {
      now.move(*kept, std::min(slice_, length));
    }
    budget_ -= now.length();
    waiting_ = ended_ || length > slice_;
    callbacks_.dispatcher().deadlines().set(*this, kTick);
    // Adds nothing, but has the filter manager look at how full its buffer is now.
    net::Buffer none;
    callbacks_.addEncodedData(none, true);
    callbacks_.injectEncodedData(now, false);
  }

  http::EncoderFilterCallbacks& callbacks_;
  const uint64_t slice_;
  /** What may still pass before the next tick. */
  uint64_t budget_;
  /** The filter manager keeps something of the body. */
  bool waiting_ = false;
  bool ended_ = false;
};

}  // namespace sluice::filters
