#include "source/cluster/cares_resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/base/assert.h"
#include "source/base/logging.h"

namespace sluice::cluster {

namespace {

/** The library's own start and end, for as long as the process has a resolver. */
struct Library {
  Library() { SLUICE_CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS, "c-ares does not start"); }
  ~Library() { ares_library_cleanup(); }
};

/** The servers know that there is nothing. */
bool isEmptyAnswer(int status) { return status == ARES_ENODATA || status == ARES_ENOTFOUND; }

}  // namespace

/**
 * One name with the families that are asked for one after the other. It is c-ares' for as long as that has a question of
 * it, and deletes itself with the last answer; its owner, the Query, may go before.
 */
struct CaresResolver::Lookup : public event::IntrusiveTask {
  Lookup(CaresResolver& owner, std::string host, Callback function)
      : resolver(owner), name(std::move(host)), callback(std::move(function)) {}

  CaresResolver& resolver;
  const std::string name;
  Callback callback;
  /** AF_UNSPEC when there is none. */
  int next_family = AF_UNSPEC;
  /** c-ares will still answer. */
  bool open = false;
  /** A family could not be asked for: that the other has nothing says little. */
  bool failed = false;
  DnsAnswer answer;
  Query* query = nullptr;

  /** Tells the outcome, in a turn of its own. */
  void run() override;
};

class CaresResolver::Query final : public DnsQuery {
 public:
  explicit Query(Lookup& lookup) : lookup_(&lookup) { lookup.query = this; }
  ~Query() override {
    if (lookup_ == nullptr) {
      return;
    }
    lookup_->query = nullptr;
    lookup_->callback = nullptr;
    if (!lookup_->open) {
      delete lookup_;
    }
  }
  void forget() { lookup_ = nullptr; }

 private:
  Lookup* lookup_;
};

void CaresResolver::Lookup::run() {
  const std::unique_ptr<Lookup> self(this);
  if (query != nullptr) {
    query->forget();
    query = nullptr;
    // Last: it may destroy the query, and the resolver's user with it.
    std::exchange(callback, nullptr)(std::move(answer));
  }
}

struct CaresResolver::Watched {
  std::unique_ptr<event::FileEvent> event;
};

CaresResolver::CaresResolver(event::Dispatcher& main, std::string servers)
    : main_(main),
      servers_(std::move(servers)),
      timer_(main.createTimer([this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); })) {
  static const Library library;
}

CaresResolver::~CaresResolver() { closeChannel(); }

absl::Status CaresResolver::ensureChannel() {
  if (channel_ != nullptr && renew_channel_ && asked_ == 0) {
    closeChannel();
  }
  if (channel_ != nullptr) {
    return absl::OkStatus();
  }
  renew_channel_ = false;
  ares_options options{};
  options.sock_state_cb = &CaresResolver::onSocketState;
  options.sock_state_cb_data = this;
  int status = ares_init_options(&channel_, &options, ARES_OPT_SOCK_STATE_CB);
  if (status == ARES_SUCCESS && !servers_.empty()) {
    status = ares_set_servers_ports_csv(channel_, servers_.c_str());
  }
  if (status != ARES_SUCCESS) {
    closeChannel();
    return absl::UnavailableError(absl::StrCat("c-ares: ", ares_strerror(status)));
  }
  return absl::OkStatus();
}

void CaresResolver::closeChannel() {
  if (channel_ != nullptr) {
    // Answers every open question with ARES_EDESTRUCTION.
    ares_destroy(std::exchange(channel_, nullptr));
    watched_.clear();
  }
}

std::unique_ptr<DnsQuery> CaresResolver::resolve(const std::string& name, DnsFamily family, Callback callback) {
  auto* lookup = new Lookup(*this, name, std::move(callback));
  auto query = std::make_unique<Query>(*lookup);
  // c-ares would ask its servers for a number of the other family.
  if (const absl::StatusOr<net::Address> literal = net::Address::ip(name, 0); literal.ok()) {
    lookup->answer.status = DnsStatus::Completed;
    lookup->answer.addresses.push_back(*literal);
    main_.runNextTurn(*lookup);
    return query;
  }
  const absl::Status channel = ensureChannel();
  if (!channel.ok()) {
    lookup->answer.details = std::string(channel.message());
    main_.runNextTurn(*lookup);
    return query;
  }
  int first = AF_UNSPEC;
  switch (family) {
    case DnsFamily::Auto:
      first = AF_INET6;
      lookup->next_family = AF_INET;
      break;
    case DnsFamily::V4Preferred:
      first = AF_INET;
      lookup->next_family = AF_INET6;
      break;
    case DnsFamily::V4Only:
      first = AF_INET;
      break;
    case DnsFamily::V6Only:
      first = AF_INET6;
      break;
    case DnsFamily::All:
      break;
  }
  ask(*lookup, first);
  armTimer();
  return query;
}

