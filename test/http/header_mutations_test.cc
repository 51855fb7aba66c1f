#include "source/http/header_mutations.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include <gtest/gtest.h>

#include "source/config/loader.h"
#include "source/http/stream_info.h"

namespace sluice::http {
namespace {

class HeaderMutationsTest : public testing::Test {
 protected:
  std::shared_ptr<const HeaderMutations> make(absl::string_view text) {
    envoy::config::route::v3::Route proto;
    config::Violations mistakes;
    EXPECT_TRUE(config::parseYaml(text, proto, {}, nullptr, mistakes)) << mistakes.toString();
    return HeaderMutations::create(proto.request_headers_to_add(), proto.request_headers_to_remove(), "request",
                                   operators_, config::FieldPath(absl::string_view("r")), violations_);
  }
  /** The fields after the change, in order. */
  std::string applied(absl::string_view text, const std::vector<std::pair<std::string, std::string>>& fields) {
    HeaderMap headers(arena_);
    for (const auto& [name, value] : fields) {
      headers.add(name, value);
    }
    const auto mutations = make(text);
    EXPECT_TRUE(violations_.empty()) << violations_.toString();
    mutations->apply(headers, {.info = info_, .http = &info_});
    std::vector<std::string> out;
    headers.forEach([&](const Header& header) { out.push_back(absl::StrCat(header.name, "=", header.value)); });
    return absl::StrJoin(out, " ");
  }
  static std::string add(absl::string_view option) { return absl::StrCat("request_headers_to_add: [", option, "]"); }

  access_log::OperatorTable operators_;
  base::Arena arena_;
  StreamInfo info_;
  config::Violations violations_;
};

TEST_F(HeaderMutationsTest, EachActionDoesWhatItSays) {
  const auto with = [](absl::string_view action) {
    return add(absl::StrCat("{header: {key: X-A, value: new}, append_action: ", action, "}"));
  };
  EXPECT_EQ(applied(with("APPEND_IF_EXISTS_OR_ADD"), {{"x-a", "old"}}), "x-a=old x-a=new");
  EXPECT_EQ(applied(with("APPEND_IF_EXISTS_OR_ADD"), {}), "x-a=new");
  EXPECT_EQ(applied(with("ADD_IF_ABSENT"), {{"x-a", "old"}}), "x-a=old");
  EXPECT_EQ(applied(with("ADD_IF_ABSENT"), {}), "x-a=new");
  EXPECT_EQ(applied(with("OVERWRITE_IF_EXISTS_OR_ADD"), {{"x-a", "old"}, {"x-a", "older"}}), "x-a=new");
  EXPECT_EQ(applied(with("OVERWRITE_IF_EXISTS_OR_ADD"), {}), "x-a=new");
  EXPECT_EQ(applied(with("OVERWRITE_IF_EXISTS"), {{"x-a", "old"}}), "x-a=new");
  EXPECT_EQ(applied(with("OVERWRITE_IF_EXISTS"), {}), "");
  EXPECT_EQ(applied(add("{header: {key: user-agent, value: new}, append: false}"), {{"user-agent", "old"}}),
            "user-agent=new");
  EXPECT_EQ(applied(add("{header: {key: x-a, value: new}, append: true}"), {{"x-a", "old"}}), "x-a=old x-a=new");
}

TEST_F(HeaderMutationsTest, RemovalsComeFirst) {
  EXPECT_EQ(
      applied("{request_headers_to_remove: [X-A, cookie], request_headers_to_add: [{header: {key: x-a, value: n}}]}",
              {{"x-a", "1"}, {"cookie", "c"}, {"x-b", "2"}, {"x-a", "3"}}),
      "x-b=2 x-a=n");
}

TEST_F(HeaderMutationsTest, EmptyValuesAreKeptOnRequest) {
  EXPECT_EQ(applied(add("{header: {key: x-a, value: ''}}"), {}), "");
  EXPECT_EQ(applied(add("{header: {key: x-a, value: ''}, keep_empty_value: true}"), {}), "x-a=");
  // A format without a value is empty, too.
  EXPECT_EQ(applied(add("{header: {key: x-a, value: '%UPSTREAM_HOST%'}}"), {}), "");
}

TEST_F(HeaderMutationsTest, ValuesAreFormats) {
  info_.bytes_received = 42;
  EXPECT_EQ(applied(add("{header: {key: x-a, value: 'n=%BYTES_RECEIVED%;'}}"), {}), "x-a=n=42;");
  EXPECT_EQ(applied(add("{header: {key: x-a, value: '100%%'}}"), {}), "x-a=100%");
}

TEST_F(HeaderMutationsTest, HostAndPseudoHeadersAreRefused) {
  make(add("{header: {key: ':path', value: v}}, {header: {key: Host, value: v}}"));
  make("request_headers_to_remove: [':method', host]");
  EXPECT_EQ(violations_.toString(),
            "r.request_headers_to_add[0].header.key: ':path': :-prefixed or host headers may not be modified\n"
            "r.request_headers_to_add[1].header.key: 'Host': :-prefixed or host headers may not be modified\n"
            "r.request_headers_to_remove[0]: ':method': :-prefixed or host headers may not be removed\n"
            "r.request_headers_to_remove[1]: 'host': :-prefixed or host headers may not be removed\n");
}

TEST_F(HeaderMutationsTest, MistakesAreTold) {
  make(add("{header: {key: x-a, value: '%NONSENSE%'}}"));
  ASSERT_EQ(violations_.size(), 1u);
  EXPECT_EQ(violations_.list()[0].path, "r.request_headers_to_add[0].header.value");
  make(add("{header: {key: x-a, value: v}, append: true, append_action: ADD_IF_ABSENT}"));
  ASSERT_EQ(violations_.size(), 2u);
  EXPECT_EQ(violations_.list()[1].path, "r.request_headers_to_add[0].append");
}

TEST_F(HeaderMutationsTest, NothingToDoIsNull) { EXPECT_EQ(make("{}"), nullptr); }

}  // namespace
}  // namespace sluice::http
