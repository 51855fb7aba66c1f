// Sluice with a network filter that goes over to TLS when it is told to. Its configuration is a google.protobuf.StringValue,
// whose value is nothing.
//
//   "STARTTLS <n>" from the client: n bytes "x" are sent back in the clear, then "go\n"; all that follows is ciphered.
//   "UPSTREAM" from the client goes on to the backend; after its answer, all that follows is ciphered there.

#include <cstdlib>
#include <memory>
#include <string>

#include "google/protobuf/wrappers.pb.h"

#include "source/listener/filter_factory.h"
#include "source/net/connection.h"
#include "source/server/run.h"

namespace sluice {
namespace {

/** What both directions of a connection know. */
struct Shared {
  net::ReadFilterCallbacks* callbacks = nullptr;
  bool upstream_wanted = false;
};

class Reader final : public net::ReadFilter {
 public:
  explicit Reader(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  void initialize(net::ReadFilterCallbacks& callbacks) override { shared_->callbacks = &callbacks; }
  net::FilterStatus onNewConnection() override { return net::FilterStatus::Continue; }
  net::FilterStatus onData(net::Buffer& data, bool) override {
    const std::string text = data.toString();
    if (text == "UPSTREAM\n") {
      shared_->upstream_wanted = true;
    } else if (text.rfind("STARTTLS ", 0) == 0 && text.back() == '\n') {
      data.clear();
      net::Connection& connection = shared_->callbacks->connection();
      net::Buffer answer;
      answer.append(std::string(std::strtoul(text.c_str() + 9, nullptr, 10), 'x'));
      answer.append("go\n");
      connection.write(answer, false);
      if (!connection.startSecureTransport()) {
        answer.append("no TLS here\n");
        connection.write(answer, false);
      }
      return net::FilterStatus::StopIteration;
    }
    return net::FilterStatus::Continue;
  }

 private:
  const std::shared_ptr<Shared> shared_;
};

class Writer final : public net::WriteFilter {
 public:
  explicit Writer(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  void initialize(net::Connection&) override {}
  net::FilterStatus onWrite(net::Buffer& data, bool) override {
    if (shared_->upstream_wanted) {
      shared_->upstream_wanted = false;
      data.append(shared_->callbacks->startUpstreamSecureTransport() ? "switched\n" : "not switched\n");
    }
    return net::FilterStatus::Continue;
  }

 private:
  const std::shared_ptr<Shared> shared_;
};

class Config final : public net::NetworkFilterConfig {
 public:
  const config::ContentKey& structuralKey() const override { return key_; }
  void addTo(net::Connection& connection, net::LiveFilterConfig&) const override {
    auto shared = std::make_shared<Shared>();
    connection.addReadFilter(std::make_unique<Reader>(shared));
    connection.addWriteFilter(std::make_unique<Writer>(shared));
  }
  bool isTerminal() const override { return false; }

 private:
  const config::ContentKey key_ = config::contentKey("switch");
};

class Factory final : public listener::NetworkFilterFactory {
 public:
  explicit Factory(event::Dispatcher& main) : main_(main) {}
  absl::string_view messageName() const override { return google::protobuf::StringValue::descriptor()->full_name(); }
  std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message&, const config::FieldPath&,
                                                         listener::FactoryContext&,
                                                         config::Violations&) const override {
    return event::ownedBy<const net::NetworkFilterConfig>(main_, std::make_unique<Config>());
  }

 private:
  event::Dispatcher& main_;
};

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  return sluice::server::run(argc, argv,
                             [](sluice::event::Dispatcher& main, sluice::listener::FilterFactories& filters) {
                               filters.network.push_back(std::make_unique<sluice::Factory>(main));
                             });
}
