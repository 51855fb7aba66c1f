#include "source/net/matching_inputs.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "envoy/extensions/matching/common_inputs/network/v3/network_inputs.pb.h"

namespace sluice::net {
namespace {

namespace v3 = envoy::extensions::matching::common_inputs::network::v3;
using Value = std::optional<absl::string_view>;

Value addressOf(const Address& address, std::string& scratch) {
  if (!address.isIp()) {
    return std::nullopt;
  }
  scratch = address.ipString();
  return scratch;
}

Value portOf(const Address& address, std::string& scratch) {
  if (!address.isIp()) {
    return std::nullopt;
  }
  scratch = absl::StrCat(address.port());
  return scratch;
}

Value destinationIp(const StreamInfo& info, std::string& scratch) { return addressOf(info.downstream_local, scratch); }
Value destinationPort(const StreamInfo& info, std::string& scratch) { return portOf(info.downstream_local, scratch); }
Value sourceIp(const StreamInfo& info, std::string& scratch) { return addressOf(info.downstream_remote, scratch); }
Value sourcePort(const StreamInfo& info, std::string& scratch) { return portOf(info.downstream_remote, scratch); }
Value directSourceIp(const StreamInfo& info, std::string& scratch) {
  return addressOf(info.downstream_direct_remote, scratch);
}

/** "local", or nothing. */
Value sourceType(const StreamInfo& info, std::string&) {
  const Address& source = info.downstream_remote;
  const bool local = !source.isIp() || source.isLoopback() || source.withPort(0) == info.downstream_local.withPort(0);
  return local ? Value("local") : std::nullopt;
}

Value serverName(const StreamInfo& info, std::string&) {
  const absl::string_view name = info.requestedServerName();
  return name.empty() ? std::nullopt : Value(name);
}

Value transportProtocol(const StreamInfo& info, std::string&) {
  const StreamExtras* const extras = info.connection().extras.get();
  return extras != nullptr && extras->transport_protocol != nullptr ? extras->transport_protocol : "raw_buffer";
}

/** As Envoy writes a list: 'h2','http/1.1'. */
Value applicationProtocol(const StreamInfo& info, std::string& scratch) {
  const StreamExtras* const extras = info.connection().extras.get();
  if (extras == nullptr || extras->application_protocols.empty()) {
    return std::nullopt;
  }
  scratch = absl::StrCat("'", absl::StrJoin(extras->application_protocols, "','"), "'");
  return scratch;
}

using Read = Value (*)(const StreamInfo& info, std::string& scratch);

class NetworkInput final : public matcher::Input {
 public:
  explicit NetworkInput(Read read) : read_(read) {}
  Value value(const matcher::Subject& subject, std::string& scratch) const override {
    return read_(static_cast<const ConnectionSubject&>(subject).info, scratch);
  }

 private:
  const Read read_;
};

/** The text of a filter state object. */
class FilterStateInput final : public matcher::Input {
 public:
  explicit FilterStateInput(std::string key) : key_(std::move(key)) {}
  Value value(const matcher::Subject& subject, std::string& scratch) const override {
    const FilterState::Object* const object = static_cast<const ConnectionSubject&>(subject).info.filterState(key_);
    if (object == nullptr) {
      return std::nullopt;
    }
    scratch = object->serialize();
    return scratch;
  }

 private:
  const std::string key_;
};

}  // namespace

std::shared_ptr<const matcher::Input> networkInput(const google::protobuf::Message& message) {
  const struct {
    const google::protobuf::Descriptor* type;
    Read read;
  } inputs[] = {
      {v3::DestinationIPInput::descriptor(), destinationIp},
      {v3::DestinationPortInput::descriptor(), destinationPort},
      {v3::SourceIPInput::descriptor(), sourceIp},
      {v3::SourcePortInput::descriptor(), sourcePort},
      {v3::DirectSourceIPInput::descriptor(), directSourceIp},
      {v3::SourceTypeInput::descriptor(), sourceType},
      {v3::ServerNameInput::descriptor(), serverName},
      {v3::TransportProtocolInput::descriptor(), transportProtocol},
      {v3::ApplicationProtocolInput::descriptor(), applicationProtocol},
  };
  for (const auto& input : inputs) {
    if (input.type->full_name() == message.GetDescriptor()->full_name()) {
      return std::make_shared<const NetworkInput>(input.read);
    }
  }
  if (v3::FilterStateInput::descriptor()->full_name() == message.GetDescriptor()->full_name()) {
    v3::FilterStateInput input;
    input.CopyFrom(message);
    return std::make_shared<const FilterStateInput>(input.key());
  }
  return nullptr;
}

}  // namespace sluice::net
