#include "source/listener/listen_sockets.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::listener {
namespace {

uint64_t nextId() {
  static uint64_t last = 0;  // main's alone
  return ++last;
}

}  // namespace

ListenSockets::ListenSockets(const net::ListenSocketOptions& options)
    : id_(nextId()), options_(options), address_(options.address) {}

absl::StatusOr<std::shared_ptr<ListenSockets>> ListenSockets::bind(const net::ListenSocketOptions& options,
                                                                   uint32_t workers, bool open) {
  std::shared_ptr<ListenSockets> made(new ListenSockets(options));
  if (!open) {
    return made;
  }
  absl::StatusOr<net::Socket> first = net::bindListenSocket(options);
  if (!first.ok()) {
    return first.status();
  }
  absl::StatusOr<net::Address> bound = net::localAddress(*first);
  if (!bound.ok()) {
    return bound.status();
  }
  made->address_ = *std::move(bound);
  made->sockets_.push_back(*std::move(first));
  if (options.address.kind() == net::Address::Kind::Pipe) {
    return made;
  }
  net::ListenSocketOptions same_port = options;
  same_port.address = options.address.withPort(made->address_.port());
  for (uint32_t i = 1; i < workers; ++i) {
    if (options.reuse_port) {
      absl::StatusOr<net::Socket> next = net::bindListenSocket(same_port);
      if (!next.ok()) {
        return next.status();
      }
      made->sockets_.push_back(*std::move(next));
      continue;
    }
    net::Socket copy(::fcntl(made->sockets_.front().fd(), F_DUPFD_CLOEXEC, 0));
    if (!copy.isOpen()) {
      return absl::Status(absl::ErrnoToStatusCode(errno),
                          absl::StrCat("cannot share '", made->address_.toString(), "': ", strerror(errno)));
    }
    made->sockets_.push_back(std::move(copy));
  }
  return made;
}

absl::Status ListenSockets::listen(int backlog) {
  for (const net::Socket& socket : sockets_) {
    if (absl::Status status = net::startListening(socket, options_, backlog); !status.ok()) {
      return status;
    }
    if (!options_.reuse_port) {
      // The others are the same socket.
      break;
    }
  }
  return absl::OkStatus();
}

void ListenSockets::takeFor(uint32_t worker, std::vector<WorkerSocket>& sockets) {
  if (worker >= sockets_.size()) {
    return;
  }
  const bool exact = !address_.isAnyAddress() && !options_.transparent;
  sockets.push_back({id_, std::move(sockets_[worker]), address_, exact, address_.kind() == net::Address::Kind::Pipe});
}

}  // namespace sluice::listener
