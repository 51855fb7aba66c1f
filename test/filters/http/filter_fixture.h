#pragma once

#include <memory>
#include <string>

#include "google/protobuf/message.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"
#include "source/filters/common/config_tools.h"
#include "source/filters/http/factory.h"
#include "source/http/access_log_operators.h"
#include "source/runtime/snapshot.h"
#include "source/stats/store.h"
#include "test/support/http_filter_callbacks.h"

namespace sluice::test {

/** Makes a filter's configuration from YAML by its factory, and streams with the filter. */
class FilterFixture : public testing::Test {
 protected:
  template <class Message>
  std::shared_ptr<const http::HttpFilterConfig> make(const filters::HttpFilterFactory& factory,
                                                     const std::string& yaml) {
    Message message;
    config::Violations mistakes;
    EXPECT_TRUE(config::parseYaml(yaml, message, {}, nullptr, mistakes)) << mistakes.toString();
    EXPECT_EQ(factory.messageName(), Message::descriptor()->full_name());
    xds::InitManager init("test");
    filters::HttpFilterContext context{store_.root()->createScope("http.h"), init, "filter"};
    return factory.create(message, config::FieldPath("f"), context, violations_);
  }
  template <class Message>
  std::shared_ptr<const http::PerRouteConfig> makePerRoute(const filters::HttpFilterFactory& factory,
                                                           const std::string& yaml) {
    Message message;
    config::Violations mistakes;
    EXPECT_TRUE(config::parseYaml(yaml, message, {}, nullptr, mistakes)) << mistakes.toString();
    EXPECT_EQ(factory.perRouteMessageName(), Message::descriptor()->full_name());
    return factory.createPerRoute(message, config::FieldPath("r"), violations_);
  }
  uint64_t counter(absl::string_view name) const { return store_.counterValue(name); }

  FakeDispatcher dispatcher_;
  stats::Store store_;
  const runtime::Snapshot runtime_;
  const access_log::OperatorTable operators_ = http::accessLogOperators();
  const filters::ConfigTools tools_{runtime_, operators_};
  config::Violations violations_;
};

}  // namespace sluice::test
