#include "source/http/http1_parser.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"

#include "source/base/assert.h"

namespace sluice::http {
namespace {

/** Of one message; nobody needs any, and a peer that sends nothing else would cost us for ever. */
constexpr uint32_t kMaxExtensionBytes = 128 * 1024;

void toLower(absl::string_view text, char* to) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    to[i] = static_cast<char>(c + ((static_cast<unsigned>(c) - 'A' < 26u) << 5));
  }
}

absl::string_view trimEnd(absl::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

/** Fields that say where a message ends or goes: never taken from trailers (RFC 9110, section 6.5.1). */
bool forbiddenInTrailers(HeaderId id) {
  return id == HeaderId::ContentLength || id == HeaderId::TransferEncoding || id == HeaderId::Host ||
         id == HeaderId::Connection || id == HeaderId::Upgrade || id == HeaderId::Te || id == HeaderId::Trailer;
}

}  // namespace

void Http1Parser::Text::add(const char* at, size_t length, base::Arena& arena) {
  if (size == 0) {
    data = at;
    size = static_cast<uint32_t>(length);
    capacity = 0;
    return;
  }
  if (capacity - size < length || capacity == 0) {
    const auto grown = static_cast<uint32_t>(std::max<size_t>(2 * size, size + length));
    char* to = static_cast<char*>(arena.allocate(grown, 1));
    std::memcpy(to, data, size);
    data = to;
    capacity = grown;
  }
  std::memcpy(const_cast<char*>(data) + size, at, length);
  size += static_cast<uint32_t>(length);
}

void Http1Parser::Text::keep(base::Arena& arena) {
  if (size > 0 && capacity == 0) {
    capacity = std::max<uint32_t>(2 * size, 32);
    char* to = static_cast<char*>(arena.allocate(capacity, 1));
    std::memcpy(to, data, size);
    data = to;
  }
}

const llhttp_settings_t& Http1Parser::callbacks() {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_url = [](llhttp_t* p, const char* at, size_t length) {
      Http1Parser& parser = self(p);
      parser.target_text_.add(at, length, *parser.arena_);
      return 0;
    };
    made.on_header_field = [](llhttp_t* p, const char* at, size_t length) {
      Http1Parser& parser = self(p);
      parser.name_.add(at, length, *parser.arena_);
      return 0;
    };
    made.on_header_value = [](llhttp_t* p, const char* at, size_t length) {
      Http1Parser& parser = self(p);
      parser.value_.add(at, length, *parser.arena_);
      return 0;
    };
    made.on_header_value_complete = [](llhttp_t* p) { return self(p).onField(); };
    made.on_headers_complete = [](llhttp_t* p) { return self(p).onHeadersComplete(); };
    made.on_body = [](llhttp_t* p, const char* at, size_t length) { return self(p).onBody(at, length); };
    made.on_message_complete = [](llhttp_t*) -> int { return HPE_PAUSED; };
    made.on_chunk_extension_name = [](llhttp_t* p, const char*, size_t length) {
      return self(p).onChunkExtension(length);
    };
    made.on_chunk_extension_value = [](llhttp_t* p, const char*, size_t length) {
      return self(p).onChunkExtension(length);
    };
    return made;
  }();
  return settings;
}

Http1Parser::Http1Parser(Kind kind, const Http1Settings& settings, const Http1Stats& stats)
    : settings_(settings), stats_(stats), kind_(kind) {
  llhttp_init(&parser_, kind == Kind::Request ? HTTP_REQUEST : HTTP_RESPONSE, &callbacks());
  parser_.data = this;
  // Both are judged by the codec, which answers each as it should be.
  llhttp_set_lenient_chunked_length(&parser_, 1);
  llhttp_set_lenient_version(&parser_, 1);
}

