#include "source/access_log/time_format.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <limits>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

#include "source/access_log/values.h"

namespace sluice::access_log {
namespace {

struct Moment {
  int64_t seconds;
  uint32_t nanoseconds;
};

Moment split(base::SystemTime time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  return {whole.time_since_epoch().count(),
          static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time - whole).count())};
}

void appendFraction(uint32_t nanoseconds, int digits, std::string& out) {
  char text[9];
  for (int i = 8; i >= 0; --i) {
    text[i] = static_cast<char>('0' + nanoseconds % 10);
    nanoseconds /= 10;
  }
  out.append(text, static_cast<size_t>(digits));
}

/** The digits up to the last that is not zero; none for a whole second. */
int neededDigits(uint32_t nanoseconds) {
  int digits = 9;
  while (digits > 0 && nanoseconds % 10 == 0) {
    nanoseconds /= 10;
    --digits;
  }
  return digits;
}

void appendTwo(int value, std::string& out) {
  out += static_cast<char>('0' + value / 10 % 10);
  out += static_cast<char>('0' + value % 10);
}

/** The C library's own functions take a lock for the time zone; absl's do not. */
std::tm calendar(const absl::TimeZone::CivilInfo& info) {
  const absl::CivilSecond civil = info.cs;
  std::tm out = {};
  out.tm_year = static_cast<int>(civil.year() - 1900);
  out.tm_mon = civil.month() - 1;
  out.tm_mday = civil.day();
  out.tm_hour = civil.hour();
  out.tm_min = civil.minute();
  out.tm_sec = civil.second();
  const absl::CivilDay day(civil);
  // absl counts from Monday, C from Sunday.
  out.tm_wday = (static_cast<int>(absl::GetWeekday(day)) + 1) % 7;
  out.tm_yday = absl::GetYearDay(day) - 1;
  out.tm_isdst = info.is_dst ? 1 : 0;
  out.tm_gmtoff = info.offset;
  out.tm_zone = info.zone_abbr;
  return out;
}

}  // namespace

absl::StatusOr<TimeFormat> TimeFormat::parse(absl::string_view format) {
  if (format.empty()) {
    format = "%Y-%m-%dT%H:%M:%S.%3fZ";
  }
  TimeFormat out;
  std::string plain;
  const auto end_plain = [&out, &plain] {
    if (!plain.empty()) {
      out.pieces_.push_back({Kind::Strftime, std::move(plain)});
      plain.clear();
    }
  };
  const auto add = [&out, &end_plain](Kind kind, int digits = 0) {
    end_plain();
    out.pieces_.push_back({kind, "", digits});
  };
  for (size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if (c == '\n' || c == '\r' || c == '\0') {
      return absl::InvalidArgumentError("a time format holds no line break");
    }
    if (c != '%') {
      plain += c;
      continue;
    }
    const absl::string_view rest = format.substr(i + 1);
    const auto digit = [rest](size_t at) { return at < rest.size() && rest[at] >= '1' && rest[at] <= '9'; };
    if (rest.empty()) {
      // A percent sign at the end is one.
      plain += "%%";
    } else if (rest[0] == 'n' || rest[0] == 't') {
      return absl::InvalidArgumentError("a time format holds no line break or tabulator");
    } else if (rest[0] == 's') {
      add(Kind::Epoch);
      ++i;
    } else if (rest[0] == 'f') {
      add(Kind::Fraction, 9);
      ++i;
    } else if (digit(0) && rest.substr(1, 1) == "f") {
      add(Kind::Fraction, rest[0] - '0');
      i += 2;
    } else if (rest[0] == 'E' && digit(1) && (rest.substr(2, 1) == "f" || rest.substr(2, 1) == "S")) {
      plain += rest[2] == 'S' ? "%S." : "";
      add(Kind::Fraction, rest[1] - '0');
      i += 3;
    } else if (rest.substr(0, 3) == "E*S" || rest.substr(0, 3) == "E*f") {
      plain += rest[2] == 'S' ? "%S" : "";
      add(Kind::TrimmedFraction, rest[2] == 'S' ? 1 : 0);
      i += 3;
    } else if (rest.substr(0, 2) == "Ez") {
      add(Kind::ColonOffset);
      i += 2;
    } else if (rest.substr(0, 3) == "E4Y") {
      plain += "%Y";
      i += 3;
    } else {
      plain += '%';
      plain += rest[0];
      ++i;
    }
  }
  end_plain();
  return out;
}

void TimeFormat::append(base::SystemTime time, Zone zone, std::string& out) const {
  const Moment moment = split(time);
  const absl::TimeZone time_zone = zone == Zone::Utc ? absl::UTCTimeZone() : absl::LocalTimeZone();
  const absl::TimeZone::CivilInfo info = time_zone.At(absl::FromUnixSeconds(moment.seconds));
  const std::tm broken_down = calendar(info);
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Kind::Strftime: {
        char text[256];
        out.append(text, std::strftime(text, sizeof(text), piece.text.c_str(), &broken_down));
        break;
      }
      case Kind::Epoch:
        appendSigned(moment.seconds, out);
        break;
      case Kind::Fraction:
        appendFraction(moment.nanoseconds, piece.digits, out);
        break;
      case Kind::TrimmedFraction: {
        const int digits = neededDigits(moment.nanoseconds);
        // After seconds there is a point when something follows it; alone, there is at least a zero.
        out += piece.digits != 0 && digits > 0 ? "." : "";
        appendFraction(moment.nanoseconds, piece.digits == 0 && digits == 0 ? 1 : digits, out);
        break;
      }
      case Kind::ColonOffset: {
        const int minutes = (info.offset < 0 ? -info.offset : info.offset) / 60;
        out += info.offset < 0 ? '-' : '+';
        appendTwo(minutes / 60, out);
        out += ':';
        appendTwo(minutes % 60, out);
        break;
      }
    }
  }
}

void appendRfc3339Millis(base::SystemTime time, std::string& out) {
  // Lines of one second share all but the milliseconds.
  struct Second {
    int64_t seconds = std::numeric_limits<int64_t>::min();
    char text[32];
    size_t length = 0;
  };
  static thread_local Second last;
  const Moment moment = split(time);
  if (moment.seconds != last.seconds) {
    const absl::CivilSecond civil = absl::UTCTimeZone().At(absl::FromUnixSeconds(moment.seconds)).cs;
    const int length =
        std::snprintf(last.text, sizeof(last.text), "%04d-%02d-%02dT%02d:%02d:%02d.", static_cast<int>(civil.year()),
                      civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second());
    last.length = static_cast<size_t>(length);
    last.seconds = moment.seconds;
  }
  out.append(last.text, last.length);
  appendFraction(moment.nanoseconds, 3, out);
  out += 'Z';
}

}  // namespace sluice::access_log
