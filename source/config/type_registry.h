#pragma once

#include <memory>

#include "absl/strings/string_view.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"

namespace sluice::config {

// Every message type of the xDS API, by name: the types that are compiled in, and through the embedded descriptor set
// all others. Read on first use; any thread.

/// The name that follows the last slash of a type URL: "envoy.config.listener.v3.Listener".
absl::string_view typeName(absl::string_view type_url);

/// Null if there is no such type.
const google::protobuf::Descriptor* findMessage(absl::string_view type_url_or_full_name);

/// An empty message of a type that findMessage() found (or one nested in such a message).
std::unique_ptr<google::protobuf::Message> newMessage(const google::protobuf::Descriptor& type);

/// The message inside an Any. Null, with a violation, if its type is unknown or its bytes are no such message.
std::unique_ptr<google::protobuf::Message> unpackAny(const google::protobuf::Any& any, const FieldPath& path,
                                                     Violations& violations);

/// The same for what many share. A large message is made in an arena of its own: freeing it costs next to nothing.
std::shared_ptr<google::protobuf::Message> unpackShared(const google::protobuf::Any& any, const FieldPath& path,
                                                        Violations& violations);

/// The message that an extension's configuration means: like unpackAny, but a TypedStruct (xds.type.v3 or
/// udpa.type.v1) is turned into the type it names.
std::unique_ptr<google::protobuf::Message> unpackExtension(const google::protobuf::Any& any, const FieldPath& path,
                                                           Violations& violations);

/// The type that unpackExtension() would give: the type URL's, or that which a TypedStruct names. Empty if a
/// TypedStruct is broken.
std::string extensionTypeName(const google::protobuf::Any& any);

/// As unpackExtension, into a message of a type known beforehand; false, with a violation, if the Any holds another.
bool unpackTo(const google::protobuf::Any& any, google::protobuf::Message& out, const FieldPath& path,
              Violations& violations);

}  // namespace sluice::config
