#include "source/base/logging.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "spdlog/details/log_msg.h"
#include "spdlog/pattern_formatter.h"

namespace sluice::base {
namespace {

constexpr size_t kIdCount = static_cast<size_t>(LogId::Count);
constexpr absl::string_view kIdNames[] = {
#define SLUICE_LOG_ID(id) #id,
    SLUICE_LOG_IDS(SLUICE_LOG_ID)
#undef SLUICE_LOG_ID
};

constexpr absl::string_view kLevelNames[] = {"trace", "debug", "info", "warning", "error", "critical", "off"};

int findId(absl::string_view name) {
  for (size_t i = 0; i < kIdCount; ++i) {
    if (kIdNames[i] == name) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

void appendEscaped(fmt::string_view text, bool json, spdlog::memory_buf_t& out) {
  auto append = [&out](fmt::string_view piece) { out.append(piece.data(), piece.data() + piece.size()); };
  for (const char c : text) {
    if (c == '\n') {
      append("\\n");
    } else if (!json) {
      out.push_back(c);
    } else if (c == '"') {
      append("\\\"");
    } else if (c == '\\') {
      append("\\\\");
    } else if (c == '\t') {
      append("\\t");
    } else if (c == '\r') {
      append("\\r");
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      fmt::format_to(fmt::appender(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
}

class EscapedMessageFlag : public spdlog::custom_flag_formatter {
 public:
  explicit EscapedMessageFlag(bool json) : json_(json) {}
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    appendEscaped(fmt::string_view(message.payload.data(), message.payload.size()), json_, out);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<EscapedMessageFlag>(json_); }

 private:
  const bool json_;
};

class NoTagsFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm&, spdlog::memory_buf_t&) override {}
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<NoTagsFlag>(); }
};

/** One system call where the kernel takes it whole. What a full pipe does not take within a moment is dropped. */
void writeAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written >= 0) {
      data += written;
      size -= static_cast<size_t>(written);
      continue;
    }
    if (errno == EINTR) {
      continue;
    }
    struct pollfd wait = {fd, POLLOUT, 0};
    if (errno != EAGAIN || ::poll(&wait, 1, 100) <= 0) {
      return;
    }
  }
}

// Where the log goes. Outside the sink for the crash handler's sake, which may neither take a lock nor make the sink.
constinit std::atomic<int> log_fd{STDERR_FILENO};

/** Everything but the levels. Never destroyed: threads and other static objects may log until the very end. */
class Sink {
 public:
  static Sink& get() {
    static Sink* sink = new Sink();
    return *sink;
  }

  void write(LogId id, LogLevel level, const char* file, int line, absl::string_view text) {
    const absl::string_view name = kIdNames[static_cast<size_t>(id)];
    const spdlog::details::log_msg message(
        spdlog::source_loc{file, line, ""}, spdlog::string_view_t(name.data(), name.size()),
        static_cast<spdlog::level::level_enum>(level), spdlog::string_view_t(text.data(), text.size()));
    const std::lock_guard<std::mutex> lock(mutex_);
    spdlog::memory_buf_t line_text;
    formatter_->format(message, line_text);
    if (observer_) {
      observer_(absl::string_view(line_text.data(), line_text.size()));
    } else {
      writeAll(log_fd.load(std::memory_order_relaxed), line_text.data(), line_text.size());
    }
  }

  void setFormat(absl::string_view pattern) {
    const std::lock_guard<std::mutex> lock(mutex_);
    pattern_ = std::string(pattern);
    makeFormatter();
  }

  void setEscapeNewlines(bool escape) {
    const std::lock_guard<std::mutex> lock(mutex_);
    escape_ = escape;
    makeFormatter();
  }

  absl::Status openFile(absl::string_view path) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return open(std::string(path));
  }

