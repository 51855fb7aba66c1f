#include "source/filters/listener/http_guess.h"

#include <string>

#include "gtest/gtest.h"

namespace sluice::filters {
namespace {

TEST(HttpGuess, KnowsTheVersions) {
  EXPECT_EQ(guessHttp("GET / HTTP/1.1\r\n"), HttpGuess::Http11);
  EXPECT_EQ(guessHttp("GET / HTTP/1.0\r\nHost: a"), HttpGuess::Http10);
  EXPECT_EQ(guessHttp("OPTIONS * HTTP/1.1\n"), HttpGuess::Http11);
  EXPECT_EQ(guessHttp("CONNECT a.test:443 HTTP/1.1\r\n"), HttpGuess::Http11);
  EXPECT_EQ(guessHttp("whatever-it_is / HTTP/1.1\r\n"), HttpGuess::Http11);
  EXPECT_EQ(guessHttp("\r\n\r\nGET /x HTTP/1.1\r\n"), HttpGuess::Http11);
  EXPECT_EQ(guessHttp("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HttpGuess::Http2);
}

TEST(HttpGuess, WaitsOnlyForWhatMayBecomeHttp) {
  for (const std::string& text :
       {std::string("M-SEARCH /a HTTP/1.1\n"), std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}) {
    for (size_t length = 0; length < text.size(); ++length) {
      EXPECT_EQ(guessHttp(text.substr(0, length)), HttpGuess::NeedMore) << text.substr(0, length);
    }
  }
  EXPECT_EQ(guessHttp(std::string(32, 'M')), HttpGuess::NeedMore);
  EXPECT_EQ(guessHttp(std::string(33, 'M')), HttpGuess::None);
  EXPECT_EQ(guessHttp(std::string(33, 'M') + " / HTTP/1.1\r\n"), HttpGuess::None) << "in pieces as at once";
  EXPECT_EQ(guessHttp("SSH-2.0-x\r\n"), HttpGuess::None);
  EXPECT_EQ(guessHttp("G(T"), HttpGuess::None);
  EXPECT_EQ(guessHttp(" "), HttpGuess::None);
  EXPECT_EQ(guessHttp("PRI * HTTP/2.0\r\n\r\nSX"), HttpGuess::None);
  EXPECT_EQ(guessHttp("\x16\x03\x01"), HttpGuess::None);
}

TEST(HttpGuess, RefusesWhatIsNoRequestLine) {
  for (const char* line : {"GET\r\n", "G(T / HTTP/1.1\r\n", " / HTTP/1.1\r\n", "GET /\r\n", "GET  HTTP/1.1\r\n",
                           "GET / HTTP/1.2\r\n", "GET / HTTP/2.0\r\n", "GET / x HTTP/1.1\r\n", "GET /\t HTTP/1.1\r\n",
                           "GET / http/1.1\r\n", "GET / HTTP/1.1 \r\n"}) {
    EXPECT_EQ(guessHttp(line), HttpGuess::None) << line;
  }
}

TEST(HttpGuess, GivesUpOnALineWithoutEnd) {
  const std::string begun = "GET /" + std::string(kMaxRequestLine - 6, 'a');
  EXPECT_EQ(guessHttp(begun), HttpGuess::NeedMore);
  EXPECT_EQ(guessHttp(begun + "a"), HttpGuess::TooLong);
  EXPECT_EQ(guessHttp(begun + "a HTTP/1.1\r\n"), HttpGuess::TooLong) << "in pieces as at once";
  EXPECT_EQ(guessHttp(std::string(kMaxRequestLine, '\n')), HttpGuess::TooLong);
}

}  // namespace
}  // namespace sluice::filters
