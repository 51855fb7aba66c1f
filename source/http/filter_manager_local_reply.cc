#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "source/http/filter_manager.h"
#include "source/http/filter_manager_entries.h"
#include "source/http/grpc_status.h"

namespace sluice::http {

/** A local reply's texts where they outlive the call that asked for it. In the arena. */
struct FilterManager::PreparedReply {
  uint32_t status;
  absl::string_view body;
  absl::string_view details;
  std::optional<uint32_t> grpc_status;
  std::function<void(HeaderMap&)> modify_headers;
};

void FilterManager::sendLocalReply(const LocalReply& reply) {
  if (destroyed_ || response_complete_ || prepared_reply_ != nullptr) {
    return;
  }
  decoding_aborted_ = true;
  auto* prepared = arena_.make<PreparedReply>(PreparedReply{
      reply.status, arena_.copy(reply.body), arena_.copy(reply.details), reply.grpc_status, reply.modify_headers});
  info_.details = prepared->details;
  if (response_headers_ == nullptr && (calling_ & kEncodingInterim) == 0) {
    if ((calling_ & kDecoding) != 0) {
      prepared_reply_ = prepared;
    } else {
      replyThroughFilters(*prepared);
    }
  } else if (!response_headers_sent_) {
    // Encoder filters have seen the beginning of another response: this one passes them by.
    encoding_aborted_ = true;
    replyDirectly(*prepared);
  } else {
    owner_.resetFromFilter(ResetReason::Local, prepared->details);
  }
}

void FilterManager::sendPreparedReply() {
  if (prepared_reply_ == nullptr || (calling_ & kDecoding) != 0) {
    return;
  }
  PreparedReply& reply = *prepared_reply_;
  prepared_reply_ = nullptr;
  if (!destroyed_ && !response_complete_) {
    replyThroughFilters(reply);
  }
}

void FilterManager::replyThroughFilters(PreparedReply& reply) {
  replied_ = true;
  if (!chain_made_) {
    owner_.makeFilterChain();
  }
  bool end_stream = false;
  HeaderMap& headers = makeReplyHeaders(reply, end_stream);
  startResponse(headers, end_stream, reply.details);
  if (!end_stream && !encodingStopped()) {
    net::Buffer body;
    body.append(reply.body);
    encodeDataFrom(nullptr, body, true, IterateFrom::Next);
  }
}

void FilterManager::replyDirectly(PreparedReply& reply) {
  replied_ = true;
  bool end_stream = false;
  HeaderMap& headers = makeReplyHeaders(reply, end_stream);
  response_headers_ = &headers;
  info_.response_headers = &headers;
  response_headers_sent_ = true;
  owner_.sendHeaders(headers, end_stream);
  if (!end_stream && !destroyed_) {
    net::Buffer body;
    body.append(reply.body);
    owner_.sendData(body, true);
  }
  if (!destroyed_) {
    endResponseIf(true);
  }
}

HeaderMap& FilterManager::makeReplyHeaders(PreparedReply& reply, bool& end_stream) {
  constexpr absl::string_view kPlain = "text/plain";
  HeaderMap& headers = *arena_.make<HeaderMap>(arena_);
  headers.addNumber(HeaderId::Status, reply.status);
  if (reply.modify_headers) {
    reply.modify_headers(headers);
  }
  std::string body(reply.body);
  absl::string_view content_type = kPlain;
  const absl::string_view own_type = headers.get(HeaderId::ContentType);
  info_.response_code = reply.status;
  owner_.rewriteLocalReply(headers, reply.status, body, content_type);
  const bool type_rewritten = own_type != headers.get(HeaderId::ContentType);
  const bool head = request_headers_ != nullptr && request_headers_->get(HeaderId::Method) == "HEAD";

  if (request_headers_ != nullptr && isGrpcContentType(request_headers_->get(HeaderId::ContentType))) {
    headers.setView(HeaderId::Status, "200");
    headers.setView(HeaderId::ContentType, "application/grpc");
    if (headers.get(HeaderId::GrpcStatus).empty()) {
      headers.setNumber(HeaderId::GrpcStatus, reply.grpc_status.value_or(grpcStatusOf(reply.status)));
    }
    if (!body.empty() && !head) {
      if (content_type == "application/json" && body.back() == '\n') {
        body.pop_back();
      }
      headers.set(HeaderId::GrpcMessage, percentEncodeGrpcMessage(body));
    }
    headers.remove(HeaderId::ContentLength);
    end_stream = true;
    return headers;
  }
  if (body.empty()) {
    headers.remove(HeaderId::ContentLength);
    headers.remove(HeaderId::ContentType);
  } else {
    headers.setNumber(HeaderId::ContentLength, body.size());
    if (!headers.has(HeaderId::ContentType) || (absl::string_view(body) != reply.body && !type_rewritten)) {
      headers.set(HeaderId::ContentType, content_type);
    }
    reply.body = arena_.copy(body);
  }
  end_stream = body.empty() || head;
  return headers;
}

}  // namespace sluice::http
