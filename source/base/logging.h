#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "fmt/format.h"

namespace sluice::base {

enum class LogLevel : uint8_t { Trace, Debug, Info, Warning, Error, Critical, Off };

/** Envoy's spelling: trace, debug, info, warning, error, critical, off. */
absl::string_view logLevelName(LogLevel level);
/** Takes Envoy's spellings, "warn" and "err" too; false if it is none of them. */
bool parseLogLevel(absl::string_view text, LogLevel& level);

// clang-format off
#define SLUICE_LOG_IDS(X)                                                                                             \
  X(a2a) X(admin) X(ai_protocol_manager) X(alternate_protocols_cache) X(aws) X(assert) X(backtrace) X(basic_auth)     \
  X(cache_filter) X(client) X(config) X(connection) X(conn_handler) X(compression) X(credential_injector)             \
  X(decompression) X(dns) X(dubbo) X(dynamic_modules) X(envoy_bug) X(ext_authz) X(ext_proc) X(file) X(filter)         \
  X(forward_proxy) X(geolocation) X(golang) X(grpc) X(happy_eyeballs) X(hc) X(health_checker) X(http) X(http2)        \
  X(hystrix) X(init) X(io) X(ip_tagging) X(json_rpc) X(jwt) X(kafka) X(key_value_store) X(local_rate_limit) X(lua)    \
  X(main) X(matcher) X(mcp) X(misc) X(mongo) X(multi_connection) X(notification) X(oauth2) X(pool) X(quic)            \
  X(quic_stream) X(rate_limit_quota) X(rbac) X(rds) X(redis) X(rocketmq) X(router) X(runtime) X(secret) X(sse)        \
  X(stats) X(stats_sinks) X(tap) X(testing) X(thrift) X(tracing) X(udp) X(upstream) X(wasm) X(websocket)
// clang-format on

/**
 * Who speaks: the names that --component-log-level, /logging and every log line show. They are Envoy's, all of them, so
 * that any command line that sets one of its levels is understood; several have nothing to say here.
 */
enum class LogId : uint8_t {
#define SLUICE_LOG_ID(id) id,
  SLUICE_LOG_IDS(SLUICE_LOG_ID)
#undef SLUICE_LOG_ID
      Count,
};

/**
 * The process's log: one sink (standard error, or a file that can be reopened), one format, one level for each id. Any
 * thread may log and change it; a disabled line costs one relaxed load. A line is written in one system call under a
 * lock, so that lines never mix and nothing is lost in a crash.
 */
namespace log {

namespace detail {
extern std::atomic<uint8_t> levels[static_cast<size_t>(LogId::Count)];
/** Whatever the level. */
void write(LogId id, LogLevel level, const char* file, int line, absl::string_view message);
/** To where the log goes, without a lock, an allocation or a format: for the crash handler alone. */
void writeRaw(absl::string_view text);
void writeFormatted(LogId id, LogLevel level, const char* file, int line, fmt::string_view format,
                    fmt::format_args args);

template <class... Args>
void format(LogId id, LogLevel level, const char* file, int line, fmt::format_string<Args...> text, Args&&... args) {
  writeFormatted(id, level, file, line, text, fmt::make_format_args(args...));
}
}  // namespace detail

inline bool enabled(LogId id, LogLevel level) {
  return static_cast<uint8_t>(level) >= detail::levels[static_cast<size_t>(id)].load(std::memory_order_relaxed);
}

void setLevel(LogLevel level);
/** As --component-log-level takes it: "upstream:debug,connection:trace". Applies all of it or nothing. */
absl::Status setComponentLevels(absl::string_view list);
LogLevel level(LogId id);
absl::string_view idName(LogId id);
/** Every id with its level, in order of name, as the admin page lists them. */
std::vector<std::pair<absl::string_view, LogLevel>> listLevels();

/**
 * spdlog's pattern flags and Envoy's: "%_" the message with its newlines escaped, "%j" the message escaped for a JSON
 * string, "%+" the same, "%*" its tags (there are none, so nothing).
 */
void setFormat(absl::string_view pattern);
/** Envoy's default, "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v". */
extern const char* const kDefaultFormat;
/** Writes newlines inside a message as "\n" (--log-format-escaped). */
void setEscapeNewlines(bool escape);

/** Sends the log to a file from now on, appending. On failure it stays where it was. */
absl::Status openFile(absl::string_view path);
/** Opens the file anew, as after its rotation; nothing to do while the log goes to standard error. */
absl::Status reopen();

/** Gives each finished line, newline included, to `observer` instead of writing it; null ends that. For tests. */
void setObserver(std::function<void(absl::string_view line)> observer);

}  // namespace log
}  // namespace sluice::base

// Debian's abseil has string_view and Status of its own that fmt knows nothing of.
template <>
struct fmt::formatter<absl::string_view> : fmt::formatter<fmt::string_view> {
  template <class Context>
  auto format(absl::string_view text, Context& context) const {
    return fmt::formatter<fmt::string_view>::format(fmt::string_view(text.data(), text.size()), context);
  }
};

template <>
struct fmt::formatter<absl::Status> : fmt::formatter<std::string> {
  template <class Context>
  auto format(const absl::Status& status, Context& context) const {
    return fmt::formatter<std::string>::format(status.ToString(), context);
  }
};

/** LOG_INFO(upstream, "cluster {} added", name): the id is one of LogId's; the format is checked when compiled. */
#define SLUICE_LOG(log_level, id, ...)                                                                              \
  do {                                                                                                              \
    if (::sluice::base::log::enabled(::sluice::base::LogId::id, ::sluice::base::LogLevel::log_level)) {             \
      ::sluice::base::log::detail::format(::sluice::base::LogId::id, ::sluice::base::LogLevel::log_level, __FILE__, \
                                          __LINE__, __VA_ARGS__);                                                   \
    }                                                                                                               \
  } while (false)

#define LOG_TRACE(id, ...) SLUICE_LOG(Trace, id, __VA_ARGS__)
#define LOG_DEBUG(id, ...) SLUICE_LOG(Debug, id, __VA_ARGS__)
#define LOG_INFO(id, ...) SLUICE_LOG(Info, id, __VA_ARGS__)
#define LOG_WARNING(id, ...) SLUICE_LOG(Warning, id, __VA_ARGS__)
#define LOG_ERROR(id, ...) SLUICE_LOG(Error, id, __VA_ARGS__)
#define LOG_CRITICAL(id, ...) SLUICE_LOG(Critical, id, __VA_ARGS__)
