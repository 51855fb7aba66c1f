// Any bytes as the beginning of a connection: what is found must not depend on how it comes, and never lies outside of it.

#include <cstddef>
#include <cstdint>
#include <string>

#include "source/base/assert.h"
#include "source/filters/listener/client_hello.h"
#include "source/filters/listener/tls_fingerprint.h"
#include "test/support/client_hello.h"

namespace sluice::filters {
namespace {

struct Outcome {
  HelloSearch search = HelloSearch::NeedMore;
  bool good = false;
  std::string text;
  size_t size = 0;
};

Outcome look(const std::string& bytes) {
  Outcome outcome;
  std::string joined;
  absl::string_view body;
  outcome.search = findClientHello(bytes, joined, body, outcome.size);
  if (outcome.search == HelloSearch::Found) {
    SLUICE_CHECK(outcome.size <= bytes.size(), "a message is longer than what there is");
    ClientHello hello;
    outcome.good = parseClientHello(body, hello);
    if (outcome.good) {
      outcome.text = ja3(hello) + ja4(hello) + std::string(hello.server_name);
      for (absl::string_view protocol : hello.application_protocols) {
        SLUICE_CHECK(!protocol.empty(), "an empty protocol");
        outcome.text += " " + std::string(protocol);
      }
    }
  }
  return outcome;
}

/** Byte by byte it must end the same way, as early as it can be told, and never ask for less than there is. */
void lookAtPieces(const std::string& bytes) {
  const Outcome whole = look(bytes);
  for (size_t length = 0; length <= bytes.size(); ++length) {
    const Outcome part = look(bytes.substr(0, length));
    if (part.search == HelloSearch::NeedMore) {
      SLUICE_CHECK(part.size > length, "it waits for what is there");
      SLUICE_CHECK(whole.search != HelloSearch::Found || part.size <= whole.size,
                   "it waits for more than there is to come");
      continue;
    }
    SLUICE_CHECK(part.search == whole.search && part.text == whole.text, "pieces say something else");
    return;
  }
}

}  // namespace
}  // namespace sluice::filters

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  if (size < 1) {
    return 0;
  }
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  filters::lookAtPieces(bytes);
  // The same bytes as a ClientHello's body, in records of some length.
  const size_t most = data[0] == 0 ? 16384 : data[0];
  const std::string handshake = '\1' + test::withLength(bytes, 3);
  const filters::Outcome cut = filters::look(test::inRecords(handshake, most));
  const filters::Outcome whole = filters::look(test::inRecords(handshake));
  SLUICE_CHECK(cut.good == whole.good && cut.text == whole.text, "records change what is said in them");
  return 0;
}
