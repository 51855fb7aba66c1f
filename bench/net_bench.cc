// What it costs to forward bytes over real loopback sockets: a relay of two connections as a TCP proxy has it, driven
// from the same thread, so that the time is that of both ends and of the relay. Compare the variants with each other and
// with `BareExchange`, which is the same system calls without a relay's code.

#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "benchmark/benchmark.h"

#include "source/event/libevent_dispatcher.h"
#include "source/net/buffer.h"
#include "source/net/connection.h"
#include "source/net/raw_transport_socket.h"
#include "test/net/relay.h"
#include "test/support/sockets.h"

namespace sluice::net {
namespace {

struct RelayedPair {
  explicit RelayedPair(bool splice) {
    auto left = test::tcpPair();
    auto right = test::tcpPair();
    client = std::move(left.second);
    server = std::move(right.second);
    relay = std::make_unique<Relay>(dispatcher, std::move(left.first), std::move(right.first), 1 << 20, splice);
    turn();
  }
  void turn() { dispatcher.run(event::Dispatcher::RunType::NonBlock); }

  event::LibeventDispatcher dispatcher{"bench"};
  Socket client;
  Socket server;
  std::unique_ptr<Relay> relay;
};

/** `meanwhile` is called until all has come. */
template <class Meanwhile>
void receiveAll(const Socket& socket, char* into, size_t size, Meanwhile&& meanwhile) {
  for (size_t got = 0; got < size;) {
    const ssize_t part = ::recv(socket.fd(), into, size - got, MSG_DONTWAIT);
    if (part > 0) {
      got += part;
    } else {
      meanwhile();
    }
  }
}

/** One request one way and one answer back, through the relay. */
void RelayedExchange(benchmark::State& state) {
  RelayedPair pair(true);
  const std::string bytes(state.range(0), 'x');
  std::string into(bytes.size(), '\0');
  for (auto _ : state) {
    test::sendSome(pair.client, bytes);
    pair.turn();
    receiveAll(pair.server, into.data(), bytes.size(), [&] { pair.turn(); });
    test::sendSome(pair.server, bytes);
    pair.turn();
    receiveAll(pair.client, into.data(), bytes.size(), [&] { pair.turn(); });
  }
}
BENCHMARK(RelayedExchange)->Arg(64)->Arg(4096);

/** The relay's part by bare calls: poll, recv and send each way. */
void BareExchange(benchmark::State& state) {
  auto left = test::tcpPair();
  auto right = test::tcpPair();
  const std::string bytes(state.range(0), 'x');
  std::string into(bytes.size(), '\0');
  const auto receive = [&](const Socket& from) { receiveAll(from, into.data(), bytes.size(), [] {}); };
  const auto forward = [&](const Socket& from, const Socket& to) {
    pollfd ready{from.fd(), POLLIN, 0};
    ::poll(&ready, 1, 0);
    receive(from);
    test::sendSome(to, into);
  };
  for (auto _ : state) {
    test::sendSome(left.second, bytes);
    forward(left.first, right.first);
    receive(right.second);
    test::sendSome(right.second, bytes);
    forward(right.first, left.first);
    receive(left.second);
  }
}
BENCHMARK(BareExchange)->Arg(64)->Arg(4096);

/** A stream one way, with and without splice. */
void RelayedStream(benchmark::State& state) {
  RelayedPair pair(state.range(0) != 0);
  const std::string chunk(256 * 1024, 'x');
  size_t moved = 0;
  for (auto _ : state) {
    test::sendSome(pair.client, chunk);
    pair.turn();
    ssize_t part;
    // Dropped in the kernel, so that the reader's copying does not hide the difference.
    while ((part = ::recv(pair.server.fd(), nullptr, 1 << 20, MSG_TRUNC | MSG_DONTWAIT)) > 0) {
      moved += part;
    }
  }
  state.SetBytesProcessed(moved);
}
BENCHMARK(RelayedStream)->ArgName("splice")->Arg(0)->Arg(1);

/** A connection pair made, one exchange, and gone. */
void RelayedConnection(benchmark::State& state) {
  event::LibeventDispatcher dispatcher("bench");
  for (auto _ : state) {
    state.PauseTiming();
    auto left = test::tcpPair();
    auto right = test::tcpPair();
    state.ResumeTiming();
    {
      Relay relay(dispatcher, std::move(left.first), std::move(right.first), 1 << 20, true);
      dispatcher.run(event::Dispatcher::RunType::NonBlock);
    }
  }
}
BENCHMARK(RelayedConnection);

void BufferMove(benchmark::State& state) {
  const std::string bytes(state.range(0), 'x');
  for (auto _ : state) {
    Buffer from;
    from.append(bytes);
    Buffer to;
    to.move(from);
    benchmark::DoNotOptimize(to.front().data());
    to.clear();
  }
  state.SetBytesProcessed(state.iterations() * bytes.size());
}
BENCHMARK(BufferMove)->Arg(64)->Arg(4096)->Arg(65536);

}  // namespace
}  // namespace sluice::net

BENCHMARK_MAIN();
