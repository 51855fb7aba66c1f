#pragma once

#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"

#include "source/config/document.h"

namespace sluice::config {

// Single values of the JSON mapping of proto3 (https://protobuf.dev/programming-guides/json), read from a node.
// Each returns an empty string, or why the node is no such value.

/// Numbers, booleans, strings, bytes and enums: sets `field`, or adds to it if it is a list.
std::string readScalar(const Node& node, const google::protobuf::FieldDescriptor& field,
                       google::protobuf::Message& message);

/// Duration, Timestamp and FieldMask, in which one string stands for a message.
std::string readDuration(const Node& node, google::protobuf::Message& out);
std::string readTimestamp(const Node& node, google::protobuf::Message& out);
std::string readFieldMask(const Node& node, google::protobuf::Message& out);

/// What an unquoted or quoted scalar is when nothing says what it should be: null, a boolean, a number or a string.
void readAnyScalar(const Node& node, google::protobuf::Value& out);

/// Copies a message of a compiled-in type to one of the same type that may be a DynamicMessage.
void assign(const google::protobuf::Message& from, google::protobuf::Message& to);

}  // namespace sluice::config
