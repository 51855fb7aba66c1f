#include "source/filters/http/grpc_method_stats.h"

#include <algorithm>
#include <initializer_list>

#include "absl/container/inlined_vector.h"

namespace sluice::filters {
namespace {

/** The pieces, one after the other, without the heap where they are short. */
class Joined {
 public:
  Joined(std::initializer_list<absl::string_view> pieces) {
    for (const absl::string_view piece : pieces) {
      text_.insert(text_.end(), piece.begin(), piece.end());
    }
  }
  absl::string_view view() const { return {text_.data(), text_.size()}; }

 private:
  absl::InlinedVector<char, 256> text_;
};

}  // namespace

GrpcMethod GrpcMethod::parse(absl::string_view path) {
  path = path.substr(0, path.find('?'));
  if (path.empty() || path.front() != '/') {
    return {};
  }
  path.remove_prefix(1);
  const size_t slash = path.find('/');
  if (slash == absl::string_view::npos || slash == 0 || slash + 1 == path.size() ||
      path.find('/', slash + 1) != absl::string_view::npos) {
    return {};
  }
  return {path.substr(0, slash), path.substr(slash + 1)};
}

GrpcMethodStats::GrpcMethodStats(event::Dispatcher& main, const stats::ScopePtr& root, absl::string_view protocol)
    : protocol_(protocol),
      counters_(main, root->createScope("cluster")),
      histograms_(main, root->createScope("cluster")) {}

absl::string_view GrpcMethodStats::name(base::Arena& arena, absl::string_view cluster, const GrpcMethod& method,
                                        bool replace_dots) const {
  if (method.service.empty()) {
    return arena.copy(Joined({cluster, ".", protocol_}).view());
  }
  const Joined joined({cluster, ".", protocol_, ".", method.service, ".", method.method});
  const absl::string_view text = joined.view();
  char* out = static_cast<char*>(arena.allocate(text.size(), 1));
  std::copy(text.begin(), text.end(), out);
  if (replace_dots) {
    char* service = out + cluster.size() + protocol_.size() + 2;
    std::replace(service, service + method.service.size(), '.', '_');
  }
  return {out, text.size()};
}

void GrpcMethodStats::count(absl::string_view name, absl::string_view what, uint64_t amount) const {
  counters_.with(Joined({name, ".", what}).view(), [amount](const NamedCounter& stats) { stats.counter.add(amount); });
}

void GrpcMethodStats::countStatus(absl::string_view name, const http::HeaderMap& headers) const {
  const absl::string_view status = headers.get(http::HeaderId::GrpcStatus);
  if (status.data() == nullptr) {
    return;
  }
  // An upstream's text becomes a name only if it is one of the protocol's codes.
  const bool known = (status.size() == 1 && status[0] >= '0' && status[0] <= '9') ||
                     (status.size() == 2 && status[0] == '1' && status[1] >= '0' && status[1] <= '6');
  if (known) {
    count(name, status, 1);
  }
  count(name, status == "0" ? "success" : "failure", 1);
  count(name, "total", 1);
}

void GrpcMethodStats::countRequestMessages(absl::string_view name, uint64_t messages) const {
  count(name, "request_message_count", messages);
}

void GrpcMethodStats::countResponseMessages(absl::string_view name, uint64_t messages) const {
  count(name, "response_message_count", messages);
}

void GrpcMethodStats::recordUpstreamTime(absl::string_view name, uint64_t milliseconds) const {
  histograms_.with(Joined({name, ".upstream_rq_time"}).view(),
                   [milliseconds](const NamedHistogram& stats) { stats.histogram.record(milliseconds); });
}

}  // namespace sluice::filters
