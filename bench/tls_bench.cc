// What a whole handshake costs the server's thread, by the key of its certificate: for so long it does nothing else. Both
// ends are driven in turn over a socket pair, and only the server's steps are timed.

#include <chrono>
#include <memory>
#include <utility>

#include "benchmark/benchmark.h"

#include "test/tls/tls_pair.h"

namespace sluice::tls {
namespace {

using Key = test::CertificateRequest::Key;

class Handshakes : public TlsPairTest {
 public:
  explicit Handshakes(Key key) {
    server_context_ = makeServer({{certificate(ca_.issueFor({"a.test"}, key))}, nullptr, nullptr});
    client_context_ = makeClient({{}, validation(ca_.config()), nullptr});
  }
  void TestBody() override {}

  /** The server's time. */
  std::chrono::duration<double> one() {
    std::chrono::duration<double> took{0};
    connect();
    while (!server_->connected || !client_->connected) {
      client_->step();
      const auto begun = std::chrono::steady_clock::now();
      server_->step();
      took += std::chrono::steady_clock::now() - begun;
    }
    return took;
  }
};

void Handshake(benchmark::State& state, Key key) {
  Handshakes handshakes(key);
  for (auto _ : state) {
    state.SetIterationTime(handshakes.one().count());
  }
}
BENCHMARK_CAPTURE(Handshake, EcdsaP256, Key::Ec)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Handshake, EcdsaP384, Key::Ec384)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Handshake, EcdsaP521, Key::Ec521)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Handshake, Rsa2048, Key::Rsa)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Handshake, Rsa3072, Key::Rsa3072)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Handshake, Rsa4096, Key::Rsa4096)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sluice::tls

BENCHMARK_MAIN();
