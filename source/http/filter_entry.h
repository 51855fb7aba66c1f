#pragma once

#include <cstdint>

#include "source/http/filter.h"
#include "source/net/buffer.h"

namespace sluice::http {

class FilterManager;

/** A filter of the chain, by its name there. */
struct NamedFilter {
  std::string name;
  std::shared_ptr<const HttpFilterConfig> config;
  /** Off unless a route's settings for it switch it on. */
  bool disabled = false;
};

/** Where a call that goes on begins. */
enum class IterateFrom : uint8_t {
  Next,
  /** With the filter itself when it had stopped everything, as it has not seen this yet. */
  CurrentIfStoppedAll,
};

/**
 * How far one filter of a stream has let its message pass, for both directions; what it decides is done by its
 * FilterManager. In the stream's arena; the stream's thread.
 *
 *               StopIteration                          continue…()
 *   Iterating ----------------> Stopped (headers) ---------------------> Iterating
 *       |  StopAllIteration…                                                ^
 *       +--------------------> StoppedAll… (headers, body, trailers) -------+
 */
class FilterEntry {
 public:
  enum class State : uint8_t { Iterating, Stopped, StoppedAllBuffer, StoppedAllWatermark };

  bool stoppedAll() const { return state_ == State::StoppedAllBuffer || state_ == State::StoppedAllWatermark; }

 protected:
  FilterEntry(FilterManager& manager, const NamedFilter& filter) : manager_(manager), filter_(filter) {}
  ~FilterEntry() = default;

  // The direction's own.
  virtual bool canContinue() const = 0;
  /** Whether the whole message has been seen, but for trailers that are still to pass. */
  virtual bool messageComplete() const = 0;
  virtual bool hasTrailers() const = 0;
  virtual net::Buffer& buffered() = 0;
  /** The buffer counts although it may be empty: an end is to be told with it. */
  virtual bool& hasBuffered() = 0;
  virtual void checkBuffered() = 0;
  virtual void continueInterim() = 0;
  virtual void continueHeaders(bool end_stream) = 0;
  virtual void continueData(bool end_stream) = 0;
  virtual void continueTrailers() = 0;

  // What becomes of a filter's answers; true: on with the next filter.
  bool afterHeaders(HeadersStatus status);
  bool afterData(DataStatus status, net::Buffer& data, bool& streaming);
  bool afterTrailers(TrailersStatus status);

  void bufferData(net::Buffer& data);
  /** A filter that has stopped everything keeps the data without seeing it. */
  bool keepIfStoppedAll(net::Buffer& data, bool& streaming);
  void resume();
  void inject(net::Buffer& data, bool end_stream);

  FilterManager& manager_;
  const NamedFilter& filter_;
  State state_ = State::Iterating;
  bool iterate_from_current_ = false;
  /** Headers have gone on to the next filter. */
  bool headers_passed_ = false;
  bool interim_stopped_ = false;
  /** This filter has been told the end. */
  bool end_stream_ = false;

  friend class FilterManager;
};

}  // namespace sluice::http
