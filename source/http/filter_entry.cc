#include "source/http/filter_entry.h"

namespace sluice::http {

bool FilterEntry::afterHeaders(HeadersStatus status) {
  switch (status) {
    case HeadersStatus::Continue:
      headers_passed_ = true;
      return true;
    case HeadersStatus::StopIteration:
      state_ = State::Stopped;
      return false;
    case HeadersStatus::StopAllIterationAndBuffer:
      state_ = State::StoppedAllBuffer;
      return false;
    case HeadersStatus::StopAllIterationAndWatermark:
      state_ = State::StoppedAllWatermark;
      return false;
  }
  return false;
}

bool FilterEntry::afterData(DataStatus status, net::Buffer& data, bool& streaming) {
  if (status == DataStatus::Continue) {
    if (state_ != State::Stopped) {
      return true;
    }
    // The headers that were stopped go first, then this data with what was kept before.
    bufferData(data);
    resume();
    return false;
  }
  state_ = State::Stopped;
  if (status == DataStatus::StopIterationNoBuffer) {
    if (messageComplete() && !hasTrailers()) {
      // So that the end is told when the filter continues, although no data is left to tell it with.
      hasBuffered() = true;
    }
  } else {
    streaming = status == DataStatus::StopIterationAndWatermark;
    bufferData(data);
  }
  return false;
}

bool FilterEntry::afterTrailers(TrailersStatus status) {
  if (status == TrailersStatus::StopIteration) {
    if (!stoppedAll()) {
      state_ = State::Stopped;
    }
    return false;
  }
  if (state_ == State::Stopped) {
    resume();
    return false;
  }
  return true;
}

void FilterEntry::bufferData(net::Buffer& data) {
  net::Buffer& kept = buffered();
  if (&kept != &data) {
    kept.move(data);
  }
  hasBuffered() = true;
  checkBuffered();
}

bool FilterEntry::keepIfStoppedAll(net::Buffer& data, bool& streaming) {
  if (!stoppedAll()) {
    return false;
  }
  streaming = state_ == State::StoppedAllWatermark;
  bufferData(data);
  return true;
}

void FilterEntry::resume() {
  if (!canContinue()) {
    return;
  }
  // Also within an earlier resume(), in which this filter stopped anew: it has seen by now what it is not to see again.
  iterate_from_current_ = stoppedAll();
  state_ = State::Iterating;
  if (interim_stopped_) {
    interim_stopped_ = false;
    continueInterim();
    if (!canContinue()) {
      return;
    }
  }
  // Data may bring trailers with it, and then sees to them itself.
  const bool had_trailers = hasTrailers();
  if (!headers_passed_) {
    headers_passed_ = true;
    continueHeaders(messageComplete() && !hasBuffered() && !had_trailers);
    if (!canContinue()) {
      return;
    }
  }
  if (hasBuffered()) {
    continueData(messageComplete() && !had_trailers);
    if (!canContinue()) {
      return;
    }
  }
  if (had_trailers) {
    continueTrailers();
  }
  iterate_from_current_ = false;
}

}  // namespace sluice::http
