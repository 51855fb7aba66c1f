#include "source/base/assert.h"
#include "source/http/filter_manager.h"
#include "source/http/filter_manager_entries.h"

namespace sluice::http {

FilterManager::EncoderEntry* FilterManager::firstEncoder(EncoderEntry* after, IterateFrom from) const {
  if (after == nullptr) {
    return first_encoder_;
  }
  return from == IterateFrom::CurrentIfStoppedAll && after->iterate_from_current_ ? after : after->next;
}

void FilterManager::startResponse(HeaderMap& headers, bool end_stream, absl::string_view details) {
  if (encodingStopped()) {
    return;
  }
  info_.details = details;
  info_.response_headers = &headers;
  response_headers_ = &headers;
  encodeHeadersFrom(nullptr, headers, end_stream);
}

void FilterManager::encodeInterimFrom(EncoderEntry* after, HeaderMap& headers) {
  if (encodingStopped() || response_headers_ != nullptr) {
    return;
  }
  interim_headers_ = &headers;
  owner_.resetIdleTimer();
  for (EncoderEntry* entry = firstEncoder(after, IterateFrom::Next); entry != nullptr; entry = entry->next) {
    HeadersStatus status;
    {
      const Call call(*this, kEncodingInterim);
      status = entry->filter.encodeInterimHeaders(headers);
    }
    if (encodingStopped() || response_headers_ != nullptr) {
      return;
    }
    if (status != HeadersStatus::Continue) {
      entry->interim_stopped_ = true;
      return;
    }
  }
  owner_.sendInterimHeaders(headers);
}

void FilterManager::encodeHeadersFrom(EncoderEntry* after, HeaderMap& headers, bool end_stream) {
  if (encodingStopped()) {
    return;
  }
  if (after == nullptr) {
    encode_end_seen_ = end_stream;
    owner_.resetIdleTimer();
  }
  // The filter that gave a body to a response that had none.
  EncoderEntry* body_from = nullptr;
  for (EncoderEntry* entry = firstEncoder(after, IterateFrom::Next); entry != nullptr; entry = entry->next) {
    entry->end_stream_ = end_stream && body_from == nullptr;
    HeadersStatus status;
    {
      const Call call(*this, kEncodingHeaders);
      status = entry->filter.encodeHeaders(headers, entry->end_stream_);
    }
    if (encodingStopped()) {
      return;
    }
    if (!entry->afterHeaders(status)) {
      if (body_from != nullptr) {
        body_from->state_ = FilterEntry::State::Stopped;
        body_from->resume();
      }
      return;
    }
    if (end_stream && has_response_buffer_ && body_from == nullptr) {
      body_from = entry;
    }
  }
  const bool ends = end_stream && body_from == nullptr;
  response_headers_sent_ = true;
  owner_.sendHeaders(headers, ends);
  if (destroyed_) {
    return;
  }
  endResponseIf(ends);
  if (!ends && body_from != nullptr) {
    body_from->state_ = FilterEntry::State::Stopped;
    body_from->resume();
  }
}

void FilterManager::encodeDataFrom(EncoderEntry* after, net::Buffer& data, bool end_stream, IterateFrom from) {
  if (encodingStopped()) {
    return;
  }
  if (after == nullptr) {
    encode_end_seen_ = encode_end_seen_ || end_stream;
    owner_.resetIdleTimer();
  }
  const bool had_trailers = response_trailers_ != nullptr;
  EncoderEntry* trailers_from = nullptr;
  for (EncoderEntry* entry = firstEncoder(after, from); entry != nullptr; entry = entry->next) {
    if (entry->keepIfStoppedAll(data, encoders_stream_)) {
      return;
    }
    if (entry->end_stream_) {
      return;
    }
    entry->end_stream_ = end_stream && response_trailers_ == nullptr;
    DataStatus status;
    {
      const Call call(*this, kEncodingData);
      status = entry->filter.encodeData(data, entry->end_stream_);
    }
    if (encodingStopped()) {
      return;
    }
    if (!had_trailers && response_trailers_ != nullptr && trailers_from == nullptr) {
      trailers_from = entry;
      entry->end_stream_ = false;
      end_stream = false;
    }
    const bool go_on = entry->afterData(status, data, encoders_stream_);
    if (encodingStopped()) {
      return;
    }
    if (status == DataStatus::StopIterationNoBuffer && &data == &response_buffer_) {
      data.clear();
    }
    if (!go_on) {
      if (trailers_from != nullptr) {
        encodeTrailersFrom(trailers_from, *response_trailers_, IterateFrom::Next);
      }
      return;
    }
  }
  owner_.sendData(data, end_stream && trailers_from == nullptr);
  if (destroyed_) {
    return;
  }
  endResponseIf(end_stream && trailers_from == nullptr);
  if (trailers_from != nullptr) {
    encodeTrailersFrom(trailers_from, *response_trailers_, IterateFrom::Next);
  }
}

void FilterManager::DecoderEntry::encodeTrailers(HeaderMap& trailers) {
  if (manager_.encodingStopped() || manager_.replied_) {
    return;
  }
  manager_.response_trailers_ = &trailers;
  manager_.info_.response_trailers = &trailers;
  manager_.encodeTrailersFrom(nullptr, trailers, IterateFrom::Next);
}

void FilterManager::encodeTrailersFrom(EncoderEntry* after, HeaderMap& trailers, IterateFrom from) {
  if (encodingStopped()) {
    return;
  }
  if (after == nullptr) {
    encode_end_seen_ = true;
    owner_.resetIdleTimer();
  }
  for (EncoderEntry* entry = firstEncoder(after, from); entry != nullptr; entry = entry->next) {
    if (entry->stoppedAll()) {
      return;
    }
    TrailersStatus status;
    {
      const Call call(*this, kEncodingTrailers);
      status = entry->filter.encodeTrailers(trailers);
    }
    entry->end_stream_ = true;
    if (encodingStopped() || !entry->afterTrailers(status)) {
      return;
    }
  }
  owner_.sendTrailers(trailers);
  if (!destroyed_) {
    endResponseIf(true);
  }
}

void FilterManager::endResponseIf(bool end_stream) {
  if (end_stream && !response_complete_) {
    response_complete_ = true;
    owner_.onResponseEnd();
  }
}

void FilterManager::EncoderEntry::continueData(bool end_stream) {
  manager_.encodeDataFrom(this, manager_.response_buffer_, end_stream, IterateFrom::CurrentIfStoppedAll);
  if (!manager_.destroyed_) {
    manager_.checkResponseBuffer();
  }
}

void FilterManager::addEncodedData(EncoderEntry& entry, net::Buffer& data, bool streaming) {
  if (encodingStopped()) {
    return;
  }
  if ((calling_ & kEncodingTrailers) != 0 && (calling_ & (kEncodingHeaders | kEncodingData)) == 0 &&
      entry.state_ == FilterEntry::State::Iterating) {
    encodeDataFrom(&entry, data, false, IterateFrom::Next);
    return;
  }
  encoders_stream_ = streaming;
  entry.bufferData(data);
}

void FilterManager::EncoderEntry::injectEncodedData(net::Buffer& data, bool end_stream) {
  if (!canContinue()) {
    return;
  }
  if (!headers_passed_) {
    headers_passed_ = true;
    continueHeaders(false);
  }
  manager_.encodeDataFrom(this, data, end_stream, IterateFrom::CurrentIfStoppedAll);
}

HeaderMap& FilterManager::addEncodedTrailers() {
  SLUICE_CHECK(response_trailers_ == nullptr, "the response has trailers already");
  SLUICE_CHECK((calling_ & kEncodingData) != 0, "trailers are added with the end of the data");
  response_trailers_ = arena_.make<HeaderMap>(arena_);
  info_.response_trailers = response_trailers_;
  return *response_trailers_;
}

}  // namespace sluice::http
