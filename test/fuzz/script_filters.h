#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/base/assert.h"
#include "source/http/filter.h"
#include "source/net/buffer.h"

namespace sluice::fuzz {

using http::DataStatus;
using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;

/** What filters do next, from the fuzzer's input: a byte for each decision, zeros once they are used up. */
class Decisions {
 public:
  explicit Decisions(absl::string_view bytes) : bytes_(bytes) {}
  uint8_t next() {
    if (bytes_.empty()) {
      return 0;
    }
    const auto value = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }

 private:
  absl::string_view bytes_;
};

class Actor;

/** What all filters of a run share: it outlives them. */
struct Stage {
  explicit Stage(absl::string_view bytes) : decisions(bytes) {}
  Decisions decisions;
  /** Filters that have not been destroyed. */
  std::vector<Actor*> actors;
  int recreated = 0;
};

/** A filter that can be made to do something between two events. On the stage from its making to its onDestroy(). */
class Actor : public virtual http::StreamFilter {
 public:
  explicit Actor(Stage& stage) : stage_(stage) { stage_.actors.push_back(this); }
  ~Actor() override { SLUICE_CHECK(gone_, "a filter went without onDestroy()"); }
  void onStreamComplete() override {
    SLUICE_CHECK(!gone_ && !std::exchange(complete_, true), "a filter is told once that its stream is complete");
  }
  void onDestroy() override {
    SLUICE_CHECK(!std::exchange(gone_, true), "a filter is destroyed once");
    stage_.actors.erase(std::find(stage_.actors.begin(), stage_.actors.end(), this));
  }
  virtual void act() = 0;

 protected:
  uint8_t decide() { return stage_.decisions.next(); }
  static net::Buffer bytes(size_t count) {
    net::Buffer data;
    data.append(std::string(count, 'x'));
    return data;
  }
  static void reply(http::StreamFilterCallbacks& callbacks, uint8_t bits) {
    http::LocalReply answer;
    answer.status = (bits & 1) != 0 ? 503 : 403;
    answer.body = (bits & 2) != 0 ? "no" : "";
    answer.details = "fuzz";
    callbacks.sendLocalReply(answer);
  }

  Stage& stage_;
  bool gone_ = false;
  bool complete_ = false;
};

/** The order in which one direction's message must come to a filter. */
class MessageOrder {
 public:
  void headers(bool end) {
    SLUICE_CHECK(!headers_, "headers come once");
    headers_ = true;
    ended_ = end;
  }
  void data(bool end) {
    SLUICE_CHECK(headers_ && !ended_, "data comes after the headers, and not after the end");
    ended_ = end;
  }
  void trailers() {
    SLUICE_CHECK(headers_ && !ended_, "trailers come last");
    ended_ = true;
  }
  bool began() const { return headers_; }
  bool ended() const { return ended_; }

 private:
  bool headers_ = false;
  bool ended_ = false;
};

/** Does in both directions all that filters may do. */
class ScriptFilter final : public Actor, public http::DecoderFilter, public http::EncoderFilter {
 public:
  using Actor::Actor;
  void setDecoderCallbacks(http::DecoderFilterCallbacks& callbacks) override { decoder_ = &callbacks; }
  void setEncoderCallbacks(http::EncoderFilterCallbacks& callbacks) override { encoder_ = &callbacks; }

  HeadersStatus decodeHeaders(HeaderMap& headers, bool end) override {
    SLUICE_CHECK(!gone_, "a filter is called after onDestroy()");
    request_.headers(end);
    const uint8_t bits = decide();
    if ((bits & 15) == 5 && end) {
      net::Buffer body = bytes(bits);
      decoder_->addDecodedData(body, false);
      return HeadersStatus::Continue;
    }
    return onHeaders(*decoder_, headers, bits, request_stopped_);
  }
  DataStatus decodeData(net::Buffer& data, bool end) override {
    SLUICE_CHECK(!gone_, "a filter is called after onDestroy()");
    request_.data(end);
    const uint8_t bits = decide();
    if ((bits & 15) == 5 && end && decoder_->requestTrailers() == nullptr) {
      decoder_->addDecodedTrailers().add("x-added", "1");
    } else if ((bits & 15) == 6) {
      net::Buffer moved;
      moved.move(data);
      decoder_->injectDecodedData(moved, end);
      return DataStatus::StopIterationNoBuffer;
    }
    return onBody(*decoder_, data, bits, request_stopped_);
  }
  TrailersStatus decodeTrailers(HeaderMap&) override {
    SLUICE_CHECK(!gone_, "a filter is called after onDestroy()");
    request_.trailers();
    const uint8_t bits = decide();
    if ((bits & 15) == 5) {
      net::Buffer body = bytes(bits);
      decoder_->addDecodedData(body, false);
    }
    return onTrailers(*decoder_, bits, request_stopped_);
  }