void Http1Parser::start(base::Arena& arena, bool continues) {
  llhttp_reset(&parser_);
  arena_ = &arena;
  headers_ = arena.make<HeaderMap>(arena);
  trailers_ = nullptr;
  target_text_.clear();
  name_.clear();
  value_.clear();
  target_ = {};
  if (!continues) {
    wire_bytes_ = header_wire_bytes_ = 0;
  }
  head_bytes_ = trailer_bytes_ = extension_bytes_ = fields_ = 0;
  hosts_ = transfer_encodings_ = 0;
  refusal_ = {};
  in_head_ = true;
  fields_started_ = false;
  last_encoding_chunked_ = false;
}

Http1Parser::Event Http1Parser::parse(net::Buffer& in, net::Buffer& body) {
  in_ = &in;
  body_ = &body;
  while (!in.empty()) {
    const absl::string_view piece = in.front();
    piece_ = piece.data();
    taken_ = 0;
    const bool was_head = in_head_;
    llhttp_resume(&parser_);
    const llhttp_errno_t error = llhttp_execute(&parser_, piece.data(), piece.size());
    const size_t consumed =
        error == HPE_OK ? piece.size() : static_cast<size_t>(llhttp_get_error_pos(&parser_) - piece.data());
    wire_bytes_ += consumed;
    if (was_head) {
      head_bytes_ += static_cast<uint32_t>(consumed);
      header_wire_bytes_ += consumed;
    }
    if (error == HPE_OK || error == HPE_PAUSED) {
      if (was_head && head_bytes_ > headerLimit()) {
        refuse(431, "http1.headers_too_large");
        return Event::Error;
      }
      // The views of these bytes end with them.
      target_text_.keep(*arena_);
      name_.keep(*arena_);
      value_.keep(*arena_);
      in.drain(consumed - taken_);
    }
    if (error == HPE_OK) {
      continue;
    }
    if (error == HPE_PAUSED) {
      return was_head ? Event::Headers : Event::Message;
    }
    refuseForGrammar(error);
    return Event::Error;
  }
  return Event::NeedMore;
}

Http1Parser::Event Http1Parser::finish() {
  llhttp_resume(&parser_);
  const llhttp_errno_t error = llhttp_finish(&parser_);
  if (error == HPE_OK) {
    return Event::NeedMore;
  }
  if (error == HPE_PAUSED) {
    return Event::Message;
  }
  refuseForGrammar(error);
  return Event::Error;
}

int Http1Parser::onBody(const char* at, size_t length) {
  const auto before = static_cast<size_t>(at - piece_);
  in_->drain(before - taken_);
  body_->move(*in_, length);
  taken_ = before + length;
  return 0;
}

int Http1Parser::onChunkExtension(size_t length) {
  extension_bytes_ += static_cast<uint32_t>(length);
  return extension_bytes_ > kMaxExtensionBytes ? refuse(400, "http1.codec_error") : 0;
}

void Http1Parser::startFields() {
  fields_started_ = true;
  if (kind_ == Kind::Request) {
    target_ = target_text_.capacity == 0 ? arena_->copy(target_text_.view()) : target_text_.view();
    target_text_.clear();
    // In their places before all others; a Host field or the target gives the authority its value.
    headers_->addView(HeaderId::Authority, "");
    headers_->addView(HeaderId::Path, target_);
    headers_->addView(HeaderId::Method, llhttp_method_name(static_cast<llhttp_method_t>(parser_.method)));
    return;
  }
  char* digits = static_cast<char*>(arena_->allocate(3, 1));
  digits[0] = static_cast<char>('0' + parser_.status_code / 100 % 10);
  digits[1] = static_cast<char>('0' + parser_.status_code / 10 % 10);
  digits[2] = static_cast<char>('0' + parser_.status_code % 10);
  headers_->addView(HeaderId::Status, absl::string_view(digits, 3));
}

int Http1Parser::onHeadersComplete() {
  if (!fields_started_) {
    startFields();
  }
  in_head_ = false;
  if (chunked()) {
    // llhttp does not see it before a trailing tab, and would have the body end where the connection does.
    parser_.flags |= F_CHUNKED;
  }
  // Whether bytes of another protocol follow is the codec's to say.
  parser_.upgrade = 0;
  return HPE_PAUSED;
}

