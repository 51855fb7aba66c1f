#pragma once

#include <string>
#include <vector>

namespace envoy::config::core::v3 {
class Metadata;
}
namespace google::protobuf {
class Value;
class Struct;
}  // namespace google::protobuf

namespace sluice::access_log {

/**
 * The value at `path` (a filter's namespace, then keys from level to level) in metadata: appended as text (a string as it
 * is, all else as JSON), or as JSON. False when there is none; null metadata has none.
 */
bool appendMetadataText(const envoy::config::core::v3::Metadata* metadata, const std::vector<std::string>& path,
                        std::string& out);
bool appendMetadataJson(const envoy::config::core::v3::Metadata* metadata, const std::vector<std::string>& path,
                        std::string& out);

/** Compact, keys in order. */
void appendJsonValue(const google::protobuf::Value& value, std::string& out);
void appendJsonStruct(const google::protobuf::Struct& value, std::string& out);

}  // namespace sluice::access_log
