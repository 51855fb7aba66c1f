#include "source/tls/socket_bio.h"

#include <sys/socket.h>

#include <cerrno>

namespace sluice::tls {
namespace {

int readBio(BIO* bio, char* data, int size) {
  auto* io = static_cast<SocketIo*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (io == nullptr || io->fd < 0) {
    return -1;
  }
  if (io->ended) {
    return 0;
  }
  if (io->drained && !io->until_end) {
    BIO_set_retry_read(bio);
    return -1;
  }
  while (true) {
    const ssize_t received = ::recv(io->fd, data, size, 0);
    if (received > 0) {
      io->drained = received < size;
      return static_cast<int>(received);
    }
    if (received == 0) {
      io->ended = true;
      return 0;
    }
    if (errno == EINTR) {
      continue;
    }
    if (errno == EAGAIN) {
      io->drained = true;
      io->until_end = false;
      BIO_set_retry_read(bio);
    } else {
      io->error = errno;
    }
    return -1;
  }
}

/** Takes everything: what the descriptor does not is kept. */
int writeBio(BIO* bio, const char* data, int size) {
  auto* io = static_cast<SocketIo*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (io == nullptr || io->fd < 0 || size <= 0) {
    return -1;
  }
  int sent = 0;
  while (!io->corked && io->out.empty()) {
    const ssize_t part = ::send(io->fd, data, size, MSG_NOSIGNAL);
    if (part >= 0) {
      sent = static_cast<int>(part);
    } else if (errno == EINTR) {
      continue;
    } else if (errno != EAGAIN) {
      io->error = errno;
      return -1;
    }
    break;
  }
  if (sent < size) {
    io->out.append({data + sent, static_cast<size_t>(size - sent)});
  }
  return size;
}

long controlBio(BIO* bio, int command, long, void* pointer) {
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
      return 1;
    case BIO_C_GET_FD: {
      const auto* io = static_cast<SocketIo*>(BIO_get_data(bio));
      const int fd = io == nullptr ? -1 : io->fd;
      if (pointer != nullptr) {
        *static_cast<int*>(pointer) = fd;
      }
      return fd;
    }
    case BIO_CTRL_EOF: {
      const auto* io = static_cast<SocketIo*>(BIO_get_data(bio));
      return io != nullptr && io->ended ? 1 : 0;
    }
    default:
      return 0;
  }
}

BIO_METHOD* method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "sluice");
    BIO_meth_set_read(method, readBio);
    BIO_meth_set_write(method, writeBio);
    BIO_meth_set_ctrl(method, controlBio);
    return method;
  }();
  return made;
}

}  // namespace

bool SocketIo::flush() {
  while (!out.empty()) {
    if (out.writeTo(fd) < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (errno == EAGAIN) {
        return true;
      }
      error = errno;
      return false;
    }
  }
  return true;
}

BIO* makeSocketBio(SocketIo& io) {
  BIO* bio = BIO_new(method());
  BIO_set_data(bio, &io);
  BIO_set_init(bio, 1);
  return bio;
}

void detachSocketBio(SSL* ssl) {
  if (BIO* bio = SSL_get_rbio(ssl); bio != nullptr) {
    BIO_set_data(bio, nullptr);
  }
}

}  // namespace sluice::tls
