#include "source/xds/decoder_thread.h"

#include <sched.h>

#include <chrono>
#include <utility>

#include "source/thread/named_thread.h"

namespace sluice::xds {
namespace {

/** How long one turn of the loop decodes before it shows the guard dog that it moves. */
constexpr std::chrono::milliseconds kSlice(10);

/**
 * Main wakes the decoder, and workers run beside it: a batch thread gets its share, but on waking it takes no processor
 * from whoever is running, who would otherwise wait for milliseconds of decoding. Where that is not to be had, it
 * decodes all the same.
 */
void becomeBatchThread() {
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
}

}  // namespace

DecoderThread::DecoderThread(event::Dispatcher& main, std::unique_ptr<event::Dispatcher> loop, DecodeOptions options)
    : main_(main),
      options_(options),
      self_(std::make_shared<DecoderThread*>(this)),
      loop_(std::move(loop)),
      worker_(std::make_unique<Worker>(*this)) {
  thread_ = thread::startThread(loop_->name(), [this] {
    becomeBatchThread();
    loop_->run(event::Dispatcher::RunType::UntilExit);
  });
}

DecoderThread::~DecoderThread() {
  loop_->exit();
  thread_.join();
  *self_ = nullptr;
  worker_.reset();
  loop_.reset();
}

void DecoderThread::decode(ResponseReader reader, std::string default_type, Done done) {
  enqueue(ResponseDecoder(std::move(reader), std::move(default_type), options_), std::move(done));
}

void DecoderThread::decodeDelta(DeltaResponseReader reader, Done done) {
  enqueue(ResponseDecoder(std::move(reader), options_), std::move(done));
}

void DecoderThread::enqueue(ResponseDecoder decoder, Done done) {
  auto job = std::make_unique<Job>(Job{std::move(decoder), std::move(done)});
  // The loop and with it this task go before the worker does.
  loop_->post([worker = worker_.get(), job = std::move(job)]() mutable { worker->add(std::move(job)); });
}

void DecoderThread::dispose(DecodedResponse response) {
  loop_->post([response = std::move(response)] {});
}

void DecoderThread::finished(DecodedResponse response, Done done) {
  if (sink_ != nullptr && (!response.ignored.empty() || !response.unknown.empty())) {
    sink_(response.ignored, response.unknown);
  }
  done(std::move(response));
}

void DecoderThread::Worker::add(std::unique_ptr<Job> job) {
  jobs_.push_back(std::move(job));
  thread_.loop_->runNextTurn(*this);
}

void DecoderThread::Worker::run() {
  const auto end = std::chrono::steady_clock::now() + kSlice;
  do {
    Job& job = *jobs_.front();
    if (job.decoder.step()) {
      continue;
    }
    thread_.main_.post([self = thread_.self_, response = job.decoder.take(), done = std::move(job.done)]() mutable {
      if (*self != nullptr) {
        (*self)->finished(std::move(response), std::move(done));
      }
    });
    jobs_.pop_front();
  } while (!jobs_.empty() && std::chrono::steady_clock::now() < end);
  if (!jobs_.empty()) {
    thread_.loop_->runNextTurn(*this);
  }
}

}  // namespace sluice::xds
