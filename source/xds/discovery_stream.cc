#include "source/xds/discovery_stream.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/base/assert.h"
#include "source/base/logging.h"

namespace sluice::xds {
namespace {

/** Messages on their way through the decoder and main at one time. */
constexpr int kMessagesAtOnce = 4;

}  // namespace

DiscoveryStream::DiscoveryStream(event::Dispatcher& main, stats::Scope& root, base::Random& random,
                                 std::unique_ptr<Transport> transport, std::string name, Options options, Owner& owner)
    : main_(main),
      random_(random),
      name_(std::move(name)),
      options_(std::move(options)),
      owner_(owner),
      back_off_(options_.back_off_base, options_.back_off_max),
      scope_(root.createScope(options_.stat_scope)),
      connected_state_(scope_->gauge("connected_state")),
      pending_requests_(scope_->gauge("pending_requests")),
      rate_limit_enforced_(scope_->counter("rate_limit_enforced")),
      transport_(std::move(transport)),
      retry_(main.createTimer([this] { open(); })),
      rate_timer_(main.createTimer([this] { sendPending(); })) {
  scope_->setText("identifier", "");
  if (options_.rate_limit.has_value()) {
    tokens_ = options_.rate_limit->max_tokens;
    tokens_at_ = main_.now();
  }
}

DiscoveryStream::~DiscoveryStream() { connected_state_.set(0); }

void DiscoveryStream::start() {
  if (!std::exchange(started_, true)) {
    open();
  }
}

void DiscoveryStream::open() {
  SLUICE_CHECK(main_.isThreadSafe() && stream_ == nullptr, "one stream at a time, and on main");
  ++number_;
  absl::StatusOr<std::unique_ptr<Stream>> stream = transport_->open(*this);
  if (!stream.ok()) {
    closed(stream.status().message());
    return;
  }
  stream_ = *std::move(stream);
  for (int i = 0; i < kMessagesAtOnce; ++i) {
    stream_->allowRead();
  }
  owner_.onStreamOpened();
}

void DiscoveryStream::onConnected() {
  connected_state_.set(1);
  LOG_INFO(config, "connected to the control plane {}", name_);
}

void DiscoveryStream::onMessage(grpc::ByteBuffer message) { owner_.onStreamMessage(std::move(message)); }

void DiscoveryStream::onClosed(absl::Status status) {
  closed(status.ok() ? std::string("the control plane ended the stream")
                     : absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message()));
}

void DiscoveryStream::reset(absl::string_view reason) {
  if (stream_ != nullptr) {
    closed(reason);
  }
}

void DiscoveryStream::closed(absl::string_view reason) {
  const std::chrono::milliseconds pause = back_off_.next(random_);
  LOG_WARNING(config, "the stream to the control plane {} is closed; trying again in {} ms: {}", name_, pause.count(),
              reason);
  connected_state_.set(0);
  stream_.reset();
  pending_.clear();
  pending_requests_.set(0);
  rate_timer_->disable();
  retry_->enable(pause);
  owner_.onStreamClosed();
}

void DiscoveryStream::send(std::string message) {
  if (stream_ == nullptr) {
    return;
  }
  if (!options_.rate_limit.has_value()) {
    stream_->send(std::move(message));
    return;
  }
  pending_.push_back(std::move(message));
  sendPending();
}

void DiscoveryStream::sendPending() {
  const RateLimit& limit = *options_.rate_limit;
  const double passed = std::chrono::duration<double>(main_.now() - tokens_at_).count();
  tokens_at_ = main_.now();
  tokens_ = std::min<double>(limit.max_tokens, tokens_ + passed * limit.tokens_per_second);
  while (!pending_.empty() && tokens_ >= 1) {
    tokens_ -= 1;
    stream_->send(std::move(pending_.front()));
    pending_.pop_front();
  }
  pending_requests_.set(pending_.size());
  if (!pending_.empty() && !rate_timer_->enabled()) {
    rate_limit_enforced_.inc();
    rate_timer_->enable(
        std::chrono::milliseconds(static_cast<int64_t>(std::ceil((1 - tokens_) / limit.tokens_per_second * 1000))));
  }
}

void DiscoveryStream::messageConsumed(uint64_t number) {
  if (stream_ != nullptr && number == number_) {
    stream_->allowRead();
  }
}

void DiscoveryStream::setIdentifier(const std::string& identifier) {
  if (!identifier.empty() && identifier != identifier_) {
    identifier_ = identifier;
    scope_->setText("identifier", identifier);
  }
}

}  // namespace sluice::xds
