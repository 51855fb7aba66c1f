#include "source/cluster/transport_config.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"

#include "source/config/canonical_key.h"
#include "source/config/type_registry.h"
#include "source/net/raw_transport_socket.h"

namespace sluice::cluster {

namespace {

constexpr char kMatchFilter[] = "envoy.transport_socket_match";

bool hasLabels(const google::protobuf::Struct& labels, const envoy::config::core::v3::Metadata* metadata) {
  if (metadata == nullptr) {
    return labels.fields().empty();
  }
  const auto filter = metadata->filter_metadata().find(kMatchFilter);
  if (filter == metadata->filter_metadata().end()) {
    return labels.fields().empty();
  }
  for (const auto& [key, value] : labels.fields()) {
    const auto found = filter->second.fields().find(key);
    if (found == filter->second.fields().end() ||
        !google::protobuf::util::MessageDifferencer::Equals(found->second, value)) {
      return false;
    }
  }
  return true;
}

}  // namespace

TransportPart readTransport(const envoy::config::core::v3::TransportSocket* proto, const config::FieldPath& path,
                            config::Violations& violations) {
  TransportPart part;
  part.path = path;
  if (proto == nullptr) {
    return part;
  }
  if (proto->has_typed_config()) {
    part.path = path.field("typed_config");
    part.message = config::unpackExtension(proto->typed_config(), part.path, violations);
  } else if (proto->name() != "envoy.transport_sockets.raw_buffer") {
    violations.add(path.field("typed_config"),
                   absl::StrCat("is required by the transport socket '", proto->name(), "'"));
  }
  return part;
}

TransportParts readTransports(const envoy::config::cluster::v3::Cluster& proto, const config::FieldPath& path,
                              config::Violations& violations) {
  TransportParts parts;
  parts.standard = readTransport(proto.has_transport_socket() ? &proto.transport_socket() : nullptr,
                                 path.field("transport_socket"), violations);
  for (int i = 0; i < proto.transport_socket_matches_size(); ++i) {
    const auto& match = proto.transport_socket_matches(i);
    const config::FieldPath at = path.field("transport_socket_matches").index(static_cast<size_t>(i));
    parts.matches.push_back({match.name(), match.match(),
                             readTransport(match.has_transport_socket() ? &match.transport_socket() : nullptr,
                                           at.field("transport_socket"), violations)});
  }
  return parts;
}

std::shared_ptr<const net::TransportSocketFactory> makeTransport(const TransportPart& part,
                                                                 const UpstreamTransportSocketFactories& factories,
                                                                 TransportContext& context,
                                                                 config::Violations& violations) {
  if (part.message == nullptr) {
    static const std::shared_ptr<const net::TransportSocketFactory> raw =
        std::make_shared<const net::RawTransportSocketFactory>();
    return raw;
  }
  const std::string& type = part.message->GetDescriptor()->full_name();
  for (const std::unique_ptr<UpstreamTransportSocketFactory>& factory : factories) {
    if (factory->messageName() == type) {
      return factory->create(*part.message, part.path, context, violations);
    }
  }
  violations.add(part.path, absl::StrCat("there is no transport socket of the type '", type, "' for clusters"));
  return nullptr;
}

std::shared_ptr<const ConnectionRecipe> RecipeMatcher::keep(std::shared_ptr<const ConnectionRecipe> made) const {
  const auto same = [&made](const std::shared_ptr<const ConnectionRecipe>& known) {
    return known->key == made->key && known->socket == made->socket;
  };
  for (const Match& match : matches_) {
    if (same(match.choice.recipe)) {
      return match.choice.recipe;
    }
  }
  return same(fallback_.recipe) ? fallback_.recipe : made;
}

std::unique_ptr<const RecipeMatcher> RecipeMatcher::create(const TransportParts& parts, const ConnectionRecipe& base,
                                                           const RecipeMatcher* kept,
                                                           const UpstreamTransportSocketFactories& factories,
                                                           TransportContext& context, config::Violations& violations) {
  const size_t mistakes = violations.size();
  const auto make = [&](const TransportPart& part) -> std::shared_ptr<const ConnectionRecipe> {
    std::shared_ptr<const net::TransportSocketFactory> transport = makeTransport(part, factories, context, violations);
    if (transport == nullptr) {
      return nullptr;
    }
    auto recipe = std::make_shared<ConnectionRecipe>(base);
    recipe->key = config::contentKey(absl::StrCat(base.key.hex(), transport->structuralKey().hex()));
    recipe->setTransport(std::move(transport));
    return kept == nullptr ? std::move(recipe) : kept->keep(std::move(recipe));
  };
  const auto counter = [&](absl::string_view name) {
    return parts.matches.empty() ? stats::Counter() : context.scope->counter(absl::StrCat(name, ".total_match_count"));
  };
  std::unique_ptr<RecipeMatcher> made(new RecipeMatcher());
  made->fallback_ = {make(parts.standard), counter("default")};
  for (const TransportMatchPart& match : parts.matches) {
    made->matches_.push_back({match.labels, {make(match.socket), counter(match.name)}});
  }
  if (violations.size() != mistakes) {
    return nullptr;
  }
  made->standard_ = made->pick(nullptr, nullptr).recipe;
  return made;
}

const RecipeMatcher::Choice& RecipeMatcher::pick(const Metadata* endpoint, const Metadata* locality) const {
  for (const Metadata* metadata : {endpoint, locality}) {
    for (const Match& match : matches_) {
      if (hasLabels(match.labels, metadata)) {
        return match.choice;
      }
    }
  }
  return fallback_;
}

}  // namespace sluice::cluster
