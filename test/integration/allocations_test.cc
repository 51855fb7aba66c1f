// In steady state a request allocates nothing from the global heap, over either version of HTTP.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "gtest/gtest.h"

#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

/** What the program has asked its allocator for so far: see harness/count_allocations.cc. */
class AllocationCount {
 public:
  AllocationCount() {
    const std::string path = folder_.write("count", std::string(sizeof(uint64_t), '\0'));
    const int file = open(path.c_str(), O_RDWR);
    void* const page = mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    EXPECT_NE(page, MAP_FAILED);
    close(file);
    count_ = static_cast<std::atomic<uint64_t>*>(page);
    const auto library = std::filesystem::absolute("test/integration/harness/libcount_allocations.so");
    setenv("ALLOCATION_COUNT", path.c_str(), 1);
    setenv("LD_PRELOAD", library.c_str(), 1);
  }
  ~AllocationCount() { munmap(count_, sizeof(uint64_t)); }
  /** What is started from now on is not counted. */
  void startedAll() { unsetenv("LD_PRELOAD"); }
  uint64_t now() const { return count_->load(); }

 private:
  TempFolder folder_;
  std::atomic<uint64_t>* count_ = nullptr;
};

TEST(AllocationsTest, ARequestAllocatesNothing) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have an allocator of their own";
#endif
  HttpServer backend([](const HttpMessage&) { return httpResponse(200, "hello"); });
  // The request goes through the proxy twice: in as HTTP/1 and out as HTTP/2, in as HTTP/2 and out as HTTP/1.
  const uint16_t inner = demo::freePort();
  AllocationCount count;
  Proxy proxy(staticResources(
      {cluster("back", backend.port()), cluster("inner", inner, http2Upstream())},
      {httpForward("front", "inner"),
       listenerAt(
           socketAddress(inner), "inner",
           {chain("http", {httpConnectionManager(routeConfig({virtualHost("all", {"*"}, {routeTo("back")})}))})})}));
  count.startedAll();
  ASSERT_TRUE(proxy.waitReady());
  HttpClient client(proxy.listenerPort("front").value_or(0));
  const auto send = [&client](int requests) {
    for (int i = 0; i < requests; ++i) {
      ASSERT_EQ(client.get("/path").body, "hello");
    }
  };
  send(2000);
  EXPECT_GT(count.now(), 1000u) << "nothing was counted";
  constexpr int kRequests = 5000;
  const uint64_t before = count.now();
  send(kRequests);
  const double each = static_cast<double>(count.now() - before) / kRequests;
  RecordProperty("allocations_per_request", std::to_string(each));
  // What is left is main's: statistics are flushed every few seconds.
  EXPECT_LT(each, 0.05) << "allocations per request, two passes through the proxy each";
}

}  // namespace
}  // namespace sluice::integration
