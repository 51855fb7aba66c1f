#include "source/base/assert.h"
#include "source/http/filter_manager.h"
#include "source/http/filter_manager_entries.h"

namespace sluice::http {

void FilterManager::decodeHeaders(HeaderMap& headers, bool end_stream) {
  request_headers_ = &headers;
  if (end_stream) {
    decode_end_seen_ = true;
    request_complete_ = true;
  }
  decodeHeadersFrom(nullptr, headers, end_stream);
}

void FilterManager::decodeData(net::Buffer& data, bool end_stream) {
  if (end_stream) {
    decode_end_seen_ = true;
    request_complete_ = true;
  }
  decodeDataFrom(nullptr, data, end_stream, IterateFrom::CurrentIfStoppedAll);
}

void FilterManager::decodeTrailers(HeaderMap& trailers) {
  request_trailers_ = &trailers;
  info_.request_trailers = &trailers;
  decode_end_seen_ = true;
  request_complete_ = true;
  decodeTrailersFrom(nullptr, trailers, IterateFrom::Next);
}

FilterManager::DecoderEntry* FilterManager::firstDecoder(DecoderEntry* after, IterateFrom from) const {
  if (after == nullptr) {
    return first_decoder_;
  }
  return from == IterateFrom::CurrentIfStoppedAll && after->iterate_from_current_ ? after : after->next;
}

void FilterManager::decodeHeadersFrom(DecoderEntry* after, HeaderMap& headers, bool end_stream) {
  if (decodingStopped()) {
    return;
  }
  // The filter that gave a body to a request that had none.
  DecoderEntry* body_from = nullptr;
  for (DecoderEntry* entry = firstDecoder(after, IterateFrom::Next); entry != nullptr; entry = entry->next) {
    entry->end_stream_ = end_stream && body_from == nullptr;
    HeadersStatus status;
    {
      const Call call(*this, kDecodingHeaders);
      status = entry->filter.decodeHeaders(headers, entry->end_stream_);
    }
    if (decodingStopped()) {
      sendPreparedReply();
      return;
    }
    if (!entry->afterHeaders(status) && entry->next != nullptr) {
      break;
    }
    if (end_stream && has_request_buffer_ && body_from == nullptr) {
      body_from = entry;
    }
  }
  if (body_from != nullptr) {
    body_from->state_ = FilterEntry::State::Stopped;
    body_from->resume();
  }
}

void FilterManager::decodeDataFrom(DecoderEntry* after, net::Buffer& data, bool end_stream, IterateFrom from) {
  if (decodingStopped()) {
    return;
  }
  const bool had_trailers = request_trailers_ != nullptr;
  DecoderEntry* trailers_from = nullptr;
  for (DecoderEntry* entry = firstDecoder(after, from); entry != nullptr; entry = entry->next) {
    if (entry->keepIfStoppedAll(data, decoders_stream_)) {
      return;
    }
    // It was told the end: what comes now is of those before it only.
    if (entry->end_stream_) {
      return;
    }
    entry->end_stream_ = end_stream && request_trailers_ == nullptr;
    DataStatus status;
    {
      const Call call(*this, kDecodingData | (end_stream ? kLastDecodingData : 0));
      status = entry->filter.decodeData(data, entry->end_stream_);
    }
    if (decodingStopped()) {
      sendPreparedReply();
      return;
    }
    if (!had_trailers && request_trailers_ != nullptr && trailers_from == nullptr) {
      trailers_from = entry;
      entry->end_stream_ = false;
      end_stream = false;
    }
    const bool go_on = entry->afterData(status, data, decoders_stream_);
    if (decodingStopped()) {
      return;
    }
    if (status == DataStatus::StopIterationNoBuffer && &data == &request_buffer_) {
      data.clear();
    }
    if (!go_on) {
      break;
    }
  }
  if (trailers_from != nullptr) {
    decodeTrailersFrom(trailers_from, *request_trailers_, IterateFrom::Next);
  }
}

void FilterManager::decodeTrailersFrom(DecoderEntry* after, HeaderMap& trailers, IterateFrom from) {
  if (decodingStopped()) {
    return;
  }
  for (DecoderEntry* entry = firstDecoder(after, from); entry != nullptr; entry = entry->next) {
    if (entry->stoppedAll()) {
      return;
    }
    TrailersStatus status;
    {
      const Call call(*this, kDecodingTrailers);
      status = entry->filter.decodeTrailers(trailers);
    }
    entry->end_stream_ = true;
    if (decodingStopped()) {
      sendPreparedReply();
      return;
    }
    if (!entry->afterTrailers(status) && entry->next != nullptr) {
      return;
    }
    if (decodingStopped()) {
      return;
    }
  }
}

void FilterManager::DecoderEntry::continueData(bool end_stream) {
  manager_.decodeDataFrom(this, manager_.request_buffer_, end_stream, IterateFrom::CurrentIfStoppedAll);
  if (!manager_.destroyed_) {
    manager_.checkRequestBuffer();
  }
}

void FilterManager::addDecodedData(DecoderEntry& entry, net::Buffer& data, bool streaming) {
  if (decodingStopped()) {
    return;
  }
  if ((calling_ & kDecodingTrailers) != 0 && (calling_ & (kDecodingHeaders | kDecodingData)) == 0 &&
      entry.state_ == FilterEntry::State::Iterating) {
    // Before the trailers that this filter is seeing now.
    decodeDataFrom(&entry, data, false, IterateFrom::Next);
    return;
  }
  decoders_stream_ = streaming;
  entry.bufferData(data);
}

void FilterManager::DecoderEntry::injectDecodedData(net::Buffer& data, bool end_stream) {
  if (!canContinue()) {
    return;
  }
  if (!headers_passed_) {
    headers_passed_ = true;
    continueHeaders(false);
  }
  manager_.decodeDataFrom(this, data, end_stream, IterateFrom::CurrentIfStoppedAll);
}

HeaderMap& FilterManager::addDecodedTrailers() {
  SLUICE_CHECK(request_trailers_ == nullptr, "the request has trailers already");
  SLUICE_CHECK((calling_ & kLastDecodingData) != 0, "trailers are added with the end of the data");
  request_trailers_ = arena_.make<HeaderMap>(arena_);
  info_.request_trailers = request_trailers_;
  return *request_trailers_;
}

bool FilterManager::recreateStream() {
  if (destroyed_ || !decode_end_seen_ || response_headers_ != nullptr || request_trailers_ != nullptr) {
    return false;
  }
  info_.details = "internal_redirect";
  owner_.recreate(request_buffer_);
  return true;
}

}  // namespace sluice::http
