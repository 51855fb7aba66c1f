#include "control_plane_mock/demo/story.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <thread>

namespace sluice::demo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kDrainSeconds = 4;
constexpr int kShortClients = 4;
constexpr int kHeld = 8;

volatile sig_atomic_t interrupted = 0;

std::string loopbackAddress(uint16_t port) {
  return "{socket_address: {address: 127.0.0.1, port_value: " + std::to_string(port) + "}}";
}

std::string cluster(const std::string& name, uint16_t port) {
  return R"(- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: )" +
         name + R"(
  type: STATIC
  connect_timeout: 2s
  load_assignment:
    cluster_name: )" +
         name + R"(
    endpoints:
    - lb_endpoints:
      - endpoint: {address: )" +
         loopbackAddress(port) + "}\n";
}

std::string tcpProxy(const std::string& cluster) {
  return R"(    filters:
    - name: tcp
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
        stat_prefix: demo
        cluster: )" +
         cluster + "\n";
}

std::string fromSource(const std::string& name, const std::string& ip) {
  return "  - name: " + name + "\n    filter_chain_match: {source_prefix_ranges: [{address_prefix: " + ip +
         ", prefix_len: 32}]}\n";
}

std::string listenerHead(const std::string& name, uint16_t port) {
  return "resources:\n- \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n  name: " + name +
         "\n  address: " + loopbackAddress(port) + "\n";
}

}  // namespace

Story::Story(Programs programs, std::string folder)
    : programs_(std::move(programs)),
      folder_(std::move(folder)),
      control_plane_port_(freePort()),
      admin_port_(freePort()),
      front_port_(freePort()),
      side_port_(freePort()),
      terminal_(isatty(STDOUT_FILENO) != 0),
      sluice_log_(folder_ + "/sluice.log"),
      control_plane_log_(folder_ + "/control_plane.log") {
  std::filesystem::create_directory(folder_ + "/resources");
}

Story::~Story() {
  // Clients first, so that what ends with Sluice is no failure of theirs.
  short_.reset();
  front_.reset();
  side_one_.reset();
  side_two_.reset();
  if (sluice_ != nullptr) {
    sluice_->signal(SIGTERM);
    sluice_->wait(seconds(10));
  }
}

std::string Story::frontListener(const std::string& cluster) const {
  return listenerHead("front", front_port_) + "  filter_chains:\n  - name: all\n" + tcpProxy(cluster);
}

std::string Story::sideListener(const std::string& second_cluster) const {
  return listenerHead("side", side_port_) + "  filter_chains:\n" + fromSource("one", "127.0.0.1") + tcpProxy("blue") +
         fromSource("two", "127.0.0.2") + tcpProxy(second_cluster);
}

void Story::publish(const std::string& file, const std::string& text) {
  const std::string path = folder_ + "/resources/" + file;
  const std::string draft = folder_ + "/draft";
  std::ofstream(draft) << text;
  std::filesystem::rename(draft, path);
}

void Story::startControlPlane() {
  control_plane_ = std::make_unique<ChildProcess>(
      std::vector<std::string>{programs_.control_plane, "--listen", "127.0.0.1:" + std::to_string(control_plane_port_),
                               "--resources", folder_ + "/resources"},
      [this](const std::string& line) {
        const std::lock_guard<std::mutex> lock(output_mutex_);
        control_plane_log_ << line << std::endl;
        // The line that says NACK is followed by the reasons, which are indented.
        if (reading_nack_ && line.rfind("  ", 0) == 0) {
          nack_ += "\n      " + line.substr(line.find_first_not_of(' '));
          return;
        }
        reading_nack_ = line.find("NACK") != std::string::npos;
        if (reading_nack_) {
          nack_ = "version " + line.substr(line.find("version ") + 8);
        }
      });
}

void Story::startSluice() {
  const std::string bootstrap = folder_ + "/bootstrap.yaml";
  std::ofstream(bootstrap) << R"(node: {id: demo, cluster: demo}
admin: {address: )" << loopbackAddress(admin_port_)
                           << R"(}
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: control_plane}}]
  cds_config: {ads: {}, resource_api_version: V3}
  lds_config: {ads: {}, resource_api_version: V3}
