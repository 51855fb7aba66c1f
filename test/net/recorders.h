#pragma once

#include <functional>
#include <string>
#include <vector>

#include "source/net/connection.h"

namespace sluice::net {

/** Notes a connection's events; `hook` runs inside each. */
class RecordingCallbacks : public ConnectionCallbacks {
 public:
  void onEvent(ConnectionEvent event) override {
    events.push_back(event);
    if (hook) {
      hook(event);
    }
  }
  void onAboveWriteBufferHighWatermark() override {
    ++above;
    if (on_above) {
      on_above();
    }
  }
  void onBelowWriteBufferLowWatermark() override {
    ++below;
    if (on_below) {
      on_below();
    }
  }

  std::vector<ConnectionEvent> events;
  int above = 0;
  int below = 0;
  std::function<void(ConnectionEvent)> hook;
  std::function<void()> on_above;
  std::function<void()> on_below;
};

/** What a RecordingFilter saw; outlives the connection that owns the filter. */
struct Recorded {
  int new_connections = 0;
  int data_calls = 0;
  int ends = 0;
  std::string bytes;
  ReadFilterCallbacks* callbacks = nullptr;
  std::function<FilterStatus()> on_new_connection;
  /** In place of taking all bytes. */
  std::function<FilterStatus(Buffer&, bool)> on_data;
};

class RecordingFilter : public ReadFilter {
 public:
  explicit RecordingFilter(Recorded& recorded) : recorded_(recorded) {}
  void initialize(ReadFilterCallbacks& callbacks) override { recorded_.callbacks = &callbacks; }
  FilterStatus onNewConnection() override {
    ++recorded_.new_connections;
    return recorded_.on_new_connection ? recorded_.on_new_connection() : FilterStatus::Continue;
  }
  FilterStatus onData(Buffer& data, bool end_stream) override {
    ++recorded_.data_calls;
    recorded_.ends += end_stream ? 1 : 0;
    recorded_.bytes += data.toString();
    if (recorded_.on_data) {
      return recorded_.on_data(data, end_stream);
    }
    data.clear();
    return FilterStatus::Continue;
  }

 private:
  Recorded& recorded_;
};

/** Writes through a function. */
class FunctionWriteFilter : public WriteFilter {
 public:
  using Function = std::function<FilterStatus(FunctionWriteFilter&, Buffer&, bool)>;
  explicit FunctionWriteFilter(Function function) : function_(std::move(function)) {}
  void initialize(Connection& connection) override { connection_ = &connection; }
  FilterStatus onWrite(Buffer& data, bool end_stream) override { return function_(*this, data, end_stream); }
  Connection& connection() { return *connection_; }

 private:
  Function function_;
  Connection* connection_ = nullptr;
};

inline void writeText(Connection& connection, absl::string_view text, bool end_stream = false) {
  Buffer buffer;
  buffer.append(text);
  connection.write(buffer, end_stream);
}

}  // namespace sluice::net
