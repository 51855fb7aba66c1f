#include "source/filters/http/grpc_web.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/http/grpc_web/v3/grpc_web.pb.h"

#include "source/filters/http/grpc_messages.h"
#include "source/filters/http/grpc_method_stats.h"
#include "source/filters/http/pass_through.h"
#include "source/filters/http/request_cluster.h"
#include "source/http/grpc_status.h"

namespace sluice::filters {
namespace {

using http::DataStatus;
using http::HeaderId;
using http::HeaderMap;
using http::HeadersStatus;
using http::TrailersStatus;
using Proto = envoy::extensions::filters::http::grpc_web::v3::GrpcWeb;

constexpr absl::string_view kGrpc = "application/grpc";
constexpr absl::string_view kGrpcProto = "application/grpc+proto";
constexpr absl::string_view kWeb = "application/grpc-web";
constexpr absl::string_view kWebProto = "application/grpc-web+proto";
constexpr absl::string_view kWebText = "application/grpc-web-text";
constexpr absl::string_view kWebTextProto = "application/grpc-web-text+proto";
/** Of the frame that holds the trailers. */
constexpr uint8_t kTrailersFrame = 0x80;
/** Of a body that is no gRPC, as much as this becomes the grpc-message. */
constexpr uint64_t kMaxMessageBytes = 16384;

bool isWeb(absl::string_view type) { return type == kWeb || type == kWebProto; }
bool isText(absl::string_view type) { return type == kWebText || type == kWebTextProto; }

class GrpcWebConfig : public http::HttpFilterConfig {
 public:
  GrpcWebConfig(event::Dispatcher& main, const stats::ScopePtr& root) : stats_(main, root, "grpc-web") {}
  void addTo(http::FilterChainBuilder& chain) const override;
  const GrpcMethodStats& stats() const { return stats_; }

 private:
  const GrpcMethodStats stats_;
};

/**
 * A text request comes as base64, perhaps several runs of it each with its own padding, and is decoded by groups of four
 * letters; a text answer is encoded by groups of three bytes, padded where a message ends.
 */
class GrpcWebFilter final : public PassThroughFilter {
 public:
  explicit GrpcWebFilter(const GrpcWebConfig& config) : config_(config) {}

  HeadersStatus decodeHeaders(HeaderMap& headers, bool) override {
    const absl::string_view type = headers.get(HeaderId::ContentType);
    if (!isWeb(type) && !isText(type)) {
      return HeadersStatus::Continue;
    }
    active_ = true;
    text_request_ = isText(type);
    proto_request_ = type == kWebProto || type == kWebTextProto;
    text_response_ = isText(headers.get(HeaderId::Accept));
    base::Arena& arena = decoder_->arena();
    const GrpcMethod method = GrpcMethod::parse(headers.get(HeaderId::Path));
    if (!method.service.empty()) {
      method_ = {arena.copy(method.service), arena.copy(method.method)};
    }
    headers.remove(HeaderId::ContentLength);
    headers.setView(HeaderId::ContentType, kGrpc);
    headers.setView(HeaderId::Te, "trailers");
    headers.setView(HeaderId::GrpcAcceptEncoding, "identity,deflate,gzip");
    return HeadersStatus::Continue;
  }

  DataStatus decodeData(net::Buffer& data, bool end_stream) override {
    if (!active_ || !text_request_) {
      return DataStatus::Continue;
    }
    undecoded_.move(data);
    const uint64_t whole = undecoded_.length() / 4 * 4;
    std::string out;
    if ((end_stream && whole != undecoded_.length()) || !decodeBase64(undecoded_.linearize(whole), out)) {
      http::LocalReply reply;
      reply.status = 400;
      reply.body = "Bad gRPC-web request, invalid base64 data.";
      reply.details = "grpc_base_64_decode_failed";
      decoder_->sendLocalReply(reply);
      return DataStatus::StopIterationNoBuffer;
    }
    undecoded_.drain(whole);
    if (out.empty() && !end_stream) {
      return DataStatus::StopIterationNoBuffer;
    }
    data.append(out);
    return DataStatus::Continue;
  }

  HeadersStatus encodeHeaders(HeaderMap& headers, bool end_stream) override {
    if (!active_) {
      return HeadersStatus::Continue;
    }
    countStatus(headers);
    const absl::string_view type = headers.get(HeaderId::ContentType);
    // An answer that is no gRPC, as a proxy on the way may give, is told as a status that the client understands.
    not_grpc_ = proto_request_ && !http::isGrpcContentType(type) && !absl::StartsWith(type, kWeb) &&
                !(end_stream && headers.has(HeaderId::GrpcStatus));
    headers.setView(HeaderId::ContentType, text_response_ ? kWebTextProto : kWebProto);
    if (!not_grpc_) {
      // Trailers become body, and text takes more room.
      if (!end_stream) {
        headers.remove(HeaderId::ContentLength);
      }
      return HeadersStatus::Continue;
    }
    response_headers_ = &headers;
    if (end_stream) {
      sayStatus();
      return HeadersStatus::Continue;
    }
    return HeadersStatus::StopIteration;
  }

