#include "source/http/http_date.h"

#include <ctime>

namespace sluice::http {

absl::string_view httpDate(base::SystemTime now) {
  // Made once a second: it goes into every answer.
  thread_local char text[30];
  thread_local std::time_t made_for = -1;
  const std::time_t seconds = base::SystemTime::clock::to_time_t(now);
  if (seconds != made_for) {
    made_for = seconds;
    std::tm parts;
    gmtime_r(&seconds, &parts);
    constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char format[30];
    // The names by hand: strftime's are those of the locale.
    std::strftime(format, sizeof(format), "???, %d ??? %Y %H:%M:%S GMT", &parts);
    for (int i = 0; i < 3; ++i) {
      format[i] = kDays[parts.tm_wday][i];
      format[8 + i] = kMonths[parts.tm_mon][i];
    }
    for (size_t i = 0; i < sizeof(text); ++i) {
      text[i] = format[i];
    }
  }
  return {text, 29};
}

}  // namespace sluice::http