  HeadersStatus encodeInterimHeaders(HeaderMap&) override {
    SLUICE_CHECK(!gone_ && !response_.began(), "interim headers come first");
    return HeadersStatus::Continue;
  }
  HeadersStatus encodeHeaders(HeaderMap& headers, bool end) override {
    SLUICE_CHECK(!gone_, "a filter is called after onDestroy()");
    response_.headers(end);
    const uint8_t bits = decide();
    if ((bits & 15) == 5 && end) {
      net::Buffer body = bytes(bits);
      encoder_->addEncodedData(body, false);
      return HeadersStatus::Continue;
    }
    return onHeaders(*encoder_, headers, bits, response_stopped_);
  }
  DataStatus encodeData(net::Buffer& data, bool end) override {
    SLUICE_CHECK(!gone_, "a filter is called after onDestroy()");
    response_.data(end);
    const uint8_t bits = decide();
    if ((bits & 15) == 5 && end && encoder_->responseTrailers() == nullptr) {
      encoder_->addEncodedTrailers().add("x-added", "1");
    } else if ((bits & 15) == 6) {
      net::Buffer moved;
      moved.move(data);
      encoder_->injectEncodedData(moved, end);
      return DataStatus::StopIterationNoBuffer;
    }
    return onBody(*encoder_, data, bits, response_stopped_);
  }
  TrailersStatus encodeTrailers(HeaderMap&) override {
    SLUICE_CHECK(!gone_, "a filter is called after onDestroy()");
    response_.trailers();
    const uint8_t bits = decide();
    if ((bits & 15) == 5) {
      net::Buffer body = bytes(bits);
      encoder_->addEncodedData(body, false);
    }
    return onTrailers(*encoder_, bits, response_stopped_);
  }

  void act() override {
    const uint8_t bits = decide();
    switch (bits & 7) {
      case 1:
        reply(*decoder_, bits >> 4);
        return;
      case 2:
        decoder_->resetStream(http::ResetReason::Local, "fuzz");
        return;
      case 3:
        if (request_stopped_) {
          net::Buffer body = bytes(bits);
          decoder_->addDecodedData(body, (bits & 8) != 0);
        }
        return;
      default:
        break;
    }
    // What waits goes on: the response first, if both do.
    if (std::exchange(response_stopped_, false)) {
      encoder_->continueEncoding();
    } else if (std::exchange(request_stopped_, false)) {
      decoder_->continueDecoding();
    }
  }

