// Operators that tell how long parts of a request took.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "source/access_log/values.h"
#include "source/http/access_log_operators.h"
#include "source/http/stream_info.h"

namespace sluice::http {
namespace {

using access_log::Argument;
using access_log::LogContext;
using access_log::OperatorTable;
using access_log::PreparedArgument;
using Time = std::optional<base::MonotonicTime>;

template <Time StreamInfo::*field>
Time stream(const LogContext& context) {
  return context.http == nullptr ? std::nullopt : context.http->*field;
}

Time streamBegin(const LogContext& context) {
  return context.http == nullptr ? std::nullopt : Time(context.info.start_monotonic);
}

Time connectionBegin(const LogContext& context) {
  return context.http != nullptr ? std::nullopt : Time(context.info.start_monotonic);
}

Time connectionEnd(const LogContext& context) {
  return context.http != nullptr ? std::nullopt : context.info.end_monotonic;
}

template <Time net::UpstreamInfo::*field>
Time upstream(const LogContext& context) {
  return context.info.upstream == nullptr ? std::nullopt : context.info.upstream.get()->*field;
}

/** Nothing that Sluice has sets it. */
Time never(const LogContext&) { return std::nullopt; }

struct TimePoint {
  absl::string_view name;
  Time (*find)(const LogContext& context);
};

constexpr TimePoint kPoints[] = {
    {"DS_RX_BEG", streamBegin},
    {"DS_RX_END", stream<&StreamInfo::last_downstream_rx_byte>},
    {"DS_TX_BEG", stream<&StreamInfo::first_downstream_tx_byte>},
    {"DS_TX_END", stream<&StreamInfo::last_downstream_tx_byte>},
    {"DS_CX_BEG", connectionBegin},
    {"DS_CX_END", connectionEnd},
    {"US_CX_BEG", upstream<&net::UpstreamInfo::connect_start>},
    {"US_CX_END", upstream<&net::UpstreamInfo::connect_complete>},
    {"US_HS_END", never},
    {"US_TX_BEG", stream<&StreamInfo::first_upstream_tx_byte>},
    {"US_TX_END", stream<&StreamInfo::last_upstream_tx_byte>},
    {"US_RX_BEG", stream<&StreamInfo::first_upstream_rx_byte>},
    {"US_RX_BODY_BEG", stream<&StreamInfo::first_upstream_rx_body>},
    {"US_RX_END", stream<&StreamInfo::last_upstream_rx_byte>},
};

/** Other names are points that filters would set; none does, so they are never reached. */
uint32_t findPoint(absl::string_view name) {
  for (uint32_t i = 0; i < std::size(kPoints); ++i) {
    if (kPoints[i].name == name) {
      return i;
    }
  }
  return findPoint("US_HS_END");
}

/** "START:END" or "START:END:PRECISION"; numbers: both points, and nanoseconds of a unit. */
absl::Status prepareDuration(PreparedArgument& argument, const OperatorTable&) {
  const std::vector<absl::string_view> parts = absl::StrSplit(argument.text, ':');
  if (parts.size() < 2 || parts.size() > 3) {
    return absl::InvalidArgumentError("the argument is START:END:PRECISION");
  }
  const absl::string_view precision = parts.size() == 3 ? parts[2] : "ms";
  if (precision != "ms" && precision != "us" && precision != "ns") {
    return absl::InvalidArgumentError(absl::StrCat("the precision '", precision, "' is none of ms, us and ns"));
  }
  argument.numbers[0] = findPoint(parts[0]);
  argument.numbers[1] = findPoint(parts[1]);
  argument.numbers[2] = precision == "ms" ? 1'000'000 : precision == "us" ? 1'000 : 1;
  return absl::OkStatus();
}

bool appendBetween(Time from, Time to, int64_t unit, std::string& out) {
  if (!from.has_value() || !to.has_value()) {
    return false;
  }
  return access_log::appendSigned(std::chrono::nanoseconds(*to - *from).count() / unit, out);
}

bool commonDuration(const LogContext& context, const PreparedArgument& argument, std::string& out) {
  return appendBetween(kPoints[argument.numbers[0]].find(context), kPoints[argument.numbers[1]].find(context),
                       argument.numbers[2], out);
}

template <auto from, auto to>
bool milliseconds(const LogContext& context, const PreparedArgument&, std::string& out) {
  return appendBetween(from(context), to(context), 1'000'000, out);
}

template <auto from, auto to>
void add(OperatorTable& table, absl::string_view name, absl::string_view help) {
  table.add({name, Argument::None, help, milliseconds<from, to>, nullptr, milliseconds<from, to>});
}

}  // namespace

void addTimingOperators(OperatorTable& table) {
  table.add(
      {"COMMON_DURATION", Argument::Required,
       "From one point to another: X is as in DS_RX_BEG:US_RX_BEG:us; the points are DS_RX_, DS_TX_, US_TX_, US_RX_ "
       "and US_CX_ with BEG or END, US_RX_BODY_BEG, for TCP DS_CX_BEG and DS_CX_END; ms, us or ns",
       commonDuration, prepareDuration, commonDuration});
  add<streamBegin, stream<&StreamInfo::last_downstream_rx_byte>>(
      table, "REQUEST_DURATION", "Milliseconds from the start until the request's last byte had come");
  add<streamBegin, stream<&StreamInfo::last_upstream_tx_byte>>(
      table, "REQUEST_TX_DURATION", "Milliseconds from the start until its last byte went upstream");
  add<streamBegin, stream<&StreamInfo::first_upstream_rx_byte>>(
      table, "RESPONSE_DURATION", "Milliseconds from the start until the upstream's first byte");
  add<stream<&StreamInfo::first_upstream_rx_byte>, stream<&StreamInfo::last_downstream_tx_byte>>(
      table, "RESPONSE_TX_DURATION", "Milliseconds from the upstream's first byte until the last went to the client");
}

}  // namespace sluice::http
