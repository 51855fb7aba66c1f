// Any bytes as the beginning of a connection: what is found once stays found, whatever follows.

#include <cstddef>
#include <cstdint>

#include "source/base/assert.h"
#include "source/filters/listener/http_guess.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::filters;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const HttpGuess whole = guessHttp(bytes);
  for (size_t length = 0; length <= size; ++length) {
    const HttpGuess part = guessHttp(bytes.substr(0, length));
    SLUICE_CHECK(length > 0 || part == HttpGuess::NeedMore, "it guesses without a byte");
    if (part != HttpGuess::NeedMore) {
      SLUICE_CHECK(part == whole, "more bytes change the guess");
      return 0;
    }
  }
  SLUICE_CHECK(whole == HttpGuess::NeedMore && size < kMaxRequestLine, "it waits for ever");
  return 0;
}
