// c-ares against a DNS server of the test's own, on a real loop.

#include "source/cluster/cares_resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <gtest/gtest.h>

#include "source/base/assert.h"
#include "source/event/libevent_dispatcher.h"
#include "test/support/turn_until.h"

namespace sluice::cluster {
namespace {

constexpr uint16_t kA = 1;
constexpr uint16_t kAaaa = 28;

/** Answers questions of type A and AAAA from a table, on a thread of its own. */
class DnsServer {
 public:
  struct Records {
    std::vector<std::string> v4;
    std::vector<std::string> v6;
    uint32_t ttl = 60;
    /** 2 is SERVFAIL. */
    uint8_t code = 0;
  };

  explicit DnsServer(std::map<std::string, Records> table) : table_(std::move(table)) {
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SLUICE_CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "bind failed");
    socklen_t length = sizeof(address);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    // An empty datagram ends it.
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port_);
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ::sendto(fd, "", 0, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to));
    thread_.join();
    ::close(fd);
    ::close(fd_);
  }
  std::string server() const { return absl::StrCat("127.0.0.1:", port_); }
  int questions() const { return questions_; }

 private:
  static void put16(std::string& to, uint16_t value) {
    to.push_back(static_cast<char>(value >> 8));
    to.push_back(static_cast<char>(value));
  }

  void serve() {
    char packet[1500];
    for (;;) {
      sockaddr_storage from{};
      socklen_t from_length = sizeof(from);
      const ssize_t length =
          ::recvfrom(fd_, packet, sizeof(packet), 0, reinterpret_cast<sockaddr*>(&from), &from_length);
      if (length <= 12) {
        return;
      }
      ++questions_;
      const std::string answer = answerTo(std::string(packet, static_cast<size_t>(length)));
      if (!answer.empty()) {
        ::sendto(fd_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), from_length);
      }
    }
  }

  std::string answerTo(const std::string& question) {
    std::string name;
    size_t at = 12;
    while (at < question.size() && question[at] != 0) {
      const size_t size = static_cast<uint8_t>(question[at]);
      absl::StrAppend(&name, name.empty() ? "" : ".", question.substr(at + 1, size));
      at += size + 1;
    }
    const uint16_t type =
        static_cast<uint16_t>(static_cast<uint8_t>(question[at + 1]) << 8 | static_cast<uint8_t>(question[at + 2]));
    const size_t end = at + 5;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
    const auto found = table_.find(name);
    const Records records = found == table_.end() ? Records{{}, {}, 0, 3} : found->second;
    const std::vector<std::string>& addresses = type == kAaaa ? records.v6 : records.v4;
    std::string answer = question.substr(0, 2);
    put16(answer, static_cast<uint16_t>(0x8180 | records.code));
    put16(answer, 1);
    put16(answer, static_cast<uint16_t>(records.code == 0 ? addresses.size() : 0));
    put16(answer, 0);
    put16(answer, 0);
    answer += question.substr(12, end - 12);
    for (const std::string& address : records.code == 0 ? addresses : std::vector<std::string>()) {
      put16(answer, 0xc00c);
      put16(answer, type);
      put16(answer, 1);
      put16(answer, static_cast<uint16_t>(records.ttl >> 16));
      put16(answer, static_cast<uint16_t>(records.ttl));
      uint8_t bytes[16];
      ::inet_pton(type == kAaaa ? AF_INET6 : AF_INET, address.c_str(), bytes);
      const uint16_t size = type == kAaaa ? 16 : 4;
      put16(answer, size);
      answer.append(reinterpret_cast<char*>(bytes), size);
    }
    return answer;
  }

  const std::map<std::string, Records> table_;
  int fd_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> questions_{0};
  std::thread thread_;
};

class CaresResolverTest : public testing::Test {
 protected:
  DnsAnswer resolve(const std::string& name, DnsFamily family) {
    std::optional<DnsAnswer> result;
    const std::unique_ptr<DnsQuery> query =
        resolver_.resolve(name, family, [&](DnsAnswer answer) { result = std::move(answer); });
    EXPECT_FALSE(result.has_value()) << "from a later turn";
    EXPECT_TRUE(test::turnUntil(dispatcher_, [&] { return result.has_value(); }));
    return result.value_or(DnsAnswer());
  }
  std::string addresses(const std::string& name, DnsFamily family) {
    const DnsAnswer answer = resolve(name, family);
    if (answer.status == DnsStatus::Failed) {
      return "failed";
    }
    std::vector<std::string> texts;
    for (const net::Address& address : answer.addresses) {
      texts.push_back(address.ipString());
    }
    std::sort(texts.begin(), texts.end());
    return absl::StrJoin(texts, " ");
  }