static_resources:
  clusters:
  - name: control_plane
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: control_plane
      endpoints: [{lb_endpoints: [{endpoint: {address: )"
                           << loopbackAddress(control_plane_port_) << "}}]}]\n";
  sluice_ =
      std::make_unique<ChildProcess>(std::vector<std::string>{programs_.sluice, "-c", bootstrap, "--concurrency", "2",
                                                              "--drain-time-s", std::to_string(kDrainSeconds)},
                                     [this](const std::string& line) {
                                       const std::lock_guard<std::mutex> lock(output_mutex_);
                                       sluice_log_ << line << std::endl;
                                     });
}

bool Story::tell() {
  std::cout << "Two backends answer lines: blue on port " << blue_.port() << ", green on port " << green_.port()
            << ".\nThe control plane serves the YAML files in " << folder_
            << "/resources; Sluice's bootstrap names it and nothing else.\n";
  publish("clusters.yaml", "resources:\n" + cluster("blue", blue_.port()) + cluster("green", green_.port()));
  startControlPlane();
  startSluice();
  const bool good = addListener() && moveListener() && changeOneOfTwoChains() && sendBrokenListener() &&
                    restartControlPlane() && removeListener();
  if (!good) {
    std::cout << "\nThe demo stopped: a change did not show its effect in time.\n";
  }
  return summary() && good;
}

bool Story::addListener() {
  step("The control plane adds the listener 'front', to blue");
  publish("front.yaml", frontListener("blue"));
  if (!waitFor("front answers", seconds(20), [this] { return whoAnswers("127.0.0.1", front_port_) == "blue"; })) {
    return false;
  }
  say("it listens on 127.0.0.1:" + std::to_string(front_port_) +
      "; steady traffic begins: " + std::to_string(kShortClients) + " clients that connect for each request, and " +
      std::to_string(kHeld) + " connections that stay");
  short_ = std::make_unique<ShortConnections>(front_port_, kShortClients, tally_);
  front_ = std::make_unique<HeldConnections>("front", "127.0.0.1", front_port_, kHeld, tally_);
  watch(seconds(3));
  return true;
}

bool Story::moveListener() {
  step("It moves 'front' from blue to green");
  front_->expectDrain(true);
  publish("front.yaml", frontListener("green"));
  if (!waitFor("new connections reach green", seconds(10),
               [this] { return whoAnswers("127.0.0.1", front_port_) == "green"; })) {
    return false;
  }
  say("new connections reach green; " + std::to_string(front_->untouched()) +
      " old ones go on to blue until the drain time of " + std::to_string(kDrainSeconds) + " s ends");
  return waitFor("old connections drained", seconds(kDrainSeconds + 10),
                 [this] { return front_->untouched() == 0 && front_->open() == kHeld; });
}

bool Story::changeOneOfTwoChains() {
  step("It adds 'side' with two filter chains, and then changes one of them");
  publish("side.yaml", sideListener("green"));
  if (!waitFor("both chains answer", seconds(10), [this] {
        return whoAnswers("127.0.0.1", side_port_) == "blue" && whoAnswers("127.0.0.2", side_port_) == "green";
      })) {
    return false;
  }
  side_one_ = std::make_unique<HeldConnections>("side-one", "127.0.0.1", side_port_, kHeld, tally_);
  side_two_ = std::make_unique<HeldConnections>("side-two", "127.0.0.2", side_port_, kHeld, tally_);
  watch(seconds(2));
  side_two_->expectDrain(true);
  publish("side.yaml", sideListener("blue"));
  if (!waitFor("the changed chain answers anew", seconds(10),
               [this] { return whoAnswers("127.0.0.2", side_port_) == "blue"; }) ||
      !waitFor("its old connections drained", seconds(kDrainSeconds + 10),
               [this] { return side_two_->untouched() == 0; })) {
    return false;
  }
  say("the changed chain's " + std::to_string(kHeld) + " connections were drained; of the other chain's " +
      std::to_string(kHeld) + ", " + std::to_string(side_one_->untouched()) + " are as they were");
  return side_one_->untouched() == kHeld;
}

bool Story::sendBrokenListener() {
  step("It sends a broken 'front': one field breaks its rule, another is nothing that Sluice has");
  publish("front.yaml", frontListener("green") +
                            "  max_connections_to_accept_per_socket_event: 0\n"
                            "  connection_balance_config: {exact_balance: {}}\n");
  if (!waitFor("the NACK", seconds(10), [this] { return lastNack().find('\n') != std::string::npos; })) {
    return false;
  }
  watch(seconds(1));
  say("refused: " + lastNack());
  if (whoAnswers("127.0.0.1", front_port_) != "green") {
    return false;
  }
  say("the old 'front' serves on");
  publish("front.yaml", frontListener("green"));
  return true;
}

bool Story::restartControlPlane() {
  step("The control plane is killed, and comes back");
  control_plane_->signal(SIGKILL);
  control_plane_.reset();
  say("killed; traffic goes on");
  watch(seconds(3));
  startControlPlane();
  publish("front.yaml", frontListener("blue"));
  front_->expectDrain(true);
  if (!waitFor("an update gets through", seconds(40),
               [this] { return whoAnswers("127.0.0.1", front_port_) == "blue"; })) {
    return false;
  }
  say("it is back, and moved 'front' to blue again");
  return true;
}

bool Story::removeListener() {
  step("It removes 'side', which drains");
  side_one_->expectDrain(false);
  side_two_->expectDrain(false);
  std::filesystem::remove(folder_ + "/resources/side.yaml");
  if (!waitFor("side is closed to new connections", seconds(10),
               [this] { return !TcpSocket::connect("127.0.0.1", side_port_, seconds(1)).isOpen(); })) {
    return false;
  }
  say("new connections are refused; " + std::to_string(side_one_->open() + side_two_->open()) +
      " old ones go on until the drain time ends");
  return waitFor("all drained", seconds(kDrainSeconds + 10),
                 [this] { return side_one_->open() + side_two_->open() == 0; });
}

bool Story::summary() {
  short_.reset();
  front_.reset();
  side_one_.reset();
  side_two_.reset();
  step("Summary");
  const auto by_backend = tally_.byBackend();
  std::cout << "  answers that clients got      " << tally_.answered();
  for (const auto& [backend, count] : by_backend) {
    std::cout << "  (" << backend << " " << count << ")";
  }
  std::cout << "\n  requests that backends saw    " << blue_.requests() + green_.requests() << "  (blue "
            << blue_.requests() << ") (green " << green_.requests() << ")\n"
            << "  failed requests               " << tally_.failures() << "\n"
            << "  connections drained           " << tally_.drainedConnections() << "  (as the changes ask)\n"
            << "  connections dropped           " << tally_.droppedConnections() << "  (that should not have been)\n";
  for (const std::string& complaint : tally_.complaints()) {
    std::cout << "    " << complaint << "\n";
  }
  return tally_.failures() == 0 && tally_.droppedConnections() == 0 && tally_.answered() > 0;
}

void Story::keepRunning() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::cout << "\nAll goes on until Ctrl-C:\n"
            << "  edit       " << folder_ << "/resources/front.yaml  (cluster: blue or green)\n"
            << "  ask        printf 'hello\\n' | nc -q1 127.0.0.1 " << front_port_ << "\n"
            << "  admin page http://127.0.0.1:" << admin_port_ << "/\n"
            << "  logs       " << folder_ << "/sluice.log and control_plane.log" << std::endl;
  while (interrupted == 0) {
    pause();
  }
}

std::string Story::whoAnswers(const std::string& source, uint16_t port) const {
  TcpSocket socket = TcpSocket::connect(source, port, seconds(2));
  std::string answer;
  if (!socket.isOpen() || !socket.sendLine("who") || !socket.readLine(answer)) {
    return "";
  }
  return answer.substr(0, answer.find(' '));
}

bool Story::waitFor(const std::string& what, seconds limit, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      say("this was waited for in vain: " + what);
      return false;
    }
    watch(milliseconds(100));
  }
  return true;
}

