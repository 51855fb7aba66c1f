#include "control_plane_mock/printer.h"

#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include "source/xds/resource_name.h"

namespace sluice::control_plane_mock {
namespace {

constexpr size_t kNamesShown = 8;
constexpr char kIndent[] = "\n                              ";

std::string shorten(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamesShown);
  std::string list = absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", ");
  return shown == names.size() ? list : absl::StrCat(list, " and ", names.size() - shown, " more");
}

std::string nameList(const Request& request) {
  if (!request.names.empty()) {
    return shorten(request.names);
  }
  // A delta request that tells no names tells no news of them, but for a first one.
  return request.delta && !request.unsubscribed.empty() ? "no new names" : "all";
}

std::string describeRequest(const Request& request) {
  const absl::string_view type = xds::shortTypeName(request.type_url);
  if (request.isNack()) {
    return absl::StrCat("NACK      ", type, "  version ", request.answered_version, ", keeps ",
                        request.version.empty() ? "none" : request.version, kIndent,
                        absl::StrReplaceAll(request.error->message(), {{"\n", kIndent}}));
  }
  if (request.isAck() && !request.repeated) {
    return absl::StrCat("ACK       ", type, "  version ", request.answered_version);
  }
  std::string text = absl::StrCat("request   ", type, "  ", nameList(request));
  if (!request.unsubscribed.empty()) {
    absl::StrAppend(&text, "  no more ", shorten(request.unsubscribed));
  }
  if (!request.initial_versions.empty()) {
    absl::StrAppend(&text, "  has ", request.initial_versions.size(), " resources");
  }
  if (!request.version.empty()) {
    absl::StrAppend(&text, "  has version ", request.version);
  }
  if (request.node.has_value()) {
    absl::StrAppend(&text, "  from node ", request.node->id());
  }
  return text;
}

}  // namespace

void printLine(absl::string_view text) {
  timeval now;
  gettimeofday(&now, nullptr);
  tm local;
  localtime_r(&now.tv_sec, &local);
  char time[32];
  snprintf(time, sizeof(time), "%02d:%02d:%02d.%03d  ", local.tm_hour, local.tm_min, local.tm_sec,
           static_cast<int>(now.tv_usec / 1000));
  const std::string line = absl::StrCat(time, text, "\n");
  fwrite(line.data(), 1, line.size(), stdout);
  fflush(stdout);
}

std::string describe(const Event& event) {
  const std::string stream = absl::StrCat("stream ", event.stream, "  ");
  switch (event.kind) {
    case Event::Kind::StreamOpened:
      return absl::StrCat(stream, "opened");
    case Event::Kind::StreamClosed:
      return absl::StrCat(stream, "closed");
    case Event::Kind::Response:
      return absl::StrCat(stream, "push      ", xds::shortTypeName(event.type_url), "  version ", event.version, "  ",
                          event.resources, event.resources == 1 ? " resource" : " resources");
    case Event::Kind::Request:
      return absl::StrCat(stream, describeRequest(*event.request));
  }
  return stream;
}

}  // namespace sluice::control_plane_mock
