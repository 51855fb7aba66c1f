#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "envoy/config/core/v3/base.pb.h"
#include "google/rpc/status.pb.h"

namespace sluice::xds {

class ResourceRecords;

/** The two variants of the xDS protocol: each response holds everything, or what has changed. */
enum class Variant { StateOfTheWorld, Delta };

/**
 * One resource type's side of the protocol: what is asked for, which version and nonce are told, and when something is to
 * be said. It knows neither streams nor resources: the mux tells it interest and verdicts, and asks it for requests. What
 * a request looks like is the variant's: SotwType, DeltaType. Owned by the mux; main thread.
 *
 *            streamOpened()             takeRequest()               answer()
 *   NoStream --------------> Unasked -------------------> Asked <-------------.
 *      ^                                                    | wantsToSend() --'
 *      '--------------------------- streamClosed() ---------'
 *
 * https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
 */
class TypeProtocol {
 public:
  static std::unique_ptr<TypeProtocol> create(Variant variant, std::string type_url);
  virtual ~TypeProtocol() = default;

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
  void acceptedLate(absl::string_view version) { accepted(version); }
  /** A response was accepted once, so that what is held is the state. */
  bool informed() const { return informed_; }

  bool wantsToSend() const { return stream_open_ && (!answers_.empty() || interestToTell()); }
  /** The next request as it goes out, with the node unless that is null; `held` is what is in force of the type. */
  virtual std::string nextRequest(const envoy::config::core::v3::Node* node, const ResourceRecords& held) = 0;

  const std::string& typeUrl() const { return type_url_; }
  /** The last accepted version, and the nonce of the last response that was answered on this stream. */
  const std::string& version() const { return version_; }
  const std::string& nonce() const { return nonce_; }

 protected:
  struct Answer {
    std::string version;
    std::string nonce;
    std::optional<google::rpc::Status> error;
  };

  /** "*" spells out the wildcard. */
  static constexpr char kWildcard[] = "*";

  explicit TypeProtocol(std::string type_url) : type_url_(std::move(type_url)) {}

  /** Nobody wanted this name (or "*") before, or nobody does any more. */
  virtual void nameAdded(const std::string& name) = 0;
  virtual void nameRemoved(const std::string& name) = 0;
  virtual void streamBegins() = 0;
  /** The server does not know the interest yet. */
  virtual bool interestToTell() const = 0;
  /** The oldest answer that is still to go out; each is a request of its own, even if all of them go out together. */
  std::optional<Answer> takeAnswer();
  void markAsked() { asked_ = true; }

 private:
  void accepted(absl::string_view version) {
    version_ = std::string(version);
    informed_ = true;
  }

  const std::string type_url_;
  uint32_t wildcards_ = 0;
  std::map<std::string, uint32_t> names_;
  std::string version_;
  std::string nonce_;
  bool informed_ = false;
  bool stream_open_ = false;
  bool asked_ = false;
  std::deque<Answer> answers_;
};

}  // namespace sluice::xds
