#pragma once

#include <chrono>
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

/** A name with a version and no resource: "still the same", or, of another name that it was asked by, "not there". */
struct Heartbeat {
  std::string name;
  std::string version;
  std::chrono::milliseconds ttl{0};
  bool aliased = false;
};

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
  /** It tells changes; otherwise everything that there is. */
  bool delta = false;
  /** It leaves out what has not changed, so that what is not in it need not be gone. */
  bool partial = false;
  /** In the order of the response. */
  std::vector<Resource> resources;
  /** The same again, for who keeps a record of them beside the watcher that gets them. */
  std::vector<Resource> record;
  /** Names that are gone, as far as the response says so itself. */
  std::vector<std::string> removed;
  /** Resources without their bodies: what that means depends on what is held. */
  std::vector<Heartbeat> heartbeats;
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

/** The same of the delta protocol, which only streams speak. */
using DeltaResponseReader = absl::AnyInvocable<absl::Status(envoy::service::discovery::v3::DeltaDiscoveryResponse&)>;

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
  ResponseDecoder(DeltaResponseReader reader, DecodeOptions options);

  /** Does the next part of the work; false once all is done. */
  bool step();
  /** After step() returned false. */
  DecodedResponse take();

 private:
  void read();
  void readDelta();
  void checkType();
  size_t size() const;
  /** Takes the resource out of its wrapper, if it is in one, and decodes it. */
  void unwrap(google::protobuf::Any& any, size_t index);
  void decodeWrapped(envoy::service::discovery::v3::Resource& wrapper, size_t index);
  /** Takes the bytes out of `any`. */
  void decode(google::protobuf::Any& any, const envoy::service::discovery::v3::Resource* wrapper, size_t index);
  void refuse(std::string name, config::Violations violations, size_t index,
              std::shared_ptr<const google::protobuf::Message> message = nullptr);
  void countName(const std::string& name);
  void refuseDuplicates();

  ResponseReader reader_;
  DeltaResponseReader delta_reader_;
  const std::string default_type_;
  const DecodeOptions options_;
  bool read_ = false;
  size_t next_ = 0;
  envoy::service::discovery::v3::DiscoveryResponse response_;
  envoy::service::discovery::v3::DeltaDiscoveryResponse delta_;
  config::SourceMap locations_;
  bool has_locations_ = false;
  DecodedResponse result_;
  absl::flat_hash_map<std::string, size_t> names_;
  bool duplicates_ = false;
};

/** What a resource without its body is when it says nothing. */
ResourceError withoutBody(Heartbeat heartbeat);

/** All of it at once. */
DecodedResponse decodeResponse(ResponseReader reader, std::string default_type, DecodeOptions options = {});
DecodedResponse decodeDelta(DeltaResponseReader reader, DecodeOptions options = {});

}  // namespace sluice::xds