 private:
  HeadersStatus onHeaders(http::StreamFilterCallbacks& callbacks, HeaderMap& headers, uint8_t bits, bool& stopped) {
    switch (bits & 15) {
      case 1:
        stopped = true;
        return HeadersStatus::StopIteration;
      case 2:
        stopped = true;
        return HeadersStatus::StopAllIterationAndBuffer;
      case 3:
        stopped = true;
        return HeadersStatus::StopAllIterationAndWatermark;
      case 4:
        reply(callbacks, bits >> 4);
        return HeadersStatus::StopIteration;
      case 7:
        callbacks.resetStream(http::ResetReason::Local, "fuzz");
        return HeadersStatus::StopIteration;
      case 8:
        headers.add("x-added", "1");
        headers.remove("x-removed");
        return HeadersStatus::Continue;
      case 9:
        decoder_->setBufferLimit(bits >> 4);
        return HeadersStatus::Continue;
      case 10:
        callbacks.clearRouteCache();
        return HeadersStatus::Continue;
      default:
        return HeadersStatus::Continue;
    }
  }
  DataStatus onBody(http::StreamFilterCallbacks& callbacks, net::Buffer& data, uint8_t bits, bool& stopped) {
    switch (bits & 15) {
      case 1:
        stopped = true;
        return DataStatus::StopIterationAndBuffer;
      case 2:
        stopped = true;
        return DataStatus::StopIterationAndWatermark;
      case 3:
        stopped = true;
        return DataStatus::StopIterationNoBuffer;
      case 4:
        reply(callbacks, bits >> 4);
        return DataStatus::StopIterationNoBuffer;
      case 7:
        callbacks.resetStream(http::ResetReason::Local, "fuzz");
        return DataStatus::StopIterationNoBuffer;
      case 8:
        data.append("added");
        break;
      case 9:
        data.drain(std::min<uint64_t>(data.length(), bits >> 4));
        break;
      default:
        break;
    }
    stopped = false;
    return DataStatus::Continue;
  }
  TrailersStatus onTrailers(http::StreamFilterCallbacks& callbacks, uint8_t bits, bool& stopped) {
    switch (bits & 15) {
      case 1:
        stopped = true;
        return TrailersStatus::StopIteration;
      case 4:
        reply(callbacks, bits >> 4);
        return TrailersStatus::StopIteration;
      case 7:
        callbacks.resetStream(http::ResetReason::Local, "fuzz");
        return TrailersStatus::StopIteration;
      default:
        stopped = false;
        return TrailersStatus::Continue;
    }
  }

