#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "llhttp.h"

#include "source/base/arena.h"
#include "source/http/header_map.h"
#include "source/http/http1_settings.h"
#include "source/net/buffer.h"

namespace sluice::http {

/** Why a message is refused; `details` is static, as response code details have it. */
struct Http1Refusal {
  uint32_t status = 0;
  const char* details = nullptr;
  explicit operator bool() const { return status != 0; }
};

/**
 * llhttp, message by message: it fills header maps and cuts bodies out of the input, and stops where its codec is to act,
 * so that nobody is called from inside the parser. What the grammar says is judged here; what fields mean, by the codec.
 * A part of its codec, on its thread; calls nobody.
 */
class Http1Parser {
 public:
  enum class Kind : uint8_t { Request, Response };
  enum class Event : uint8_t {
    /** All input is taken. */
    NeedMore,
    /** headers() is complete; parse() goes on with the body. */
    Headers,
    /** The message has ended, its trailers included. */
    Message,
    /** refusal() says why. */
    Error,
  };

  Http1Parser(Kind kind, const Http1Settings& settings, const Http1Stats& stats);

  /** A new message, whose texts go into `arena`. Byte counts start anew unless it `continues` a stream. */
  void start(base::Arena& arena, bool continues = false);
  /** Takes from `in` up to the next event; what belongs to the body is moved, in whole slices where it can be. */
  Event parse(net::Buffer& in, net::Buffer& body);
  /** The peer's end: Message where that ends the body, NeedMore between messages, else Error. */
  Event finish();
  /** At Headers: no body comes, whatever the headers say (HEAD). */
  void skipBody() { parser_.flags |= F_SKIPBODY; }

  Kind kind() const { return kind_; }
  HeaderMap& headers() { return *headers_; }
  /** Null when there were none. */
  HeaderMap* trailers() { return trailers_ == nullptr || trailers_->empty() ? nullptr : trailers_; }
  const Http1Refusal& refusal() const { return refusal_; }

  // From Headers on.

  /** The request's target as it came, in the arena. */
  absl::string_view target() const { return target_; }
  bool connectMethod() const { return parser_.method == HTTP_CONNECT; }
  bool headMethod() const { return parser_.method == HTTP_HEAD; }
  bool optionsMethod() const { return parser_.method == HTTP_OPTIONS; }
  uint32_t statusCode() const { return parser_.status_code; }
  bool versionIs(uint8_t major, uint8_t minor) const {
    return parser_.http_major == major && parser_.http_minor == minor;
  }
  uint8_t majorVersion() const { return parser_.http_major; }
  /** What version and Connection say, and that the body's end needs no closing. */
  bool keepAlive() const { return llhttp_should_keep_alive(&parser_) != 0; }
  bool hasContentLength() const { return (parser_.flags & F_CONTENT_LENGTH) != 0; }
  uint64_t contentLength() const { return parser_.content_length; }
  bool hasTransferEncoding() const { return transfer_encodings_ > 0; }
  /** Exactly "chunked", once. */
  bool chunked() const { return transfer_encodings_ == 1 && last_encoding_chunked_; }
  uint32_t hosts() const { return hosts_; }

  uint64_t wireBytes() const { return wire_bytes_; }
  uint64_t headerWireBytes() const { return header_wire_bytes_; }

 private:
  /** A text that may come in several pieces: a view of the input while in one, else in the arena. */
  struct Text {
    const char* data = nullptr;
    uint32_t size = 0;
    /** 0: a view of the input. */
    uint32_t capacity = 0;

    absl::string_view view() const { return {data, size}; }
    void add(const char* at, size_t length, base::Arena& arena);
    void keep(base::Arena& arena);
    void clear() { *this = Text(); }
  };

  static const llhttp_settings_t& callbacks();
  static Http1Parser& self(llhttp_t* parser) { return *static_cast<Http1Parser*>(parser->data); }
  int onBody(const char* at, size_t length);
  int onHeadersComplete();
  int onField();
  int onChunkExtension(size_t length);
  void startFields();
  int addField(absl::string_view name, absl::string_view value);
  int addTrailer(absl::string_view name, absl::string_view value);
  void store(HeaderMap& map, absl::string_view name, absl::string_view value, HeaderId& id);
  int refuse(uint32_t status, const char* details);
  void refuseForGrammar(llhttp_errno_t error);
  size_t headerLimit() const { return size_t{settings_.max_headers_kb} * 1024; }

  const Http1Settings& settings_;
  const Http1Stats& stats_;
  llhttp_t parser_;
  base::Arena* arena_ = nullptr;
  HeaderMap* headers_ = nullptr;
  HeaderMap* trailers_ = nullptr;
  // While parse() runs.
  net::Buffer* in_ = nullptr;
  net::Buffer* body_ = nullptr;
  const char* piece_ = nullptr;
  /** How many of the piece's bytes have left `in_`. */
  size_t taken_ = 0;
  Text target_text_;
  Text name_;
  Text value_;
  absl::string_view target_;
  uint64_t wire_bytes_ = 0;
  uint64_t header_wire_bytes_ = 0;
  uint32_t head_bytes_ = 0;
  uint32_t trailer_bytes_ = 0;
  uint32_t extension_bytes_ = 0;
  uint32_t fields_ = 0;
  uint16_t hosts_ = 0;
  uint16_t transfer_encodings_ = 0;
  Http1Refusal refusal_;
  const Kind kind_;
  bool in_head_ = false;
  bool fields_started_ = false;
  bool last_encoding_chunked_ = false;
};

}  // namespace sluice::http