void Story::watch(milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  do {
    std::this_thread::sleep_for(std::min(time, milliseconds(200)));
    showCounters();
  } while (std::chrono::steady_clock::now() < end);
}

void Story::showCounters() {
  if (!terminal_ || short_ == nullptr) {
    return;
  }
  std::cout << "\r    answers " << std::setw(7) << tally_.answered() << "   failed " << tally_.failures()
            << "   drained " << tally_.drainedConnections() << "   dropped " << tally_.droppedConnections() << "  "
            << std::flush;
  counters_shown_ = true;
}

void Story::step(const std::string& what) {
  say("");
  std::cout << ++steps_ << ". " << what << std::endl;
}

void Story::say(const std::string& what) {
  if (counters_shown_) {
    std::cout << "\n";
    counters_shown_ = false;
  }
  if (what.empty()) {
    std::cout << std::endl;
    return;
  }
  std::cout << "   " << what;
  if (!terminal_ && short_ != nullptr) {
    std::cout << "  [answers " << tally_.answered() << ", failed " << tally_.failures() << ", dropped "
              << tally_.droppedConnections() << "]";
  }
  std::cout << std::endl;
}

std::string Story::lastNack() {
  const std::lock_guard<std::mutex> lock(output_mutex_);
  return nack_;
}

}  // namespace sluice::demo