  DnsServer server_{{{"both.test", {{"10.0.0.1", "10.0.0.2"}, {"fd00::1"}, 60, 0}},
                     {"four.test", {{"10.0.0.4"}, {}, 7, 0}},
                     {"six.test", {{}, {"fd00::6"}, 60, 0}},
                     {"none.test", {{}, {}, 60, 0}},
                     {"broken.test", {{}, {}, 60, 2}}}};
  event::LibeventDispatcher dispatcher_{"main_thread"};
  CaresResolver resolver_{dispatcher_, server_.server()};
};

TEST_F(CaresResolverTest, EachFamilyGetsItsAddresses) {
  EXPECT_EQ("10.0.0.1 10.0.0.2", addresses("both.test", DnsFamily::V4Only));
  EXPECT_EQ("fd00::1", addresses("both.test", DnsFamily::V6Only));
  EXPECT_EQ("fd00::1", addresses("both.test", DnsFamily::Auto));
  EXPECT_EQ("10.0.0.1 10.0.0.2", addresses("both.test", DnsFamily::V4Preferred));
  EXPECT_EQ("10.0.0.1 10.0.0.2 fd00::1", addresses("both.test", DnsFamily::All));
}

TEST_F(CaresResolverTest, APreferredFamilyThatHasNothingGivesWay) {
  EXPECT_EQ("10.0.0.4", addresses("four.test", DnsFamily::Auto));
  EXPECT_EQ("fd00::6", addresses("six.test", DnsFamily::V4Preferred));
  EXPECT_EQ("", addresses("four.test", DnsFamily::V6Only));
}

TEST_F(CaresResolverTest, NothingThereIsAnAnswer) {
  EXPECT_EQ("", addresses("none.test", DnsFamily::Auto));
  EXPECT_EQ("", addresses("unknown.test.", DnsFamily::V4Only));
}

TEST_F(CaresResolverTest, ABrokenServerIsAFailure) {
  const DnsAnswer answer = resolve("broken.test", DnsFamily::Auto);
  EXPECT_EQ(DnsStatus::Failed, answer.status);
  EXPECT_FALSE(answer.details.empty());
}

TEST_F(CaresResolverTest, TellsTheTimeToLive) {
  EXPECT_EQ(std::chrono::seconds(7), resolve("four.test", DnsFamily::V4Only).ttl);
}

TEST_F(CaresResolverTest, NumbersNeedNoServer) {
  EXPECT_EQ("127.0.0.1", addresses("127.0.0.1", DnsFamily::Auto));
  EXPECT_EQ("::1", addresses("::1", DnsFamily::Auto));
  EXPECT_EQ(0, server_.questions());
}

TEST_F(CaresResolverTest, LocalhostNeedsNoServer) {
  EXPECT_EQ("127.0.0.1", addresses("localhost", DnsFamily::V4Only));
  EXPECT_EQ(0, server_.questions());
}

TEST_F(CaresResolverTest, AQueryThatIsDestroyedNeverCallsBack) {
  std::vector<std::unique_ptr<DnsQuery>> queries;
  int calls = 0;
  for (int i = 0; i < 10; ++i) {
    queries.push_back(resolver_.resolve("both.test", DnsFamily::All, [&](DnsAnswer) { ++calls; }));
    queries.push_back(resolver_.resolve("127.0.0.1", DnsFamily::V4Only, [&](DnsAnswer) { ++calls; }));
  }
  queries.clear();
  EXPECT_EQ("10.0.0.4", addresses("four.test", DnsFamily::V4Only));
  EXPECT_EQ(0, calls);
}

TEST_F(CaresResolverTest, ACallbackMayDestroyItsQueryAndAskAgain) {
  std::unique_ptr<DnsQuery> query;
  int calls = 0;
  std::function<void(DnsAnswer)> again = [&](DnsAnswer) {
    if (++calls < 3) {
      query = resolver_.resolve("four.test", DnsFamily::V4Only, again);
    } else {
      query.reset();
    }
  };
  query = resolver_.resolve("four.test", DnsFamily::V4Only, again);
  EXPECT_TRUE(test::turnUntil(dispatcher_, [&] { return calls == 3; }));
  EXPECT_EQ(nullptr, query);
}

TEST_F(CaresResolverTest, TheResolverMayGoWhileAnAnswerIsOnItsWay) {
  auto resolver = std::make_unique<CaresResolver>(dispatcher_, server_.server());
  std::unique_ptr<DnsQuery> query = resolver->resolve("both.test", DnsFamily::All, [](DnsAnswer) { FAIL(); });
  query.reset();
  resolver.reset();
}

}  // namespace
}  // namespace sluice::cluster
