#include "source/filters/http/jwt_remote_keys.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/base/logging.h"
#include "source/base/random.h"

namespace sluice::filters {
namespace {

constexpr uint64_t kMaxKeySetBytes = 4 * 1024 * 1024;
/** Anew this long before they are out of date, so that no request finds them so. */
constexpr std::chrono::milliseconds kAhead(5000);

}  // namespace

void JwtKeysWaiter::unlink() {
  if (before_ == nullptr) {
    return;
  }
  *before_ = after_;
  if (after_ != nullptr) {
    after_->before_ = before_;
  }
  before_ = nullptr;
  after_ = nullptr;
}

JwtRemoteKeys::Local::~Local() {
  while (waiters != nullptr) {
    waiters->unlink();
  }
}

JwtRemoteKeys::JwtRemoteKeys(JwtRemoteSettings settings, event::Dispatcher& main, thread::SlotAllocator& slots,
                             const grpc::Upstreams& upstreams, const JwtFetchStats& stats, xds::InitManager& init)
    : settings_(std::move(settings)),
      main_(main),
      upstreams_(upstreams),
      stats_(stats),
      slot_(slots, [](event::Dispatcher& dispatcher) { return std::make_unique<Local>(dispatcher); }) {
  if (!settings_.async) {
    return;
  }
  if (settings_.fast_listener) {
    fetch();
    return;
  }
  init_ = std::make_unique<xds::InitTarget>(absl::StrCat("JWT key set of cluster ", settings_.cluster),
                                            [this] { fetch(); });
  init.add(*init_);
}

std::shared_ptr<const JwtKeys> JwtRemoteKeys::keys() const {
  const Local* const local = slot_.get();
  return local == nullptr || local->dispatcher.now() >= local->good_until ? nullptr : local->keys;
}

void JwtRemoteKeys::wait(JwtKeysWaiter& waiter) const {
  Local* const local = slot_.get();
  waiter.unlink();
  waiter.before_ = &local->waiters;
  waiter.after_ = local->waiters;
  if (local->waiters != nullptr) {
    local->waiters->before_ = &waiter.after_;
  }
  local->waiters = &waiter;
  if (!std::exchange(local->asked, true)) {
    main_.post([ref = anchor_.ref()] {
      if (JwtRemoteKeys* const self = ref.get(); self != nullptr) {
        self->fetch();
      }
    });
  }
}

void JwtRemoteKeys::fetch() {
  if (call_ != nullptr) {
    return;
  }
  if (timer_.pending() && retrying_) {
    return;
  }
  timer_.cancel();
  retries_left_ = settings_.retry.max_retries;
  back_off_ = settings_.retry.base;
  begin();
}

void JwtRemoteKeys::begin() {
  retrying_ = false;
  call_ = std::make_unique<grpc::HttpCall>(upstreams_, main_, *this);
  http::HeaderMap& headers = call_->headers();
  headers.addView(http::HeaderId::Method, "GET");
  headers.add(http::HeaderId::Path, settings_.path);
  headers.add(http::HeaderId::Authority, settings_.host);
  grpc::HttpCall::Options options;
  options.cluster = settings_.cluster;
  options.timeout = settings_.timeout;
  options.max_response_bytes = kMaxKeySetBytes;
  net::Buffer nothing;
  call_->start(options, nothing);
}

void JwtRemoteKeys::onTimer() {
  if (retrying_) {
    begin();
  } else {
    fetch();
  }
}

void JwtRemoteKeys::onResponse(const grpc::HttpResponse& response) {
  call_.reset();
  if (response.status != 200) {
    onFailed(absl::StrCat("HTTP status ", response.status), settings_.retry.on_5xx && response.status >= 500);
    return;
  }
  JwtStatus status = JwtStatus::Ok;
  std::shared_ptr<const JwtKeys> keys = JwtKeys::parse(response.body.toString(), status);
  if (keys == nullptr) {
    onFailed(jwtStatusText(status), false);
    return;
  }
  stats_.jwks_fetch_success.inc();
  if (settings_.async) {
    const auto after =
        settings_.cache_duration > 2 * kAhead ? settings_.cache_duration - kAhead : settings_.cache_duration / 2;
    main_.deadlines().set(timer_, std::max(after, std::chrono::milliseconds(1)));
  }
  deliver(std::move(keys));
}

void JwtRemoteKeys::onFailure(grpc::CallFailure, absl::string_view text) {
  const std::string why(text);
  call_.reset();
  onFailed(why, true);
}

void JwtRemoteKeys::onFailed(absl::string_view why, bool retriable) {
  LOG_WARNING(jwt, "the key set at {}{} (cluster {}) cannot be fetched: {}", settings_.host, settings_.path,
              settings_.cluster, why);
  if (retriable && retries_left_ > 0) {
    --retries_left_;
    retrying_ = true;
    const std::chrono::milliseconds pause(base::threadRandom().below(static_cast<uint64_t>(back_off_.count()) + 1));
    back_off_ = std::min(back_off_ * 2, settings_.retry.max);
    main_.deadlines().set(timer_, pause);
    return;
  }
  stats_.jwks_fetch_failed.inc();
  if (settings_.async) {
    main_.deadlines().set(timer_, settings_.failed_refetch);
  }
  deliver(nullptr);
}

void JwtRemoteKeys::deliver(std::shared_ptr<const JwtKeys> keys) {
  slot_.runOnAllThreads([keys = std::move(keys), duration = settings_.cache_duration](Local& local) {
    // Keys that are there stay as long as they are good when a fetch fails.
    if (keys != nullptr) {
      local.keys = keys;
      local.good_until = local.dispatcher.now() + duration;
    }
    local.asked = false;
    // One that is told may wait again: those that wait now are told, and no others.
    JwtKeysWaiter* list = std::exchange(local.waiters, nullptr);
    if (list != nullptr) {
      list->before_ = &list;
    }
    while (list != nullptr) {
      JwtKeysWaiter& waiter = *list;
      waiter.unlink();
      waiter.onKeys();
    }
  });
  if (init_ != nullptr) {
    init_->ready();
  }
}

}  // namespace sluice::filters
