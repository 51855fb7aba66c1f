#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "absl/strings/numbers.h"

#include "source/server/flags.h"

namespace sluice::server {
namespace {

/** The whole CPUs that cgroup v2 grants this process; 0 without a quota. */
uint32_t cgroupCpus() {
  std::ifstream self("/proc/self/cgroup");
  std::string line;
  while (std::getline(self, line)) {
    if (line.rfind("0::", 0) != 0) {
      continue;
    }
    std::ifstream limit("/sys/fs/cgroup" + line.substr(3) + "/cpu.max");
    std::string quota;
    uint64_t period = 0;
    uint64_t microseconds = 0;
    if (limit >> quota >> period && period > 0 && absl::SimpleAtoi(quota, &microseconds)) {
      return static_cast<uint32_t>(std::max<uint64_t>(1, (microseconds + period - 1) / period));
    }
  }
  return 0;
}

}  // namespace

uint32_t usableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  uint32_t cpus = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    cpus = std::max(1, CPU_COUNT(&set));
  }
  const uint32_t quota = cgroupCpus();
  return quota == 0 ? cpus : std::min(cpus, quota);
}

}  // namespace sluice::server
