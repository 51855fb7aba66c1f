#include "source/filters/listener/client_hello.h"

#include <algorithm>

namespace sluice::filters {
namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHello = 1;
constexpr size_t kRecordHeader = 5;
constexpr size_t kHandshakeHeader = 4;
constexpr size_t kMaxRecord = 16384;

enum ExtensionType : uint16_t {
  kServerName = 0,
  kSupportedGroups = 10,
  kPointFormats = 11,
  kSignatureAlgorithms = 13,
  kApplicationProtocols = 16,
  kSupportedVersions = 43,
};

uint8_t byteAt(absl::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

size_t numberAt(absl::string_view bytes, size_t at, size_t width) {
  size_t number = 0;
  for (size_t i = 0; i < width; ++i) {
    number = number << 8 | byteAt(bytes, at + i);
  }
  return number;
}

/** Takes fields off the front of bytes. Every take that does not fit fails, and nothing is taken then. */
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : left_(bytes) {}

  bool empty() const { return left_.empty(); }
  bool skip(size_t count) {
    if (left_.size() < count) {
      return false;
    }
    left_.remove_prefix(count);
    return true;
  }
  bool number(size_t width, size_t& value) {
    if (left_.size() < width) {
      return false;
    }
    value = numberAt(left_, 0, width);
    left_.remove_prefix(width);
    return true;
  }
  bool number16(uint16_t& value) {
    size_t wide = 0;
    const bool there = number(2, wide);
    value = static_cast<uint16_t>(wide);
    return there;
  }
  /** Bytes behind their own length. */
  bool vector(size_t width, absl::string_view& value) {
    if (left_.size() < width) {
      return false;
    }
    const size_t size = numberAt(left_, 0, width);
    if (left_.size() - width < size) {
      return false;
    }
    value = left_.substr(width, size);
    left_.remove_prefix(width + size);
    return true;
  }

 private:
  absl::string_view left_;
};

std::vector<uint16_t> numbers(absl::string_view bytes) {
  std::vector<uint16_t> list;
  for (size_t at = 0; at + 2 <= bytes.size(); at += 2) {
    list.push_back(static_cast<uint16_t>(numberAt(bytes, at, 2)));
  }
  return list;
}

/** A list of numbers behind its length, and nothing after it. */
std::vector<uint16_t> numberList(absl::string_view bytes, size_t width) {
  Reader reader(bytes);
  absl::string_view list;
  return reader.vector(width, list) && reader.empty() ? numbers(list) : std::vector<uint16_t>();
}

/** RFC 6066 3: one name, of a host. TLS libraries refuse a hello with anything else there. */
bool readServerName(absl::string_view bytes, absl::string_view& name) {
  Reader reader(bytes);
  absl::string_view list;
  size_t type = 0;
  if (!reader.vector(2, list) || !reader.empty()) {
    return false;
  }
  Reader names(list);
  return names.number(1, type) && type == 0 && names.vector(2, name) && names.empty() && !name.empty() &&
         name.size() <= 255 && name.find('\0') == absl::string_view::npos;
}

/** RFC 7301 3.1. */
std::vector<absl::string_view> readProtocols(absl::string_view bytes) {
  Reader reader(bytes);
  absl::string_view list;
  std::vector<absl::string_view> protocols;
  if (!reader.vector(2, list) || !reader.empty()) {
    return protocols;
  }
  Reader names(list);
  absl::string_view name;
  while (!names.empty()) {
    if (!names.vector(1, name) || name.empty()) {
      return {};
    }
    protocols.push_back(name);
  }
  return protocols;
}

bool readExtension(uint16_t type, absl::string_view bytes, ClientHello& hello) {
  hello.extensions.push_back(type);
  switch (type) {
    case kServerName:
      hello.has_server_name = true;
      return readServerName(bytes, hello.server_name);
    case kSupportedGroups:
      hello.groups = numberList(bytes, 2);
      break;
    case kPointFormats: {
      Reader reader(bytes);
      if (!reader.vector(1, hello.point_formats) || !reader.empty()) {
        hello.point_formats = {};
      }
      break;
    }
    case kSignatureAlgorithms:
      hello.signature_algorithms = numberList(bytes, 2);
      break;
    case kApplicationProtocols:
      hello.application_protocols = readProtocols(bytes);
      break;
    case kSupportedVersions:
      hello.versions = numberList(bytes, 1);
      break;
    default:
      break;
  }
  return true;
}

}  // namespace

