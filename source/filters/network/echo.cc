#include "source/filters/network/echo.h"

#include "source/net/connection.h"

namespace sluice::filters {
namespace {

/** A client that does not read what comes back stops being read from. */
class Echo final : public net::ReadFilter, public net::ConnectionCallbacks {
 public:
  void initialize(net::ReadFilterCallbacks& callbacks) override {
    connection_ = &callbacks.connection();
    connection_->enableHalfClose(true);
    connection_->addCallbacks(*this);
  }
  net::FilterStatus onNewConnection() override { return net::FilterStatus::Continue; }
  net::FilterStatus onData(net::Buffer& data, bool end_stream) override {
    connection_->write(data, end_stream);
    return net::FilterStatus::StopIteration;
  }

  void onEvent(net::ConnectionEvent) override {}
  void onAboveWriteBufferHighWatermark() override { connection_->readDisable(true); }
  void onBelowWriteBufferLowWatermark() override { connection_->readDisable(false); }

 private:
  net::Connection* connection_ = nullptr;
};

}  // namespace

EchoConfig::EchoConfig() : structural_key_(config::contentKey("echo")) {}

void EchoConfig::addTo(net::Connection& connection, net::LiveFilterConfig&) const {
  connection.addReadFilter(std::make_unique<Echo>());
}

}  // namespace sluice::filters
