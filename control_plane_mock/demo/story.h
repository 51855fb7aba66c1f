#pragma once

#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "control_plane_mock/demo/backend.h"
#include "control_plane_mock/demo/child_process.h"
#include "control_plane_mock/demo/traffic.h"

namespace sluice::demo {

/** Paths of the programs that the demo starts. */
struct Programs {
  std::string sluice;
  std::string control_plane;
};

/**
 * The demo from beginning to end: two backends, the mock control plane, Sluice with a bootstrap that names only the
 * control plane, clients, and the changes that the control plane makes meanwhile. Every step waits until its effect is
 * seen by a client, and says what it saw.
 */
class Story {
 public:
  /** `folder` takes the resources that the control plane serves, the bootstrap and the programs' logs. */
  Story(Programs programs, std::string folder);
  ~Story();

  /** True when everything went as it should: no failure, no connection dropped that should have stayed. */
  bool tell();
  /** Leaves all running until the user ends it with Ctrl-C. */
  void keepRunning();

 private:
  void startControlPlane();
  void startSluice();

  bool addListener();
  bool moveListener();
  bool changeOneOfTwoChains();
  bool sendBrokenListener();
  bool restartControlPlane();
  bool removeListener();
  bool summary();

  /** Writes a file of resources, in one move. */
  void publish(const std::string& file, const std::string& text);
  std::string frontListener(const std::string& cluster) const;
  std::string sideListener(const std::string& second_cluster) const;
  /** The name of the backend that answers a new connection; empty when none does. */
  std::string whoAnswers(const std::string& source, uint16_t port) const;
  /** Shows live counters until `condition` holds; false when it does not within `limit`. */
  bool waitFor(const std::string& what, std::chrono::seconds limit, const std::function<bool()>& condition);
  void watch(std::chrono::milliseconds time);
  void showCounters();
  void step(const std::string& what);
  void say(const std::string& what);
  std::string lastNack();

  const Programs programs_;
  const std::string folder_;
  const uint16_t control_plane_port_;
  const uint16_t admin_port_;
  const uint16_t front_port_;
  const uint16_t side_port_;
  const bool terminal_;
  int steps_ = 0;
  bool counters_shown_ = false;

  Backend blue_{"blue"};
  Backend green_{"green"};
  Tally tally_;

  std::mutex output_mutex_;
  /** The last NACK's reasons, as the control plane printed them; more lines follow while `reading_nack_`. */
  std::string nack_;
  bool reading_nack_ = false;
  std::ofstream sluice_log_;
  std::ofstream control_plane_log_;

  std::unique_ptr<ChildProcess> control_plane_;
  std::unique_ptr<ChildProcess> sluice_;
  std::unique_ptr<ShortConnections> short_;
  std::unique_ptr<HeldConnections> front_;
  std::unique_ptr<HeldConnections> side_one_;
  std::unique_ptr<HeldConnections> side_two_;
};

}  // namespace sluice::demo
