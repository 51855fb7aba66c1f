#include "source/filters/http/shadow_requests.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "source/base/arena.h"
#include "source/cluster/http_upstream.h"
#include "source/event/deadline.h"

namespace sluice::filters {
namespace {

using http::HeaderId;

/** Of copies whose request has no timeout: nobody waits for them, so nobody else would end them. */
constexpr std::chrono::minutes kLongest{5};

/** "host:80" to "host-shadow:80". */
std::string shadowHost(absl::string_view host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.find(':', bracket == absl::string_view::npos ? 0 : bracket);
  const size_t name = colon == absl::string_view::npos ? host.size() : colon;
  return absl::StrCat(host.substr(0, name), "-shadow", host.substr(name));
}

}  // namespace

/** One copy on its way. */
class ShadowRequests::Request final : public event::DeferredDeletable,
                                      private http::StreamReceiver,
                                      private cluster::HttpUpstreamCallbacks {
 public:
  Request(ShadowRequests& owner, const http::HeaderMap& headers, const net::Buffer* body,
          const http::HeaderMap* trailers)
      : owner_(owner), headers_(arena_) {
    headers_.copyFrom(headers);
    if (body != nullptr) {
      body->forEachSlice([this](absl::string_view bytes) { body_.append(bytes); });
    }
    if (trailers != nullptr) {
      trailers_ = arena_.make<http::HeaderMap>(arena_);
      trailers_->copyFrom(*trailers);
    }
  }
  ~Request() override {
    deadline_.cancel();
    upstream_.reset();
  }

  http::HeaderMap& headers() { return headers_; }

  void start(cluster::LocalCluster& cluster, std::chrono::milliseconds timeout, http::Protocol protocol) {
    cluster::LoadBalancerContext context;
    context.request_headers = &headers_;
    cluster::HttpStreamOptions options;
    options.downstream_protocol = protocol;
    codes_ = cluster.info().codes;
    upstream_ = cluster.newHttpStream(*this, *this, context, options);
    owner_.dispatcher_.deadlines().set(deadline_, timeout > std::chrono::milliseconds(0) ? timeout : kLongest);
    upstream_->start();
  }

 private:
  base::Arena& arena() override { return arena_; }

  void onPoolReady(const cluster::UpstreamStream& stream) override {
    http::StreamSender& sender = *stream.sender;
    const bool body = !body_.empty();
    sent_ = !body && trailers_ == nullptr;
    sender.sendHeaders(headers_, sent_);
    if (body && !over_) {
      sent_ = trailers_ == nullptr;
      sender.sendData(body_, sent_);
    }
    if (trailers_ != nullptr && !over_) {
      sent_ = true;
      sender.sendTrailers(*trailers_);
    }
  }
  void onPoolFailure(cluster::PoolFailure, absl::string_view) override { fail(503); }

  void onHeaders(http::HeaderMap& headers, bool end_stream) override {
    uint32_t status = 0;
    if (absl::SimpleAtoi(headers.get(HeaderId::Status), &status)) {
      count(status);
    }
    endIf(end_stream);
  }
  void onInterimHeaders(http::HeaderMap&) override {}
  void onData(net::Buffer&, bool end_stream) override { endIf(end_stream); }
  void onTrailers(http::HeaderMap&) override { endIf(true); }
  void onReset(http::ResetReason reason, absl::string_view) override {
    upstream_->onStreamEnd(reason);
    fail(503);
  }
  void onAboveWriteBufferHighWatermark() override {}
  void onBelowWriteBufferLowWatermark() override {}

  void endIf(bool end_stream) {
    if (!end_stream || over_) {
      return;
    }
    if (sent_) {
      upstream_->onStreamEnd();
    } else {
      upstream_->reset(http::ResetReason::Local);
    }
    over();
  }
  void onTimeout() {
    upstream_->reset(http::ResetReason::Local);
    fail(504);
  }
  void fail(uint32_t status) {
    if (!answered_) {
      count(status);
    }
    over();
  }
  /** Nobody outside asked for a copy. */
  void count(uint32_t status) {
    answered_ = true;
    codes_->all.countResponse(status);
    codes_->internal.countResponse(status);
  }
  void over() {
    if (!over_) {
      over_ = true;
      deadline_.cancel();
      owner_.remove(*this);
    }
  }

  ShadowRequests& owner_;
  base::Arena arena_;
  http::HeaderMap headers_;
  http::HeaderMap* trailers_ = nullptr;
  net::Buffer body_;
  std::unique_ptr<cluster::HttpUpstream> upstream_;
  event::MemberDeadline<Request, &Request::onTimeout> deadline_{*this};
  std::shared_ptr<const cluster::ClusterCodeStats> codes_;
  bool sent_ = false;
  bool answered_ = false;
  bool over_ = false;
};

ShadowRequests::ShadowRequests(event::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

ShadowRequests::~ShadowRequests() = default;

void ShadowRequests::send(cluster::LocalCluster& cluster, const http::HeaderMap& headers, const net::Buffer* body,
                          const http::HeaderMap* trailers, std::chrono::milliseconds timeout, bool append_shadow,
                          http::Protocol downstream_protocol) {
  auto request = std::make_unique<Request>(*this, headers, body, trailers);
  if (append_shadow) {
    request->headers().set(HeaderId::Authority, shadowHost(headers.get(HeaderId::Authority)));
  }
  Request& started = *request;
  requests_.emplace(&started, std::move(request));
  started.start(cluster, timeout, downstream_protocol);
}

void ShadowRequests::remove(Request& request) {
  const auto found = requests_.find(&request);
  if (found != requests_.end()) {
    // Its frames are on the stack.
    dispatcher_.deferredDelete(std::move(found->second));
    requests_.erase(found);
  }
}

}  // namespace sluice::filters
