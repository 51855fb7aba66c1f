#pragma once

#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "source/grpc/upstreams.h"

namespace sluice::test {

/**
 * Clusters whose answers the test gives. A request to one that is not in `clusters` finds no cluster. With `ready` false
 * streams wait for becomeReady() or fail().
 */
class FakeUpstreams : public grpc::Upstreams {
 public:
  class Stream : public cluster::HttpUpstream, http::StreamSender {
   public:
    Stream(FakeUpstreams& owner, size_t number, http::StreamReceiver& receiver,
           cluster::HttpUpstreamCallbacks& callbacks)
        : owner_(owner), number_(number), receiver_(receiver), callbacks_(callbacks) {}
    ~Stream() override { owner_.streams_[number_] = nullptr; }

    // What tests do.

    void becomeReady() { callbacks_.onPoolReady({this, nullptr, http::Protocol::Http2}); }
    void failToConnect(cluster::PoolFailure failure, absl::string_view details) {
      callbacks_.onPoolFailure(failure, details);
    }
    void answerHeaders(const std::vector<std::pair<std::string, std::string>>& fields, bool end_stream) {
      receiver_.onHeaders(makeHeaders(fields), end_stream);
    }
    void answerData(absl::string_view bytes, bool end_stream) {
      net::Buffer data;
      data.append(bytes);
      receiver_.onData(data, end_stream);
    }
    void answerTrailers(const std::vector<std::pair<std::string, std::string>>& fields) {
      receiver_.onTrailers(makeHeaders(fields));
    }
    void answer(absl::string_view status, const std::vector<std::pair<std::string, std::string>>& fields,
                absl::string_view body) {
      auto all = fields;
      all.insert(all.begin(), {":status", std::string(status)});
      answerHeaders(all, body.empty());
      if (!body.empty()) {
        answerData(body, true);
      }
    }
    void reset(http::ResetReason reason, absl::string_view details) { receiver_.onReset(reason, details); }

    // HttpUpstream

    void start() override {
      if (owner_.ready) {
        becomeReady();
      }
    }
    const std::shared_ptr<cluster::Endpoint>& endpoint() const override { return none_; }
    const cluster::EndpointSet::Entry* entry() const override { return nullptr; }
    cluster::EndpointRequests& requests() const override { std::abort(); }
    void describe(net::UpstreamInfo&) const override {}
    void onStreamEnd(std::optional<http::ResetReason>) override { owner_.requests[number_].ended = true; }
    void reset(http::ResetReason) override { owner_.requests[number_].reset = true; }

   private:
    http::HeaderMap& makeHeaders(const std::vector<std::pair<std::string, std::string>>& fields) {
      auto* map = receiver_.arena().make<http::HeaderMap>(receiver_.arena());
      for (const auto& [name, value] : fields) {
        map->add(name, value);
      }
      return *map;
    }

    // StreamSender

    void sendHeaders(const http::HeaderMap& headers, bool end_stream) override {
      headers.forEach([this](const http::Header& h) {
        owner_.requests[number_].headers.push_back(absl::StrCat(h.name, ": ", h.value));
      });
      owner_.requests[number_].complete = end_stream;
    }
    void sendInterimHeaders(const http::HeaderMap&) override {}
    void sendData(net::Buffer& data, bool end_stream) override {
      owner_.requests[number_].body += data.toString();
      data.clear();
      owner_.requests[number_].complete = end_stream;
    }
    void sendTrailers(const http::HeaderMap&) override {}
    void readDisable(bool disable) override { owner_.requests[number_].read_disables += disable ? 1 : -1; }
    uint64_t bufferedBytes() const override { return 0; }
    uint64_t wireBytesSent() const override { return 0; }
    uint64_t wireBytesReceived() const override { return 0; }
    uint64_t headerWireBytesSent() const override { return 0; }
    uint64_t headerWireBytesReceived() const override { return 0; }
    uint32_t streamId() const override { return 1; }

    FakeUpstreams& owner_;
    const size_t number_;
    http::StreamReceiver& receiver_;
    cluster::HttpUpstreamCallbacks& callbacks_;
    const std::shared_ptr<cluster::Endpoint> none_;
  };

  /** What was asked of a cluster, and how it ended. */
  struct Request {
    std::string cluster;
    std::vector<std::string> headers;
    std::string body;
    bool complete = false;
    bool ended = false;
    bool reset = false;
    int read_disables = 0;

    bool has(absl::string_view line) const {
      for (const std::string& each : headers) {
        if (each == line) {
          return true;
        }
      }
      return false;
    }
  };

  Opened open(absl::string_view cluster, const http::HeaderMap&, http::StreamReceiver& receiver,
              cluster::HttpUpstreamCallbacks& callbacks, const cluster::HttpStreamOptions&) const override {
    auto& self = const_cast<FakeUpstreams&>(*this);
    if (cluster != known) {
      return {};
    }
    self.requests.push_back({std::string(cluster), {}, {}});
    auto stream = std::make_unique<Stream>(self, self.requests.size() - 1, receiver, callbacks);
    self.streams_.push_back(stream.get());
    return {std::move(stream), {}};
  }

  cluster::LocalInfo info(absl::string_view) const override { return {}; }

  /** The stream of the newest request; null when it has been given up. */
  Stream* last() { return streams_.empty() ? nullptr : streams_.back(); }
  bool underWay() { return last() != nullptr; }

  std::string known = "service";
  bool ready = true;
  std::vector<Request> requests;

 private:
  std::vector<Stream*> streams_;
};

/** A message as gRPC frames it. */
inline std::string grpcFrame(absl::string_view message) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>(message.size() >> shift & 0xff);
  }
  return out + std::string(message);
}

}  // namespace sluice::test
