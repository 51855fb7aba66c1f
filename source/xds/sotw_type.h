#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"

namespace sluice::xds {

/**
 * One resource type's side of the state-of-the-world protocol: what is asked for, which version and nonce are told, and
 * when something is to be said. It knows neither streams nor resources: the mux asks it for requests and tells it
 * verdicts, so that the protocol's other variant is another class of this shape. Owned by the mux; main thread.
 *
 *            streamOpened()             takeRequest()               answer()
 *   NoStream --------------> Unasked -------------------> Asked <-------------.
 *      ^                                                    | wantsToSend() --'
 *      '--------------------------- streamClosed() ---------'
 *
 * https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
 */
class SotwType {
 public:
  explicit SotwType(std::string type_url) : type_url_(std::move(type_url)) {}

  /** Interest is counted, so that two subscriptions may want one name. An empty set is the wildcard. */
  void addInterest(const std::set<std::string>& names);
  void removeInterest(const std::set<std::string>& names);
  bool hasInterest() const { return wildcards_ > 0 || !names_.empty(); }
  bool wildcard() const { return wildcards_ > 0; }
  bool wants(const std::string& name) const { return wildcards_ > 0 || names_.count(name) > 0; }
  const std::map<std::string, uint32_t>& names() const { return names_; }

  void streamOpened();
  void streamClosed();
  /** True once something was asked on the stream that is open: the server may send, and each response gets an answer. */
  bool asked() const { return asked_; }

  /**
   * The verdict on a response of the stream that is open. Accepted, its version is told from now on, also on later
   * streams; refused, the last accepted one is, so that the server knows what is in force.
   */
  void answer(absl::string_view version, absl::string_view nonce, std::optional<google::rpc::Status> error);
  /**
   * Somebody who came later refuses what was accepted: told with the nonce of the last response that was answered, as a
   * client may at any time. The version stays, as what was accepted is in force elsewhere. Should a newer response be
   * waiting for its verdict, the server takes this for old news, and gets the newer one's. False if the stream that is
   * open has had no response yet that this could be about.
   */
  bool refuseLate(google::rpc::Status error);
  /** What was accepted after its stream had gone: nothing is to be said, but the next stream tells the version. */
  void acceptedLate(absl::string_view version) { version_ = std::string(version); }

  bool wantsToSend() const;
  /** The next request; the node is the mux's to add. */
  envoy::service::discovery::v3::DiscoveryRequest takeRequest();

  const std::string& typeUrl() const { return type_url_; }
  /** The last accepted version, and the nonce of the last response that was answered on this stream. */
  const std::string& version() const { return version_; }
  const std::string& nonce() const { return nonce_; }

 private:
  struct Answer {
    std::string version;
    std::string nonce;
    std::optional<google::rpc::Status> error;
  };

  const std::string type_url_;
  uint32_t wildcards_ = 0;
  std::map<std::string, uint32_t> names_;
  std::string version_;
  std::string nonce_;

  bool stream_open_ = false;
  bool asked_ = false;
  /** Names were told on this stream, so that an empty list means none of them, and the wildcard is spelt "*". */
  bool told_names_ = false;
  bool interest_changed_ = false;
  /** Each response is answered by a request of its own, even if all of them go out together. */
  std::deque<Answer> answers_;
};

}  // namespace sluice::xds
