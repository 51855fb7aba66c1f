#include "source/admin/server_pages.h"

#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "envoy/admin/v3/memory.pb.h"
#include "envoy/admin/v3/server_info.pb.h"

#include "source/base/version.h"

// jemalloc's, in the program; null where another allocator is linked, as under sanitizers.
extern "C" int mallctl(const char* name, void* old, size_t* old_size, void* value, size_t value_size)
    __attribute__((weak));

namespace sluice::admin {
namespace {

uint64_t readMallctl(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

uint64_t residentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0;
  uint64_t resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

void readJemalloc(envoy::admin::v3::Memory& memory) {
  // Its numbers are as of the last epoch.
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  memory.set_allocated(readMallctl("stats.allocated"));
  memory.set_heap_size(readMallctl("stats.mapped"));
  memory.set_pageheap_unmapped(readMallctl("stats.retained"));
  memory.set_pageheap_free(readMallctl("stats.mapped") - readMallctl("stats.active"));
}

void readMalloc(envoy::admin::v3::Memory& memory) {
  const struct mallinfo2 info = mallinfo2();
  memory.set_allocated(info.uordblks + info.hblkhd);
  memory.set_heap_size(info.arena + info.hblkhd);
  memory.set_pageheap_free(info.fordblks);
}

void appendStrings(const std::vector<std::string>& strings, size_t indent, std::string& out) {
  out += "[";
  for (size_t i = 0; i < strings.size(); ++i) {
    absl::StrAppend(&out, i == 0 ? "\n" : ",\n", std::string(indent + 1, ' '));
    appendJsonString(strings[i], out);
  }
  absl::StrAppend(&out, strings.empty() ? "" : absl::StrCat("\n", std::string(indent, ' ')), "]");
}

}  // namespace

std::string serverInfoPage(const ServerFacts& facts, const base::Clock& clock, JsonPrinter& printer) {
  envoy::admin::v3::ServerInfo info;
  info.set_version(std::string(base::versionString()));
  info.set_state(facts.state());
  const int64_t uptime = std::chrono::duration_cast<std::chrono::seconds>(clock.monotonicNow() - facts.started).count();
  info.mutable_uptime_current_epoch()->set_seconds(uptime);
  info.mutable_uptime_all_epochs()->set_seconds(uptime);
  info.set_hot_restart_version("disabled");
  *info.mutable_command_line_options() = facts.options;
  *info.mutable_node() = facts.node;
  return printer.page(info, JsonPrinter::Defaults::Shown);
}

std::string memoryPage(JsonPrinter& printer) {
  envoy::admin::v3::Memory memory;
  if (mallctl != nullptr) {
    readJemalloc(memory);
  } else {
    readMalloc(memory);
  }
  memory.set_total_physical_bytes(residentBytes());
  return printer.page(memory, JsonPrinter::Defaults::Shown);
}

std::string runtimePage(const runtime::Snapshot& snapshot) {
  std::string page = "{\n \"layers\": ";
  appendStrings(snapshot.layers(), 1, page);
  page += ",\n \"entries\": {";
  bool first = true;
  for (const auto& [key, entry] : snapshot.entries()) {
    page += first ? "\n  " : ",\n  ";
    first = false;
    appendJsonString(key, page);
    page += ": {\n   \"final_value\": ";
    appendJsonString(entry.final_value, page);
    page += ",\n   \"layer_values\": ";
    appendStrings(entry.layer_values, 3, page);
    page += "\n  }";
  }
  page += first ? "}\n}\n" : "\n }\n}\n";
  return page;
}

std::string describeUptime(base::MonotonicTime::duration uptime) {
  const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(uptime).count();
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  const int64_t days = hours / 24;
  if (days > 0) {
    return absl::StrCat(days, "d ", hours % 24, "h");
  }
  if (hours > 0) {
    return absl::StrCat(hours, "h ", minutes % 60, "m");
  }
  return minutes > 0 ? absl::StrCat(minutes, "m ", seconds % 60, "s") : absl::StrCat(seconds, "s");
}

}  // namespace sluice::admin
