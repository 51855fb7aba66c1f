#include "source/filters/network/direct_response.h"

#include "source/net/connection.h"

namespace sluice::filters {
namespace {

constexpr std::chrono::seconds kLongestGoodbye{1};

class DirectResponse final : public net::ReadFilter {
 public:
  explicit DirectResponse(net::LiveFilterConfig& live) : live_(live) {}

  void initialize(net::ReadFilterCallbacks& callbacks) override { connection_ = &callbacks.connection(); }

  net::FilterStatus onNewConnection() override {
    net::Buffer text;
    text.append(live_.as<DirectResponseConfig>().response());
    connection_->write(text, false);
    connection_->streamInfo().response_code_details = "direct_response";
    // A client that talks before it listens would lose the text to the RST that its unread bytes cause.
    connection_->setDelayedCloseTimeout(kLongestGoodbye);
    connection_->close(net::CloseType::FlushWriteAndDelay, "direct_response");
    return net::FilterStatus::StopIteration;
  }

  net::FilterStatus onData(net::Buffer& data, bool) override {
    data.clear();
    return net::FilterStatus::StopIteration;
  }

 private:
  net::LiveFilterConfig& live_;
  net::Connection* connection_ = nullptr;
};

}  // namespace

DirectResponseConfig::DirectResponseConfig(std::string response)
    : response_(std::move(response)), structural_key_(config::contentKey("direct_response")) {}

void DirectResponseConfig::addTo(net::Connection& connection, net::LiveFilterConfig& live) const {
  connection.addReadFilter(std::make_unique<DirectResponse>(live));
}

}  // namespace sluice::filters
