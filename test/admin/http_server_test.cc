#include "source/admin/http_server.h"

#include <atomic>
#include <filesystem>
#include <future>
#include <iterator>
#include <memory>
#include <string>

#include "gtest/gtest.h"

#include "test/admin/http_client.h"
#include "test/admin/loop_thread.h"
#include "test/support/sockets.h"

namespace sluice::admin {
namespace {

using test::HttpAnswer;
using test::HttpClient;

/** Gives pieces without end, or waits for ever. */
class EndlessBody : public Body {
 public:
  struct Record {
    std::atomic<uint64_t> bytes{0};
    std::promise<void> gone;
  };
  EndlessBody(Record& record, bool waits) : record_(record), waits_(waits) {}
  ~EndlessBody() override { record_.gone.set_value(); }
  Next next(std::string& out) override {
    if (waits_) {
      return Next::Later;
    }
    out.append(kPieceBytes, 'x');
    record_.bytes += kPieceBytes;
    return Next::More;
  }

 private:
  Record& record_;
  const bool waits_;
};

class CountingBody : public Body {
 public:
  explicit CountingBody(int pieces) : pieces_(pieces) {}
  Next next(std::string& out) override {
    if (at_ % 2 == 0) {
      absl::StrAppend(&out, at_, ",");
    }
    return ++at_ < pieces_ ? Next::More : Next::End;
  }

 private:
  const int pieces_;
  int at_ = 0;
};

class HttpServerTest : public testing::Test {
 protected:
  void start(const HttpLimits& limits = {}) {
    test::ListeningSocket listening = test::listenOnLoopback();
    address_ = listening.address;
    loop_.run([&] {
      server_ = std::make_unique<HttpServer>(loop_.dispatcher(), std::move(listening.socket), limits,
                                             [this](Exchange& exchange) { answer(exchange); });
    });
  }
  void stop() {
    loop_.run([&] { server_ = nullptr; });
  }
  ~HttpServerTest() override { stop(); }

  void answer(Exchange& exchange) {
    const Request& request = exchange.request();
    if (request.path == "/endless") {
      exchange.stream(200, content::kText, std::make_unique<EndlessBody>(record_, false));
    } else if (request.path == "/waits") {
      exchange.stream(200, content::kText, std::make_unique<EndlessBody>(record_, true));
    } else if (request.path == "/pieces") {
      exchange.stream(200, content::kText, std::make_unique<CountingBody>(10));
    } else if (request.path == "/never") {
      waiting_ = exchange.ref();
      never_asked_.set_value();
    } else {
      std::string text = absl::StrCat(request.method, " ", request.path);
      for (const auto& [name, value] : request.parameters) {
        absl::StrAppend(&text, " ", name, "=", value);
      }
      exchange.reply(200, content::kText, text);
    }
  }