  absl::Status reopen() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return path_.empty() ? absl::OkStatus() : open(path_);
  }

  void setObserver(std::function<void(absl::string_view)> observer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    observer_ = std::move(observer);
  }

 private:
  Sink() { makeFormatter(); }

  void makeFormatter() {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<EscapedMessageFlag>('_', false)
        .add_flag<EscapedMessageFlag>('j', true)
        .add_flag<EscapedMessageFlag>('+', true)
        .add_flag<NoTagsFlag>('*');
    if (escape_) {
      formatter->add_flag<EscapedMessageFlag>('v', false);
    }
    formatter->set_pattern(pattern_);
    formatter_ = std::move(formatter);
  }

  absl::Status open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
      return absl::InvalidArgumentError(absl::StrCat("unable to open log file '", path, "': ", std::strerror(errno)));
    }
    const int previous = log_fd.exchange(fd);
    if (previous != STDERR_FILENO) {
      ::close(previous);
    }
    path_ = path;
    return absl::OkStatus();
  }

  // A lock, since any thread may log at any time and its line has to be out before it goes on (and maybe crashes).
  std::mutex mutex_;
  std::string pattern_ = log::kDefaultFormat;
  bool escape_ = false;
  std::unique_ptr<spdlog::formatter> formatter_;
  std::function<void(absl::string_view)> observer_;
  std::string path_;
};

}  // namespace

absl::string_view logLevelName(LogLevel level) { return kLevelNames[static_cast<size_t>(level)]; }

bool parseLogLevel(absl::string_view text, LogLevel& level) {
  if (text == "warn") {
    text = "warning";
  } else if (text == "err") {
    text = "error";
  }
  for (size_t i = 0; i < std::size(kLevelNames); ++i) {
    if (kLevelNames[i] == text) {
      level = static_cast<LogLevel>(i);
      return true;
    }
  }
  return false;
}

namespace log {

const char* const kDefaultFormat = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v";

namespace detail {

// Zero would be Trace; every level is Info before the first static initialiser could log.
#define SLUICE_LOG_ID(id) static_cast<uint8_t>(LogLevel::Info),
constinit std::atomic<uint8_t> levels[kIdCount] = {SLUICE_LOG_IDS(SLUICE_LOG_ID)};
#undef SLUICE_LOG_ID

void write(LogId id, LogLevel level, const char* file, int line, absl::string_view message) {
  Sink::get().write(id, level, file, line, message);
}

void writeRaw(absl::string_view text) { writeAll(log_fd.load(std::memory_order_relaxed), text.data(), text.size()); }

void writeFormatted(LogId id, LogLevel level, const char* file, int line, fmt::string_view format,
                    fmt::format_args args) {
  fmt::memory_buffer message;
  fmt::vformat_to(fmt::appender(message), format, args);
  Sink::get().write(id, level, file, line, absl::string_view(message.data(), message.size()));
}

}  // namespace detail

void setLevel(LogLevel level) {
  for (std::atomic<uint8_t>& each : detail::levels) {
    each.store(static_cast<uint8_t>(level), std::memory_order_relaxed);
  }
}

absl::Status setComponentLevels(absl::string_view list) {
  std::vector<std::pair<int, LogLevel>> changes;
  for (const absl::string_view item : absl::StrSplit(list, ',', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(item, absl::MaxSplits(':', 1));
    LogLevel level = LogLevel::Info;
    if (!parseLogLevel(parts.second, level)) {
      return absl::InvalidArgumentError(absl::StrCat("'", item, "' is not of the form component:level with a level of ",
                                                     "trace, debug, info, warning, error, critical or off"));
    }
    const int id = findId(parts.first);
    if (id < 0) {
      return absl::InvalidArgumentError(absl::StrCat("there is no log component '", parts.first, "'"));
    }
    changes.emplace_back(id, level);
  }
  for (const auto& [id, level] : changes) {
    detail::levels[id].store(static_cast<uint8_t>(level), std::memory_order_relaxed);
  }
  return absl::OkStatus();
}

LogLevel level(LogId id) {
  return static_cast<LogLevel>(detail::levels[static_cast<size_t>(id)].load(std::memory_order_relaxed));
}

absl::string_view idName(LogId id) { return kIdNames[static_cast<size_t>(id)]; }

std::vector<std::pair<absl::string_view, LogLevel>> listLevels() {
  std::vector<std::pair<absl::string_view, LogLevel>> list;
  for (size_t i = 0; i < kIdCount; ++i) {
    list.emplace_back(kIdNames[i], level(static_cast<LogId>(i)));
  }
  std::sort(list.begin(), list.end());
  return list;
}

void setFormat(absl::string_view pattern) { Sink::get().setFormat(pattern); }
void setEscapeNewlines(bool escape) { Sink::get().setEscapeNewlines(escape); }
absl::Status openFile(absl::string_view path) { return Sink::get().openFile(path); }
absl::Status reopen() { return Sink::get().reopen(); }
void setObserver(std::function<void(absl::string_view)> observer) { Sink::get().setObserver(std::move(observer)); }

}  // namespace log
}  // namespace sluice::base
