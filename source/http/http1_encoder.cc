#include "source/http/http1_encoder.h"

#include <algorithm>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "absl/strings/numbers.h"

#include "source/base/assert.h"

namespace sluice::http {
namespace {

bool breaksValue(char c) { return c == '\r' || c == '\n' || c == '\0'; }

/** Copies a value, with spaces for what would end its line. */
char* putValue(absl::string_view text, char* to) {
  const char* from = text.data();
  const char* const end = from + text.size();
#ifdef __SSE2__
  const __m128i cr = _mm_set1_epi8('\r');
  const __m128i lf = _mm_set1_epi8('\n');
  const __m128i nul = _mm_setzero_si128();
  for (; end - from >= 16; from += 16, to += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m128i bad =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, cr), _mm_cmpeq_epi8(bytes, lf)), _mm_cmpeq_epi8(bytes, nul));
    if (_mm_movemask_epi8(bad) != 0) {
      break;
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
  }
#endif
  for (; from != end; ++from) {
    *to++ = breaksValue(*from) ? ' ' : *from;
  }
  return to;
}

char* put(absl::string_view text, char* to) {
  if (!text.empty()) {
    std::memcpy(to, text.data(), text.size());
  }
  return to + text.size();
}

bool breaksTarget(char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; }

size_t targetSize(absl::string_view text) {
  return text.size() + 2 * static_cast<size_t>(std::count_if(text.begin(), text.end(), breaksTarget));
}

char* putTarget(absl::string_view text, char* to) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : text) {
    if (!breaksTarget(c)) {
      *to++ = c;
      continue;
    }
    *to++ = '%';
    *to++ = kDigits[static_cast<unsigned char>(c) >> 4];
    *to++ = kDigits[static_cast<unsigned char>(c) & 15];
  }
  return to;
}

char* putName(const Header& field, absl::string_view name, HeaderCase header_case, char* to) {
  if (header_case == HeaderCase::Lower) {
    return put(name, to);
  }
  if (header_case == HeaderCase::Preserve) {
    if (field.id == HeaderId::Authority) {
      return put("Host", to);
    }
    return put(field.original_name == nullptr ? name : absl::string_view(field.original_name, name.size()), to);
  }
  bool first = true;
  for (const char c : name) {
    *to++ = first && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    first = !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9');
  }
  return to;
}

absl::string_view framingLine(Http1Framing framing, HeaderCase header_case) {
  const bool proper = header_case == HeaderCase::Proper;
  switch (framing) {
    case Http1Framing::EmptyBody:
      return proper ? "Content-Length: 0\r\n" : "content-length: 0\r\n";
    case Http1Framing::Chunked:
      return proper ? "Transfer-Encoding: chunked\r\n" : "transfer-encoding: chunked\r\n";
    case Http1Framing::UntilClose:
      return proper ? "Connection: close\r\n" : "connection: close\r\n";
    case Http1Framing::AsGiven:
    case Http1Framing::None:
      break;
  }
  return {};
}

bool written(const Header& field, Http1Framing framing) {
  switch (field.id) {
    case HeaderId::Other:
      return field.name.empty() || field.name.front() != ':';
    case HeaderId::Method:
    case HeaderId::Scheme:
    case HeaderId::Path:
    case HeaderId::PseudoProtocol:
    case HeaderId::Status:
    case HeaderId::TransferEncoding:
      return false;
    case HeaderId::ContentLength:
      return framing == Http1Framing::AsGiven;
    case HeaderId::Connection:
      return framing != Http1Framing::UntilClose;
    default:
      return true;
  }
}

absl::string_view wireName(const Header& field) {
  return field.id == HeaderId::Authority ? absl::string_view("host") : field.name;
}

size_t fieldsSize(const HeaderMap& headers, Http1Framing framing, absl::string_view line) {
  size_t size = line.size() + 2;
  headers.forEach([&](const Header& field) {
    if (written(field, framing)) {
      size += wireName(field).size() + field.value.size() + 4;
    }
  });
  return size;
}

char* putFields(const HeaderMap& headers, Http1Framing framing, HeaderCase header_case, absl::string_view line,
                char* to) {
  headers.forEach([&](const Header& field) {
    if (written(field, framing)) {
      to = putName(field, wireName(field), header_case, to);
      to = put(": ", to);
      to = putValue(field.value, to);
      to = put("\r\n", to);
    }
  });
  to = put(line, to);
  return put("\r\n", to);
}

uint32_t finish(net::Buffer& out, const char* start, const char* end, size_t reserved) {
  const auto size = static_cast<size_t>(end - start);
  SLUICE_CHECK(size <= reserved, "a head is larger than was reckoned");
  out.commit(static_cast<uint32_t>(size));
  return static_cast<uint32_t>(size);
}

}  // namespace

uint32_t encodeHttp1Request(const HeaderMap& headers, Http1Framing framing, const Http1Settings& settings,
                            net::Buffer& out) {
  const absl::string_view method = headers.get(HeaderId::Method);
  const absl::string_view authority = headers.get(HeaderId::Authority);
  const bool connect = method == "CONNECT";
  const absl::string_view path = connect ? authority : headers.get(HeaderId::Path);
  absl::string_view scheme;
  if (settings.send_fully_qualified_url && !connect && !authority.empty()) {
    scheme = headers.get(HeaderId::Scheme);
    scheme = scheme.empty() ? "http" : scheme;
  }
  const absl::string_view line = framingLine(framing, settings.header_case);
  const size_t size = targetSize(method) + 1 + targetSize(scheme) + 3 + targetSize(authority) + targetSize(path) +
                      sizeof(" HTTP/1.1\r\n") + fieldsSize(headers, framing, line);
  char* const start = out.reserve(static_cast<uint32_t>(size));
  char* to = putTarget(method, start);
  *to++ = ' ';
  if (!scheme.empty()) {
    to = putTarget(scheme, to);
    to = put("://", to);
    to = putTarget(authority, to);
  }
  to = putTarget(path, to);
  to = put(" HTTP/1.1\r\n", to);
  to = putFields(headers, framing, settings.header_case, line, to);
  return finish(out, start, to, size);
}

uint32_t encodeHttp1Response(const HeaderMap& headers, uint32_t status, bool http10, Http1Framing framing,
                             HeaderCase header_case, net::Buffer& out) {
  const absl::string_view reason = reasonPhrase(status);
  const absl::string_view line = framingLine(framing, header_case);
  const size_t size = sizeof("HTTP/1.1 ") + absl::numbers_internal::kFastToBufferSize + reason.size() + 3 +
                      fieldsSize(headers, framing, line);
  char* const start = out.reserve(static_cast<uint32_t>(size));
  char* to = put(http10 ? "HTTP/1.0 " : "HTTP/1.1 ", start);
  to = absl::numbers_internal::FastIntToBuffer(status, to);
  *to++ = ' ';
  to = put(reason, to);
  to = put("\r\n", to);
  to = putFields(headers, framing, header_case, line, to);
  return finish(out, start, to, size);
}

uint32_t encodeHttp1Trailers(const HeaderMap& trailers, HeaderCase header_case, net::Buffer& out) {
  const size_t size = 3 + fieldsSize(trailers, Http1Framing::None, {});
  char* const start = out.reserve(static_cast<uint32_t>(size));
  char* to = put("0\r\n", start);
  to = putFields(trailers, Http1Framing::None, header_case, {}, to);
  return finish(out, start, to, size);
}

}  // namespace sluice::http
