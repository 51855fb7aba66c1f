#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/protobuf/any.pb.h"

#include "source/config/source_map.h"
#include "source/xds/subscription.h"

namespace sluice::xds {

/** What a response (or a file) says. An error without a resource's name concerns the response, or a resource that is
 * told by its place. */
struct DecodedResponse {
  /** Not Ok if the bytes are no DiscoveryResponse at all; nothing else is known then. */
  absl::Status status;
  std::string type_url;
  std::string version;
  std::string nonce;
  /** ControlPlane.identifier, if it tells one. */
  std::string control_plane;
  /** No type of the API has this name, so that nothing could be read. */
  bool unknown_type = false;
  /** In the order of the response. */
  std::vector<Resource> resources;
  /** The same again, for who keeps a record of them beside the watcher that gets them. */
  std::vector<Resource> record;
  std::vector<ResourceError> errors;
  /** What was set and is ignored ("envoy.config.listener.v3.Listener.traffic_direction"), each once. */
  std::vector<std::string> ignored;
  /** Where there are field numbers that this build does not know. */
  std::vector<std::string> unknown;
};

/**
 * Fills the response from wherever it comes; called once, on the decoder's thread. For a text it also fills the map that
 * gives mistakes their lines.
 */
using ResponseReader =
    absl::AnyInvocable<absl::Status(envoy::service::discovery::v3::DiscoveryResponse&, config::SourceMap&)>;

struct DecodeOptions {
  /** Refuse resources that hold unknown field numbers (--reject-unknown-dynamic-fields). */
  bool reject_unknown_fields = false;
};

/**
 * Takes one response apart, resource by resource, so that whoever drives it can stop in between. A pure function of the
 * bytes; any one thread.
 */
class ResponseDecoder {
 public:
  /** `default_type` is the response's type where it names none itself, as in a file. */
  ResponseDecoder(ResponseReader reader, std::string default_type, DecodeOptions options);

  /** Does the next part of the work; false once all is done. */
  bool step();
  /** After step() returned false. */
  DecodedResponse take();

 private:
  void read();
  /** Takes the bytes out of `any`. */
  void decodeResource(google::protobuf::Any& any, size_t index);
  void refuse(std::string name, config::Violations violations, size_t index,
              std::shared_ptr<const google::protobuf::Message> message = nullptr);
  void refuseDuplicates();

  ResponseReader reader_;
  const std::string default_type_;
  const DecodeOptions options_;
  bool read_ = false;
  size_t next_ = 0;
  envoy::service::discovery::v3::DiscoveryResponse response_;
  config::SourceMap locations_;
  bool has_locations_ = false;
  DecodedResponse result_;
  absl::flat_hash_map<std::string, size_t> names_;
  bool duplicates_ = false;
};

/** All of it at once. */
DecodedResponse decodeResponse(ResponseReader reader, std::string default_type, DecodeOptions options = {});

}  // namespace sluice::xds
