#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "source/xds/subscription.h"

namespace sluice::test {

/** Keeps what it is told; gives its verdict at once, unless a test holds it back. */
class RecordingWatcher : public xds::ResourceWatcher {
 public:
  void onUpdate(xds::Update update, xds::UpdateDone done) override {
    updates.push_back(std::move(update));
    if (hold) {
      held.push_back(std::move(done));
      return;
    }
    done(std::exchange(refuse, {}));
  }
  void onFetchFailure(xds::FetchFailure reason) override { failures.push_back(reason); }
  void onUndecodable(const xds::ResourceError& error, absl::string_view, bool first) override {
    undecodable.push_back(error.name);
    responses_with_undecodable += first ? 1 : 0;
  }

  std::vector<std::string> lastNames() const {
    std::vector<std::string> names;
    for (const xds::Resource& resource : updates.back().resources) {
      names.push_back(resource.name);
    }
    return names;
  }
  void release() {
    xds::UpdateDone done = std::move(held.front());
    held.erase(held.begin());
    done(std::exchange(refuse, {}));
  }

  std::vector<xds::Update> updates;
  std::vector<xds::FetchFailure> failures;
  std::vector<std::string> undecodable;
  int responses_with_undecodable = 0;
  /** What the next verdict refuses. */
  std::vector<xds::ResourceError> refuse;
  bool hold = false;
  std::vector<xds::UpdateDone> held;
};

inline xds::ResourceError refusal(std::string name, std::string path, std::string reason) {
  config::Violations violations;
  violations.add(std::move(path), std::move(reason));
  return {std::move(name), std::move(violations)};
}

}  // namespace sluice::test