void CaresResolver::ask(Lookup& lookup, int family) {
  ++asked_;
  lookup.open = true;
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  // One entry for each address, and no sorting by trial connections.
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(channel_, lookup.name.c_str(), nullptr, &hints, &CaresResolver::onAddressInfo, &lookup);
}

void CaresResolver::onAddressInfo(void* argument, int status, int, ares_addrinfo* result) {
  auto* lookup = static_cast<Lookup*>(argument);
  lookup->resolver.onResult(*lookup, status, result);
}

void CaresResolver::onResult(Lookup& lookup, int status, ares_addrinfo* result) {
  --asked_;
  lookup.open = false;
  if (lookup.query == nullptr) {
    // Nobody waits for it any more.
    ares_freeaddrinfo(result);
    delete &lookup;
    return;
  }
  DnsAnswer& answer = lookup.answer;
  if (status == ARES_SUCCESS) {
    answer.status = DnsStatus::Completed;
    for (const ares_addrinfo_node* node = result->nodes; node != nullptr; node = node->ai_next) {
      answer.addresses.push_back(net::Address::fromSockaddr(node->ai_addr, node->ai_addrlen));
      if (node->ai_ttl > 0) {
        const std::chrono::seconds ttl(node->ai_ttl);
        answer.ttl = answer.ttl.has_value() ? std::min(*answer.ttl, ttl) : ttl;
      }
    }
  } else if (isEmptyAnswer(status)) {
    answer.status = lookup.failed ? DnsStatus::Failed : DnsStatus::Completed;
  } else {
    lookup.failed = true;
    answer.status = DnsStatus::Failed;
    answer.details = ares_strerror(status);
    if (status == ARES_ECONNREFUSED || status == ARES_ETIMEOUT) {
      renew_channel_ = true;
    }
  }
  ares_freeaddrinfo(result);
  if (answer.addresses.empty() && lookup.next_family != AF_UNSPEC && status != ARES_EDESTRUCTION &&
      status != ARES_ECANCELLED && channel_ != nullptr) {
    ask(lookup, std::exchange(lookup.next_family, AF_UNSPEC));
    return;
  }
  main_.runNextTurn(lookup);
}

void CaresResolver::onSocketState(void* argument, ares_socket_t fd, int readable, int writable) {
  auto* resolver = static_cast<CaresResolver*>(argument);
  if (readable == 0 && writable == 0) {
    resolver->watched_.erase(fd);
    return;
  }
  const uint32_t bits = (readable != 0 ? event::ready::kRead : 0) | (writable != 0 ? event::ready::kWrite : 0);
  std::unique_ptr<Watched>& watched = resolver->watched_[fd];
  if (watched != nullptr) {
    watched->event->setEnabled(bits);
    return;
  }
  watched = std::make_unique<Watched>();
  watched->event = resolver->main_.createFileEvent(fd, event::Trigger::Level, bits, [resolver, fd](uint32_t ready) {
    resolver->process((ready & event::ready::kRead) != 0 ? fd : ARES_SOCKET_BAD,
                      (ready & event::ready::kWrite) != 0 ? fd : ARES_SOCKET_BAD);
  });
}

void CaresResolver::process(ares_socket_t readable, ares_socket_t writable) {
  if (channel_ == nullptr) {
    return;
  }
  ares_process_fd(channel_, readable, writable);
  armTimer();
}

void CaresResolver::armTimer() {
  timeval storage{};
  const timeval* next = channel_ == nullptr ? nullptr : ares_timeout(channel_, nullptr, &storage);
  if (next == nullptr) {
    timer_->disable();
    return;
  }
  // Rounded up: c-ares finds nothing due a microsecond early, and would be asked again at once.
  timer_->enable(std::chrono::milliseconds(next->tv_sec * 1000 + next->tv_usec / 1000 + 1));
}

}  // namespace sluice::cluster
