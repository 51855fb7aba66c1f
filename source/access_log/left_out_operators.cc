// What Envoy's formats may use and Sluice's may not, with the reason that a refusal tells.

#include "source/access_log/operators.h"

namespace sluice::access_log {
namespace {

constexpr struct {
  absl::string_view name;
  Argument argument;
  absl::string_view why;
} kLeftOut[] = {
    {"CEL", Argument::Required, "there is no CEL engine"},
    {"TYPED_CEL", Argument::Required, "there is no CEL engine"},
    {"UPSTREAM_DETECTED_CLOSE_TYPE", Argument::None, "upstream connections are not asked how they ended"},
    {"UPSTREAM_LOCAL_CLOSE_REASON", Argument::None, "see %UPSTREAM_TRANSPORT_FAILURE_REASON%"},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", Argument::None, "there are no internal listeners"},
    {"DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", Argument::None, "there are no internal listeners"},
    {"UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", Argument::None, "there are no internal listeners"},
    {"FILE_CONTENT", Argument::Required, "it is an extension of Envoy that is not there"},
    {"SECRET", Argument::Required, "it is an extension of Envoy that is not there"},
    {"ROUNDTRIP_DURATION", Argument::None, "there is no QUIC"},
};

}  // namespace

void addLeftOutOperators(OperatorTable& table) {
  for (const auto& [name, argument, why] : kLeftOut) {
    table.add({name, argument, why, nullptr});
  }
}

}  // namespace sluice::access_log
