#include "source/filters/http/request_rewrite.h"

#include <memory>

#include <gtest/gtest.h>
#include <re2/re2.h>

namespace sluice::filters {
namespace {

using http::HeaderId;

class RequestRewriteTest : public testing::Test {
 protected:
  RequestRewriteTest() {
    route_.virtual_host = &host_;
    route_.forward = forward_;
    request_.add(HeaderId::Authority, "old.com:8080");
    request_.add(HeaderId::Path, "/api/v1/users?id=7");
    request_.add(HeaderId::Scheme, "http");
  }
  void rewrite(bool insert_originals = true) { rewriteRequest(route_, nullptr, request_, info_, insert_originals); }
  absl::string_view path() const { return request_.get(HeaderId::Path); }
  static http::RegexRewrite regex(const char* pattern, const char* substitution) {
    return {std::make_shared<const RE2>(pattern), substitution};
  }
  std::string location() { return redirectLocation(route_, request_); }
  http::RedirectAction& redirect() {
    auto made = std::make_unique<http::RedirectAction>();
    http::RedirectAction& out = *made;
    route_.redirect = std::move(made);
    return out;
  }

  base::Arena arena_;
  http::HeaderMap request_{arena_};
  http::StreamInfo info_;
  http::VirtualHost host_;
  std::shared_ptr<http::ForwardAction> forward_ = std::make_shared<http::ForwardAction>();
  http::Route route_;
};

TEST_F(RequestRewriteTest, NothingToDoLeavesThePathAlone) {
  rewrite();
  EXPECT_EQ("/api/v1/users?id=7", path());
  EXPECT_FALSE(request_.has(HeaderId::EnvoyOriginalPath));
}

TEST_F(RequestRewriteTest, ThePrefixThatMatchedIsReplaced) {
  route_.matched_prefix = 4;
  forward_->path_rewrite.prefix = "/new";
  rewrite();
  EXPECT_EQ("/new/v1/users?id=7", path());
  EXPECT_EQ("/api/v1/users?id=7", request_.get(HeaderId::EnvoyOriginalPath));
}

TEST_F(RequestRewriteTest, AWholePathThatMatchedIsReplacedWhole) {
  forward_->path_rewrite.prefix = "/new";
  rewrite(false);
  EXPECT_EQ("/new?id=7", path());
  EXPECT_FALSE(request_.has(HeaderId::EnvoyOriginalPath));
}

TEST_F(RequestRewriteTest, ARegexRewritesThePathButNotTheQuery) {
  forward_->path_rewrite.regex = regex("^/api/(v\\d)/(\\w+)$", "/\\2/\\1");
  rewrite();
  EXPECT_EQ("/users/v1?id=7", path());
}

TEST_F(RequestRewriteTest, TheHostFromEachOfItsSources) {
  forward_->append_x_forwarded_host = true;
  forward_->host_rewrite = "new.com";
  rewrite();
  EXPECT_EQ("new.com", request_.get(HeaderId::Authority));
  EXPECT_EQ("old.com:8080", request_.get(HeaderId::ForwardedHost));
  EXPECT_EQ("old.com:8080", request_.get(HeaderId::EnvoyOriginalHost));

  forward_->host_rewrite.reset();
  forward_->host_rewrite_header = "x-host";
  request_.add("x-host", "from-header");
  rewrite();
  EXPECT_EQ("from-header", request_.get(HeaderId::Authority));

  forward_->host_rewrite_header.clear();
  forward_->host_rewrite_path_regex = regex("^/(\\w+)/.*$", "\\1.local");
  rewrite();
  EXPECT_EQ("api.local", request_.get(HeaderId::Authority));
}

TEST_F(RequestRewriteTest, RedirectToHttpsDropsTheDefaultPort) {
  redirect().https = true;
  EXPECT_EQ("https://old.com:8080/api/v1/users?id=7", location());
  request_.set(HeaderId::Authority, "old.com:80");
  EXPECT_EQ("https://old.com/api/v1/users?id=7", location());
  request_.set(HeaderId::Authority, "[::1]:80");
  EXPECT_EQ("https://[::1]/api/v1/users?id=7", location());
}

TEST_F(RequestRewriteTest, RedirectPartsAreReplacedOneByOne) {
  http::RedirectAction& to = redirect();
  to.host = "new.com";
  EXPECT_EQ("http://new.com/api/v1/users?id=7", location());
  to.port = 81;
  to.path.path = "/else";
  EXPECT_EQ("http://new.com:81/else?id=7", location());
  to.strip_query = true;
  EXPECT_EQ("http://new.com:81/else", location());
  to.path.path = "/else?own=1";
  EXPECT_EQ("http://new.com:81/else?own=1", location());
}

TEST_F(RequestRewriteTest, RedirectOfAPrefixKeepsWhatFollows) {
  route_.matched_prefix = 4;
  redirect().path.prefix = "/new";
  EXPECT_EQ("http://old.com:8080/new/v1/users?id=7", location());
}

}  // namespace
}  // namespace sluice::filters
