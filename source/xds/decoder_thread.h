#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "source/event/dispatcher.h"
#include "source/xds/decoder.h"

namespace sluice::xds {

/**
 * The one thread that parses and validates what a control plane sends, so that a response of 100 MB holds up nobody's
 * traffic and none of main's timers. Responses are decoded in the order in which they were given and come back in it. Made,
 * used and destroyed on main; destroying it joins the thread, and what was not decoded by then is dropped unseen.
 */
class DecoderThread {
 public:
  using Done = absl::AnyInvocable<void(DecodedResponse)>;
  /** What was set and is ignored, and where there are unknown fields; on main, once for each response that has some. */
  using FindingsSink =
      std::function<void(const std::vector<std::string>& ignored, const std::vector<std::string>& unknown)>;

  /** `loop` is run by the new thread, so that the guard dog can watch it like any other; `main` outlives this. */
  DecoderThread(event::Dispatcher& main, std::unique_ptr<event::Dispatcher> loop, DecodeOptions options = {});
  ~DecoderThread();
  DecoderThread(const DecoderThread&) = delete;

  /** `done` is called on main, and may be destroyed, uncalled, on any thread: it names main's objects by WeakRef. */
  void decode(ResponseReader reader, std::string default_type, Done done);
  void decodeDelta(DeltaResponseReader reader, Done done);
  /** Frees a response's remains where nobody waits for it. */
  void dispose(DecodedResponse response);
  void setFindingsSink(FindingsSink sink) { sink_ = std::move(sink); }

  event::Dispatcher& loop() { return *loop_; }

 private:
  struct Job {
    ResponseDecoder decoder;
    Done done;
  };

  /** What lives on the decoder's thread: the queue, worked on for a few milliseconds in each turn of the loop. */
  class Worker : public event::IntrusiveTask {
   public:
    explicit Worker(DecoderThread& thread) : thread_(thread) {}
    void add(std::unique_ptr<Job> job);

   private:
    void run() override;

    DecoderThread& thread_;
    std::deque<std::unique_ptr<Job>> jobs_;
  };

  void enqueue(ResponseDecoder decoder, Done done);
  void finished(DecodedResponse response, Done done);

  event::Dispatcher& main_;
  const DecodeOptions options_;
  FindingsSink sink_;
  std::shared_ptr<DecoderThread*> self_;
  std::unique_ptr<event::Dispatcher> loop_;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

}  // namespace sluice::xds