  http::DecoderFilterCallbacks* decoder_ = nullptr;
  http::EncoderFilterCallbacks* encoder_ = nullptr;
  MessageOrder request_;
  MessageOrder response_;
  /** Waits for its continueDecoding() or continueEncoding(). */
  bool request_stopped_ = false;
  bool response_stopped_ = false;
};

/** In the router's place: answers at once or later, whole or in pieces, and in all the ways that end badly. */
class ScriptUpstream final : public Actor,
                             public http::DecoderFilter,
                             private http::DecoderFilterCallbacks::WatermarkObserver {
 public:
  using Actor::Actor;
  void setDecoderCallbacks(http::DecoderFilterCallbacks& callbacks) override {
    callbacks_ = &callbacks;
    callbacks_->addWatermarkObserver(*this);
  }
  void onDestroy() override {
    callbacks_->removeWatermarkObserver(*this);
    Actor::onDestroy();
  }
  HeadersStatus decodeHeaders(HeaderMap& headers, bool end) override {
    SLUICE_CHECK(!gone_, "the upstream is called after onDestroy()");
    request_.headers(end);
    const uint8_t bits = decide();
    if ((bits & 3) == 1 && end && recreate(headers)) {
      return HeadersStatus::StopIteration;
    }
    if (end || (bits & 3) == 2) {
      answer();
    }
    return HeadersStatus::StopIteration;
  }
  DataStatus decodeData(net::Buffer& data, bool end) override {
    SLUICE_CHECK(!gone_, "the upstream is called after onDestroy()");
    request_.data(end);
    const uint8_t bits = decide();
    if ((bits & 3) == 1) {
      // Kept, as the router keeps what it may have to send again.
      return DataStatus::StopIterationAndBuffer;
    }
    data.clear();
    if ((bits & 3) == 2) {
      pause(!paused_);
    }
    if (end && !gone_) {
      answer();
    }
    return DataStatus::StopIterationNoBuffer;
  }
  TrailersStatus decodeTrailers(HeaderMap&) override {
    SLUICE_CHECK(!gone_, "the upstream is called after onDestroy()");
    request_.trailers();
    answer();
    return TrailersStatus::StopIteration;
  }

  void act() override {
    if (!request_.began()) {
      return;
    }
    const uint8_t bits = decide();
    if ((bits & 15) == 1) {
      pause(!paused_);
    } else if ((bits & 15) == 2 && request_.ended() && !began_) {
      recreate(*callbacks_->requestHeaders());
    } else {
      answer();
    }
  }

 private:
  void onDownstreamAboveHighWatermark() override {
    SLUICE_CHECK(!std::exchange(above_, true), "watermark calls come in pairs");
  }
  void onDownstreamBelowLowWatermark() override {
    SLUICE_CHECK(std::exchange(above_, false), "watermark calls come in pairs");
  }
  void pause(bool pause) {
    paused_ = pause;
    if (pause) {
      callbacks_->onUpstreamAboveWriteBufferHighWatermark();
    } else {
      callbacks_->onUpstreamBelowWriteBufferLowWatermark();
    }
  }
  bool recreate(HeaderMap& headers) {
    if (stage_.recreated > 4) {
      return false;
    }
    headers.set(HeaderId::Path, "/again");
    if (!callbacks_->recreateStream()) {
      return false;
    }
    ++stage_.recreated;
    return true;
  }

  /** The next piece of the response. */
  void answer() {
    if (gone_ || ended_) {
      return;
    }
    const uint8_t bits = decide();
    if (began_) {
      more(bits);
    } else {
      begin(bits);
    }
  }
  HeaderMap& response(absl::string_view status) {
    HeaderMap& headers = *callbacks_->arena().make<HeaderMap>(callbacks_->arena());
    headers.add(HeaderId::Status, status);
    return headers;
  }
  void begin(uint8_t bits) {
    const bool later = (bits & 8) != 0;
    switch (bits & 7) {
      case 1:
        callbacks_->encodeInterimHeaders(response("103"));
        return;
      case 2:
        ended_ = true;
        reply(*callbacks_, bits >> 4);
        return;
      case 3:
        ended_ = true;
        callbacks_->resetStream(http::ResetReason::Local, "fuzz");
        return;
      case 4: {
        HeaderMap& headers = response("101");
        headers.add(HeaderId::Connection, "upgrade");
        headers.add(HeaderId::Upgrade, "websocket");
        start(headers, false);
        break;
      }
      case 5: {
        HeaderMap& headers = response("304");
        headers.add(HeaderId::ContentLength, "5");
        start(headers, true);
        break;
      }
      case 6:
        start(response("204"), !later);
        break;
      default: {
        HeaderMap& headers = response("200");
        headers.add("x-upstream", std::string(bits, 'h'));
        start(headers, (bits & 7) == 7);
        break;
      }
    }
    if (!gone_ && !ended_ && !later) {
      more(decide());
    }
  }
  void start(HeaderMap& headers, bool end) {
    began_ = true;
    ended_ = end;
    callbacks_->encodeHeaders(headers, end, "via_upstream");
  }
  void more(uint8_t bits) {
    switch (bits & 7) {
      case 1:
        ended_ = true;
        callbacks_->encodeTrailers(*callbacks_->arena().make<HeaderMap>(callbacks_->arena()));
        return;
      case 2: {
        ended_ = true;
        HeaderMap& trailers = *callbacks_->arena().make<HeaderMap>(callbacks_->arena());
        trailers.add("grpc-status", "0");
        callbacks_->encodeTrailers(trailers);
        return;
      }
      case 3:
        ended_ = true;
        callbacks_->resetStream(http::ResetReason::Local, "fuzz");
        return;
      case 4:
        ended_ = true;
        reply(*callbacks_, bits >> 4);
        return;
      default: {
        ended_ = (bits & 8) == 0;
        net::Buffer data = bytes(static_cast<size_t>(bits >> 4) * ((bits & 7) == 7 ? 8192 : 7));
        callbacks_->encodeData(data, ended_);
        return;
      }
    }
  }

  http::DecoderFilterCallbacks* callbacks_ = nullptr;
  MessageOrder request_;
  bool began_ = false;
  bool ended_ = false;
  bool paused_ = false;
  bool above_ = false;
};

class ScriptFilterConfig final : public http::HttpFilterConfig {
 public:
  explicit ScriptFilterConfig(Stage& stage) : stage_(stage) {}
  void addTo(http::FilterChainBuilder& chain) const override {
    chain.addFilter(*chain.arena().make<ScriptFilter>(stage_));
  }

 private:
  Stage& stage_;
};

class ScriptUpstreamConfig final : public http::HttpFilterConfig {
 public:
  explicit ScriptUpstreamConfig(Stage& stage) : stage_(stage) {}
  void addTo(http::FilterChainBuilder& chain) const override {
    chain.addDecoderFilter(*chain.arena().make<ScriptUpstream>(stage_));
  }
  bool isTerminal() const override { return true; }

 private:
  Stage& stage_;
};

}  // namespace sluice::fuzz