  EndlessBody::Record record_;
  base::WeakRef<Exchange> waiting_;
  std::promise<void> never_asked_;
  test::LoopThread loop_{"admin"};
  net::Address address_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, answersManyRequestsOfOneConnection) {
  start();
  HttpClient client(address_);
  EXPECT_EQ(client.get("/a?b=1%2B1&c&d=x+y").body, "GET /a b=1+1 c= d=x+y");
  EXPECT_EQ(client.post("/form", "a=x+y&b=%3D").body, "POST /form a=x y b==");
  EXPECT_EQ(client.get("/pieces").body, "0,2,4,6,8,");
  const HttpAnswer answer = client.get("/a");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "text/plain; charset=UTF-8");
  EXPECT_EQ(answer.headers.at("cache-control"), "no-cache, max-age=0");
  EXPECT_EQ(answer.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(answer.headers.at("server"), "envoy");
}

TEST_F(HttpServerTest, answersHeadWithoutBody) {
  start();
  HttpClient client(address_);
  HttpAnswer head = client.request("HEAD", "/abc");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers["content-length"], "9");
  EXPECT_EQ(client.request("HEAD", "/pieces").status, 200);
  EXPECT_EQ(client.request("HEAD", "/endless").status, 200);
  EXPECT_EQ(client.get("/next").body, "GET /next");
}

TEST_F(HttpServerTest, closesAfterAnAnswerInHttp10) {
  start();
  HttpClient client(address_);
  client.send("GET /pieces HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.receiveHead().status, 200);
  EXPECT_TRUE(client.receiveEnd());
}

TEST_F(HttpServerTest, answersPipelinedRequestsInOrder) {
  start();
  HttpClient client(address_);
  client.sendRequest("GET", "/1");
  client.sendRequest("GET", "/pieces");
  client.sendRequest("GET", "/3");
  EXPECT_EQ(client.receive().body, "GET /1");
  EXPECT_EQ(client.receive().body, "0,2,4,6,8,");
  EXPECT_EQ(client.receive().body, "GET /3");
}

TEST_F(HttpServerTest, makesNoMoreThanASlowReaderMayLeave) {
  start();
  HttpClient slow(address_, 4096);
  slow.sendRequest("GET", "/endless");
  EXPECT_EQ(slow.receiveHead().status, 200);

  // Others are answered meanwhile; once their answers come without the slow one's growing, its buffers are full.
  HttpClient other(address_);
  uint64_t before = 0;
  for (int same = 0; same < 100;) {
    EXPECT_EQ(other.get("/ok").status, 200);
    const uint64_t now = record_.bytes;
    same = now == before ? same + 1 : 0;
    before = now;
  }
  EXPECT_LT(before, 16u << 20);
}

TEST_F(HttpServerTest, endsAReaderThatTakesNothing) {
  HttpLimits limits;
  limits.timeout = std::chrono::milliseconds(300);
  start(limits);
  HttpClient slow(address_, 4096);
  slow.sendRequest("GET", "/endless");
  EXPECT_EQ(slow.receiveHead().status, 200);
  record_.gone.get_future().wait();
  EXPECT_TRUE(slow.receiveEnd());
}

TEST_F(HttpServerTest, forgetsAClientThatGoesInTheMiddle) {
  start();
  {
    HttpClient client(address_);
    client.sendRequest("GET", "/endless");
    EXPECT_EQ(client.receiveHead().status, 200);
  }
  record_.gone.get_future().wait();
  EXPECT_EQ(HttpClient(address_).get("/ok").status, 200);
}

TEST_F(HttpServerTest, forgetsAClientThatGoesWhileItWaits) {
  start();
  {
    HttpClient client(address_);
    client.sendRequest("GET", "/waits");
    EXPECT_EQ(client.receiveHead().status, 200);
  }
  record_.gone.get_future().wait();
}

TEST_F(HttpServerTest, forgetsAClientThatGoesBeforeItsAnswer) {
  start();
  {
    HttpClient client(address_);
    client.sendRequest("GET", "/never");
    never_asked_.get_future().wait();
  }
  loop_.run([&] { waiting_->reply(200, content::kText, "nobody is there"); });
  bool gone = false;
  while (!gone) {
    EXPECT_EQ(HttpClient(address_).get("/ok").status, 200);
    loop_.run([&] { gone = waiting_.get() == nullptr; });
  }
}

TEST_F(HttpServerTest, endsAClientThatSaysNothingOrTooLittle) {
  HttpLimits limits;
  limits.timeout = std::chrono::milliseconds(200);
  start(limits);
  HttpClient silent(address_);
  EXPECT_TRUE(silent.receiveEnd());
  HttpClient stuck(address_);
  stuck.send("GET / HTTP/1.1\r\nHo");
  EXPECT_TRUE(stuck.receiveEnd());
  HttpClient idle(address_);
  EXPECT_EQ(idle.get("/ok").status, 200);
  EXPECT_TRUE(idle.receiveEnd());
}

TEST_F(HttpServerTest, keepsAnAnswerThatIsLateForItsClient) {
  HttpLimits limits;
  limits.timeout = std::chrono::milliseconds(100);
  start(limits);
  HttpClient client(address_);
  client.sendRequest("GET", "/never");
  never_asked_.get_future().wait();
  HttpClient silent(address_);
  EXPECT_TRUE(silent.receiveEnd());
  loop_.run([&] {
    ASSERT_NE(waiting_.get(), nullptr);
    waiting_->reply(200, content::kText, "late");
  });
  EXPECT_EQ(client.receive().body, "late");
}

TEST_F(HttpServerTest, makesRoomAmongIdleConnections) {
  HttpLimits limits;
  limits.max_connections = 2;
  start(limits);
  HttpClient first(address_);
  EXPECT_EQ(first.get("/1").status, 200);
  HttpClient second(address_);
  EXPECT_EQ(second.get("/2").status, 200);
  HttpClient third(address_);
  EXPECT_EQ(third.get("/3").status, 200);
  EXPECT_TRUE(first.receiveEnd());
  EXPECT_EQ(second.get("/2").status, 200);
}

TEST_F(HttpServerTest, refusesAConnectionWhenAllAreBusy) {
  HttpLimits limits;
  limits.max_connections = 1;
  start(limits);
  HttpClient busy(address_);
  busy.sendRequest("GET", "/never");
  never_asked_.get_future().wait();
  HttpClient refused(address_);
  EXPECT_TRUE(refused.receiveEnd());
  loop_.run([&] { waiting_->reply(200, content::kText, "done"); });
  EXPECT_EQ(busy.receive().body, "done");
}

TEST_F(HttpServerTest, keepsNoSocketOfThoseGone) {
  start();
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  const auto before = descriptors();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(HttpClient(address_).get("/ok").status, 200);
  }
  EXPECT_LT(descriptors(), before + 10);
}

TEST_F(HttpServerTest, refusesWhatIsTooLongOrNoHttp) {
  HttpLimits limits;
  limits.max_header_bytes = 1024;
  limits.max_body_bytes = 1024;
  start(limits);
  HttpClient headers(address_);
  headers.send(absl::StrCat("GET / HTTP/1.1\r\nX: ", std::string(4096, 'x'), "\r\n\r\n"));
  const int headers_status = headers.receiveHead().status;
  EXPECT_TRUE(headers_status == 400 || headers_status == 413) << headers_status;
  HttpClient body(address_);
  body.send(absl::StrCat("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", std::string(4096, 'x')));
  EXPECT_EQ(body.receiveHead().status, 413);
  HttpClient garbage(address_);
  garbage.send("\x16\x03\x01 garbage\r\n\r\n");
  EXPECT_TRUE(garbage.receiveEnd());
  EXPECT_EQ(HttpClient(address_).get("/ok").status, 200);
}

TEST_F(HttpServerTest, canEndWithAnswersInEveryState) {
  start();
  HttpClient endless(address_, 4096);
  endless.sendRequest("GET", "/endless");
  EXPECT_EQ(endless.receiveHead().status, 200);
  HttpClient never(address_);
  never.sendRequest("GET", "/never");
  never_asked_.get_future().wait();
  HttpClient idle(address_);
  EXPECT_EQ(idle.get("/ok").status, 200);
  stop();
  EXPECT_TRUE(endless.receiveEnd());
  EXPECT_TRUE(never.receiveEnd());
  EXPECT_TRUE(idle.receiveEnd());
}

}  // namespace
}  // namespace sluice::admin
