#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace sluice::admin {

/**
 * Writes messages as the JSON that Envoy's admin pages have: proto names, a space for each level. An Any may hold every
 * type of the API, compiled in or not; of a type that nobody knows only "@type" is shown. All that pages show of the
 * configuration passes here. Not thread-safe.
 */
class JsonPrinter {
 public:
  JsonPrinter();
  ~JsonPrinter();

  enum class Defaults { LeftOut, Shown };

  /**
   * Appends the message as an object whose lines after the first are indented by `indent`; no newline at its end. With
   * `type_url` the object begins with "@type". A message that cannot be shown becomes an object that says so.
   */
  void append(const google::protobuf::Message& message, size_t indent, std::string& out,
              Defaults defaults = Defaults::LeftOut, absl::string_view type_url = {});

  /** The whole page that a single message makes: append() and a newline. */
  std::string page(const google::protobuf::Message& message, Defaults defaults = Defaults::LeftOut);

 private:
  class Types;
  const std::unique_ptr<Types> types_;
};

/** A JSON string with its quotes. */
void appendJsonString(absl::string_view text, std::string& out);

}  // namespace sluice::admin
