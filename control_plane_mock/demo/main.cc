// Shows Sluice's main job on real traffic: a control plane adds, changes and drains listeners while connections flow.
// Started by `./do demo`. What it counts, it counts at its clients and backends, never from Sluice's own statistics.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "control_plane_mock/demo/story.h"

namespace {

int usage(const char* program) {
  std::cerr << "usage: " << program << " --sluice PROGRAM --control-plane PROGRAM [--keep]\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  sluice::demo::Programs programs;
  bool keep = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--keep") {
      keep = true;
    } else if (argument == "--sluice" && i + 1 < argc) {
      programs.sluice = argv[++i];
    } else if (argument == "--control-plane" && i + 1 < argc) {
      programs.control_plane = argv[++i];
    } else {
      return usage(argv[0]);
    }
  }
  if (programs.sluice.empty() || programs.control_plane.empty()) {
    return usage(argv[0]);
  }
  signal(SIGPIPE, SIG_IGN);
  char folder[] = "/tmp/sluice-demo-XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    perror("cannot make a folder for the demo in /tmp");
    return 1;
  }
  bool good = false;
  {
    sluice::demo::Story story(programs, folder);
    good = story.tell();
    if (good && keep) {
      story.keepRunning();
    }
  }
  if (good) {
    std::filesystem::remove_all(folder);
  } else {
    std::cout << "What the programs printed is in " << folder << "\n";
  }
  return good ? 0 : 1;
}