HelloSearch findClientHello(absl::string_view bytes, std::string& joined, absl::string_view& body, size_t& size) {
  // How long the message is becomes known with its first four bytes, which may lie in several records.
  size_t at = 0;
  size_t gathered = 0;
  size_t wanted = kHandshakeHeader;
  uint8_t header[kHandshakeHeader] = {};
  for (;;) {
    size = at + kRecordHeader;
    // What is there of a record's header must be right already: plain text is to be told at once.
    const absl::string_view rest = bytes.substr(std::min(at, bytes.size()));
    if ((!rest.empty() && byteAt(rest, 0) != kHandshakeRecord) || (rest.size() > 1 && byteAt(rest, 1) != 3)) {
      return HelloSearch::NotFound;
    }
    if (rest.size() < kRecordHeader) {
      size += wanted - gathered;
      return HelloSearch::NeedMore;
    }
    const size_t length = numberAt(rest, 3, 2);
    if (length == 0 || length > kMaxRecord) {
      return HelloSearch::NotFound;
    }
    const absl::string_view content = rest.substr(kRecordHeader, length);
    for (size_t i = 0; i < content.size() && gathered + i < kHandshakeHeader; ++i) {
      header[gathered + i] = byteAt(content, i);
    }
    const size_t here = gathered + content.size();
    if (here > 0 && header[0] != kClientHello) {
      return HelloSearch::NotFound;
    }
    if (here >= kHandshakeHeader) {
      const size_t said = static_cast<size_t>(header[1]) << 16 | static_cast<size_t>(header[2]) << 8 | header[3];
      wanted = kHandshakeHeader + said;
    }
    if (here >= wanted) {
      size = at + kRecordHeader + (wanted - gathered);
      break;
    }
    if (content.size() < length) {
      size = at + kRecordHeader + (wanted - gathered);
      return HelloSearch::NeedMore;
    }
    gathered = here;
    at += kRecordHeader + length;
  }
  if (at == 0) {
    body = bytes.substr(kRecordHeader + kHandshakeHeader, wanted - kHandshakeHeader);
    return HelloSearch::Found;
  }
  joined.clear();
  for (size_t record = 0; joined.size() < wanted;) {
    const size_t length = numberAt(bytes, record + 3, 2);
    const absl::string_view content = bytes.substr(record + kRecordHeader, length);
    joined.append(content.data(), std::min(content.size(), wanted - joined.size()));
    record += kRecordHeader + length;
  }
  body = absl::string_view(joined).substr(kHandshakeHeader);
  return HelloSearch::Found;
}

bool parseClientHello(absl::string_view body, ClientHello& hello) {
  constexpr size_t kRandom = 32;
  Reader reader(body);
  absl::string_view session;
  absl::string_view suites;
  absl::string_view compression;
  if (!reader.number16(hello.legacy_version) || !reader.skip(kRandom) || !reader.vector(1, session) ||
      session.size() > 32 || !reader.vector(2, suites) || suites.size() < 2 || suites.size() % 2 != 0 ||
      !reader.vector(1, compression) || compression.empty()) {
    return false;
  }
  hello.cipher_suites = numbers(suites);
  if (reader.empty()) {
    return true;
  }
  absl::string_view block;
  if (!reader.vector(2, block) || !reader.empty()) {
    return false;
  }
  Reader extensions(block);
  while (!extensions.empty()) {
    uint16_t type = 0;
    absl::string_view content;
    if (!extensions.number16(type) || !extensions.vector(2, content) ||
        std::find(hello.extensions.begin(), hello.extensions.end(), type) != hello.extensions.end() ||
        !readExtension(type, content, hello)) {
      return false;
    }
  }
  return true;
}

}  // namespace sluice::filters
