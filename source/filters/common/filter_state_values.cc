#include "source/filters/common/filter_state_values.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/common/set_filter_state/v3/value.pb.h"

#include "source/config/data_source.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::common::set_filter_state::v3::FilterStateValue;

/** Objects that somebody reads, and the one that is but a text. All of them are made of a text. */
constexpr absl::string_view kObjects[] = {
    "envoy.string",
    "envoy.network.upstream_server_name",
    "envoy.network.application_protocols",
    "envoy.network.upstream_subject_alt_names",
    "envoy.network.transport_socket.original_dst_address",
    "envoy.tcp_proxy.cluster",
};

}  // namespace

FilterStateValues FilterStateValues::read(const Protos& protos, const ConfigTools& tools, const config::FieldPath& path,
                                          config::Violations& violations) {
  FilterStateValues out;
  for (int i = 0; i < protos.size(); ++i) {
    const Proto& proto = protos[i];
    const config::FieldPath at = path.index(i);
    const bool named = proto.factory_key().empty();
    const std::string& object = named ? proto.object_key() : proto.factory_key();
    if (std::find(std::begin(kObjects), std::end(kObjects), object) == std::end(kObjects)) {
      violations.add(at.field(named ? "object_key" : "factory_key"),
                     absl::StrCat("'", object, "' is no object that Sluice makes: set factory_key to envoy.string",
                                  " for a text of any name"));
      continue;
    }
    const config::FieldPath format_path = at.field("format_string");
    std::optional<std::string> text = proto.format_string().text_format();
    if (proto.format_string().has_text_format_source()) {
      text = config::readDataSource(proto.format_string().text_format_source(), format_path.field("text_format_source"),
                                    violations);
    }
    if (!text.has_value()) {
      continue;
    }
    absl::StatusOr<access_log::Format> format =
        access_log::Format::parse(*text, tools.operators, proto.format_string().omit_empty_values());
    if (!format.ok()) {
      violations.add(format_path, std::string(format.status().message()));
      continue;
    }
    out.values_.push_back({proto.object_key(), std::make_shared<const access_log::Format>(*std::move(format)),
                           proto.read_only(), proto.skip_if_empty()});
  }
  return out;
}

void FilterStateValues::apply(const access_log::LogContext& context, net::FilterState& state) const {
  for (const Value& value : values_) {
    std::string text;
    value.format->append(context, text);
    if (text.empty() && value.skip_if_empty) {
      continue;
    }
    state.set(value.key, std::make_shared<net::TextFilterState>(std::move(text)), value.read_only);
  }
}

}  // namespace sluice::filters