  DataStatus encodeData(net::Buffer& data, bool end_stream) override {
    if (!active_) {
      return DataStatus::Continue;
    }
    if (not_grpc_) {
      keepMessage(data);
      if (!end_stream) {
        return DataStatus::StopIterationNoBuffer;
      }
      sayStatus();
      return DataStatus::Continue;
    }
    if (text_response_) {
      frames_.add(data);
      unencoded_.move(data);
      const bool flush = end_stream || frames_.atBoundary();
      encodeText(data, flush);
      if (data.empty() && !end_stream) {
        return DataStatus::StopIterationNoBuffer;
      }
    }
    return DataStatus::Continue;
  }

  TrailersStatus encodeTrailers(HeaderMap& trailers) override {
    if (!active_) {
      return TrailersStatus::Continue;
    }
    countStatus(trailers);
    if (not_grpc_) {
      sayStatus();
      trailers.clear();
      return TrailersStatus::Continue;
    }
    std::string fields;
    trailers.forEach(
        [&](const http::Header& field) { absl::StrAppend(&fields, field.name, ":", field.value, "\r\n"); });
    const auto length = static_cast<uint32_t>(fields.size());
    const char head[] = {static_cast<char>(kTrailersFrame), static_cast<char>(length >> 24),
                         static_cast<char>(length >> 16), static_cast<char>(length >> 8), static_cast<char>(length)};
    net::Buffer frame;
    frame.append({head, sizeof(head)});
    frame.append(fields);
    if (text_response_) {
      unencoded_.move(frame);
      encodeText(frame, true);
    }
    trailers.clear();
    encoder_->addEncodedData(frame, true);
    return TrailersStatus::Continue;
  }

 private:
  /** Groups of four, each of which may end with padding. */
  static bool decodeBase64(absl::string_view text, std::string& out) {
    while (!text.empty()) {
      const size_t padding = text.find('=');
      const size_t run = padding == absl::string_view::npos ? text.size() : (padding / 4 + 1) * 4;
      std::string piece;
      if (run > text.size() || !absl::Base64Unescape(text.substr(0, run), &piece)) {
        return false;
      }
      out += piece;
      text.remove_prefix(run);
    }
    return true;
  }

  void encodeText(net::Buffer& out, bool flush) {
    const uint64_t take = flush ? unencoded_.length() : unencoded_.length() / 3 * 3;
    if (take == 0) {
      return;
    }
    out.append(absl::Base64Escape(unencoded_.linearize(take)));
    unencoded_.drain(take);
  }

  void keepMessage(net::Buffer& data) {
    const uint64_t room = kMaxMessageBytes - std::min<uint64_t>(kMaxMessageBytes, message_.size());
    const uint64_t taken = std::min(room, data.length());
    const size_t before = message_.size();
    message_.resize(before + taken);
    data.copyOut(0, taken, message_.data() + before);
    data.clear();
  }

  void sayStatus() {
    if (response_headers_ == nullptr) {
      return;
    }
    uint32_t status = 0;
    if (!absl::SimpleAtoi(response_headers_->get(HeaderId::Status), &status)) {
      status = 500;
    }
    response_headers_->setNumber(HeaderId::GrpcStatus, http::grpcStatusOf(status));
    response_headers_->set(HeaderId::GrpcMessage, http::percentEncodeGrpcMessage(message_));
    response_headers_->setNumber(HeaderId::ContentLength, 0);
    response_headers_ = nullptr;
  }

  void countStatus(const HeaderMap& headers) {
    if (!headers.has(HeaderId::GrpcStatus) || method_.service.empty()) {
      return;
    }
    const absl::string_view cluster = servingCluster(*encoder_);
    if (!cluster.empty()) {
      config_.stats().countStatus(config_.stats().name(encoder_->arena(), cluster, method_, false), headers);
    }
  }

  const GrpcWebConfig& config_;
  GrpcMethod method_;
  net::Buffer undecoded_;
  net::Buffer unencoded_;
  GrpcMessages frames_;
  std::string message_;
  /** While they wait for the body that tells the message. */
  HeaderMap* response_headers_ = nullptr;
  bool active_ = false;
  bool text_request_ = false;
  bool proto_request_ = false;
  bool text_response_ = false;
  bool not_grpc_ = false;
};

void GrpcWebConfig::addTo(http::FilterChainBuilder& chain) const {
  chain.addFilter(*chain.arena().make<GrpcWebFilter>(*this));
}

class GrpcWebFactory : public HttpFilterFactory {
 public:
  GrpcWebFactory(event::Dispatcher& main, stats::ScopePtr root) : main_(main), root_(std::move(root)) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message&, const config::FieldPath&,
                                                       HttpFilterContext&, config::Violations&) const override {
    return event::ownedBy<const http::HttpFilterConfig>(main_, std::make_unique<GrpcWebConfig>(main_, root_));
  }

 private:
  event::Dispatcher& main_;
  const stats::ScopePtr root_;
};

}  // namespace

std::unique_ptr<HttpFilterFactory> grpcWebFactory(event::Dispatcher& main, stats::ScopePtr root) {
  return std::make_unique<GrpcWebFactory>(main, std::move(root));
}

}  // namespace sluice::filters