int Http1Parser::onField() {
  const absl::string_view name = name_.view();
  const absl::string_view value = trimEnd(value_.view());
  const bool trailer = (parser_.flags & F_TRAILING) != 0;
  if (++fields_ > settings_.max_headers_count) {
    return refuse(431, "http1.too_many_headers");
  }
  if (settings_.underscores != UnderscoreAction::Allow && absl::StrContains(name, '_')) {
    if (settings_.underscores == UnderscoreAction::Reject) {
      stats_.requests_rejected_with_underscores_in_headers.inc();
      return refuse(400, "http1.unexpected_underscore");
    }
    stats_.dropped_headers_with_underscores.inc();
    name_.clear();
    value_.clear();
    return 0;
  }
  const int result = trailer ? addTrailer(name, value) : addField(name, value);
  name_.clear();
  value_.clear();
  return result;
}

void Http1Parser::store(HeaderMap& map, absl::string_view name, absl::string_view value, HeaderId& id) {
  constexpr size_t kLongestKnown = 64;
  char lower[kLongestKnown];
  absl::string_view lowered;
  id = HeaderId::Other;
  if (name.size() <= kLongestKnown) {
    toLower(name, lower);
    lowered = {lower, name.size()};
    id = headerId(lowered);
  }
  if (id == HeaderId::Other) {
    char* kept = static_cast<char*>(arena_->allocate(name.size(), 1));
    toLower(name, kept);
    lowered = {kept, name.size()};
  }
  const absl::string_view kept_value =
      value_.capacity == 0 || value.empty() ? arena_->copy(value) : absl::string_view(value.data(), value.size());
  Header& field = id == HeaderId::Other ? map.addView(lowered, kept_value) : map.addView(id, kept_value);
  if (settings_.header_case == HeaderCase::Preserve) {
    field.original_name = arena_->copy(name).data();
  }
}

int Http1Parser::addField(absl::string_view name, absl::string_view value) {
  if (!fields_started_) {
    startFields();
  }
  if (kind_ == Kind::Request && absl::EqualsIgnoreCase(name, "host")) {
    ++hosts_;
    headers_->setView(HeaderId::Authority, arena_->copy(value));
    return 0;
  }
  HeaderId id;
  store(*headers_, name, value, id);
  if (id == HeaderId::TransferEncoding) {
    ++transfer_encodings_;
    last_encoding_chunked_ = absl::EqualsIgnoreCase(value, "chunked");
  }
  return 0;
}

int Http1Parser::addTrailer(absl::string_view name, absl::string_view value) {
  trailer_bytes_ += static_cast<uint32_t>(name.size() + value.size() + 4);
  header_wire_bytes_ += name.size() + value.size() + 4;
  if (trailer_bytes_ > headerLimit()) {
    return refuse(431, "http1.headers_too_large");
  }
  if (!settings_.enable_trailers) {
    return 0;
  }
  if (trailers_ == nullptr) {
    trailers_ = arena_->make<HeaderMap>(*arena_);
  }
  HeaderId id;
  store(*trailers_, name, value, id);
  if (forbiddenInTrailers(id)) {
    trailers_->remove(id);
  }
  return 0;
}

int Http1Parser::refuse(uint32_t status, const char* details) {
  refusal_ = {status, details};
  return HPE_USER;
}

void Http1Parser::refuseForGrammar(llhttp_errno_t error) {
  if (refusal_) {
    return;
  }
  if (error == HPE_INVALID_TRANSFER_ENCODING) {
    refuse(501, "http1.invalid_transfer_encoding");
    return;
  }
  const char* reason = llhttp_get_error_reason(&parser_);
  const bool value =
      error == HPE_INVALID_HEADER_TOKEN && reason != nullptr && std::strcmp(reason, "Invalid header value char") == 0;
  refuse(400, value ? "http1.invalid_characters" : "http1.codec_error");
}

}  // namespace sluice::http
