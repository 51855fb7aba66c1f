#pragma once

#include "source/net/buffer.h"
#include "source/tls/openssl_handles.h"

namespace sluice::tls {

/**
 * The way between OpenSSL and a connection's descriptor. It asks the kernel no more often than it must: a read that came
 * back short has emptied the socket, as edge-triggered events have it, and writes are held together (`corked`). Part of a
 * transport socket, its thread.
 */
struct SocketIo {
  int fd = -1;
  /** The last read came back short: there is nothing more, unless `until_end`. */
  bool drained = false;
  bool until_end = false;
  /** The peer's end was read. */
  bool ended = false;
  /** Writes go to `out`: more follow, to be sent with them. */
  bool corked = false;
  /** errno of a failure. */
  int error = 0;
  /** Ciphered bytes that are not sent yet, in their order. */
  net::Buffer out;

  /** Sends what is in `out`, as far as the descriptor takes it. False after an error. */
  bool flush();
};

/** A BIO over `io`, which may go before the BIO does once it was detached. */
BIO* makeSocketBio(SocketIo& io);
void detachSocketBio(SSL* ssl);

}  // namespace sluice::tls
