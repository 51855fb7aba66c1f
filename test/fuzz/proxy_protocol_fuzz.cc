// Any bytes as the beginning of a connection: a header is found whole or not at all, and its end does not move.

#include <cstddef>
#include <cstdint>
#include <string>

#include "source/base/assert.h"
#include "source/filters/listener/proxy_header.h"

namespace sluice::filters {
namespace {

struct Outcome {
  Outcome(absl::string_view bytes, const ProxyVersions& versions) {
    search = findProxyHeader(bytes, versions, header);
    if (search == ProxySearch::Found) {
      SLUICE_CHECK(header.size <= bytes.size(), "a header is longer than what there is");
      SLUICE_CHECK(!header.has_addresses || (header.source.isIp() && header.destination.isIp()), "what address?");
      text = std::to_string(header.size) + " " + header.source.toString() + " " + header.destination.toString();
      for (const ProxyHeader::Tlv& tlv : header.tlvs) {
        text += " " + std::to_string(tlv.type) + "=" + std::string(tlv.value);
      }
    }
  }
  ProxyHeader header;
  ProxySearch search;
  std::string text;
};

void look(absl::string_view bytes, const ProxyVersions& versions) {
  const Outcome whole(bytes, versions);
  for (size_t length = 0; length <= bytes.size(); ++length) {
    const Outcome part(bytes.substr(0, length), versions);
    if (part.search == ProxySearch::NeedMore) {
      SLUICE_CHECK(part.header.size > length, "it waits for what is there");
      continue;
    }
    SLUICE_CHECK(part.search == whole.search && part.text == whole.text, "pieces say something else");
    return;
  }
}

}  // namespace
}  // namespace sluice::filters

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::filters;
  if (size < 1) {
    return 0;
  }
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  look(bytes, {(data[0] & 1) == 0, (data[0] & 2) == 0});
  return 0;
}
