#include "source/filters/access_loggers/grpc_loggers.h"

#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/access_loggers/grpc/v3/als.pb.h"
#include "envoy/type/tracing/v3/custom_tag.pb.h"

#include "source/config/duration.h"
#include "source/config/type_registry.h"
#include "source/filters/access_loggers/grpc_log_entry.h"
#include "source/filters/access_loggers/grpc_log_stream.h"

namespace sluice::filters {
namespace {

using envoy::extensions::access_loggers::grpc::v3::CommonGrpcAccessLogConfig;
using envoy::extensions::access_loggers::grpc::v3::HttpGrpcAccessLogConfig;
using envoy::extensions::access_loggers::grpc::v3::TcpGrpcAccessLogConfig;

std::vector<std::string> lowerNames(const google::protobuf::RepeatedPtrField<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& name : names) {
    out.push_back(absl::AsciiStrToLower(name));
  }
  return out;
}

GrpcLogFields readFields(const CommonGrpcAccessLogConfig& config, const config::FieldPath& path,
                         config::Violations& violations) {
  GrpcLogFields out;
  out.filter_state_objects.assign(config.filter_state_objects_to_log().begin(),
                                  config.filter_state_objects_to_log().end());
  for (int i = 0; i < config.custom_tags_size(); ++i) {
    const auto& tag = config.custom_tags(i);
    GrpcLogFields::Tag made;
    made.tag = tag.tag();
    if (tag.has_literal()) {
      made.value = tag.literal().value();
    } else if (tag.has_environment()) {
      const char* const value = std::getenv(tag.environment().name().c_str());
      made.value = value == nullptr ? tag.environment().default_value() : value;
    } else if (tag.has_request_header()) {
      made.kind = GrpcLogFields::Tag::Kind::RequestHeader;
      made.header = absl::AsciiStrToLower(tag.request_header().name());
      made.value = tag.request_header().default_value();
    } else {
      violations.add(path.field("custom_tags").index(static_cast<size_t>(i)),
                     "only literal, environment and request_header are supported");
      continue;
    }
    out.tags.push_back(std::move(made));
  }
  return out;
}

}  // namespace

/** One log of a service: its stream on every worker. Made on main, dies there; add() on any worker. */
class GrpcLogTarget {
 public:
  GrpcLogTarget(const GrpcLoggerServices& services, const GrpcLogStats& stats, GrpcLogSettings settings)
      : slot_(services.slots, [settings = std::make_shared<const GrpcLogSettings>(std::move(settings)),
                               &upstreams = services.upstreams, &stats](event::Dispatcher& dispatcher) {
          return std::make_unique<GrpcLogStream>(settings, upstreams, dispatcher, stats);
        }) {}

  template <class Entry>
  void add(Entry entry) const {
    if (GrpcLogStream* const stream = slot_.get(); stream != nullptr) {
      stream->add(std::move(entry));
    }
  }

 private:
  const thread::Slot<GrpcLogStream> slot_;
};

/** The targets that are in use, by their configuration. Main thread. */
class GrpcLogTargets {
 public:
  explicit GrpcLogTargets(const GrpcLoggerServices& services)
      : services_(services), scope_(services.root->createScope("access_logs.grpc_access_log")), stats_(*scope_) {}

  /** Null with a violation. */
  std::shared_ptr<const GrpcLogTarget> get(const CommonGrpcAccessLogConfig& config, absl::string_view kind,
                                           const config::FieldPath& path, config::Violations& violations) {
    const size_t mistakes = violations.size();
    std::optional<grpc::ServiceConfig> service =
        grpc::ServiceConfig::create(config.grpc_service(), services_.operators, path.field("grpc_service"), violations);
    if (config.log_name().empty()) {
      violations.add(path.field("log_name"), "must not be empty");
    }
    if (violations.size() != mistakes) {
      return nullptr;
    }
    CommonGrpcAccessLogConfig key_of = config;
    key_of.clear_filter_state_objects_to_log();
    key_of.clear_custom_tags();
    std::string key = absl::StrCat(kind, "\n");
    key_of.AppendToString(&key);
    std::weak_ptr<const GrpcLogTarget>& known = targets_[key];
    if (std::shared_ptr<const GrpcLogTarget> found = known.lock(); found != nullptr) {
      return found;
    }
    GrpcLogSettings settings;
    settings.service = std::move(*service);
    // A stream lasts; what the service calls its timeout is for calls that are answered.
    settings.service.timeout.reset();
    *settings.identifier.mutable_node() = services_.node;
    settings.identifier.set_log_name(config.log_name());
    settings.flush_interval = std::chrono::milliseconds(std::max<int64_t>(
        1, config::durationOr(config.has_buffer_flush_interval(), config.buffer_flush_interval(), 1000)));
    if (config.has_buffer_size_bytes()) {
      settings.buffer_bytes = config.buffer_size_bytes().value();
    }
    auto made = event::ownedBy<const GrpcLogTarget>(
        services_.main, std::make_unique<const GrpcLogTarget>(services_, stats_, std::move(settings)));
    known = made;
    forgetUnused();
    return made;
  }

 private:
  void forgetUnused() {
    for (auto it = targets_.begin(); it != targets_.end();) {
      it = it->second.expired() ? targets_.erase(it) : std::next(it);
    }
  }

  const GrpcLoggerServices services_;
  const stats::ScopePtr scope_;
  const GrpcLogStats stats_;
  std::map<std::string, std::weak_ptr<const GrpcLogTarget>> targets_;
};

namespace {

template <auto make>
class GrpcLogger : public access_log::AccessLogger {
 public:
  GrpcLogger(std::shared_ptr<const GrpcLogTarget> target, GrpcLogFields fields, access_log::LogFilterPtr filter)
      : target_(std::move(target)), fields_(std::move(fields)), filter_(std::move(filter)) {}

  void log(const access_log::LogContext& context) const override {
    if (filter_ == nullptr || filter_->matches(context)) {
      target_->add(make(context, fields_));
    }
  }

 private:
  const std::shared_ptr<const GrpcLogTarget> target_;
  const GrpcLogFields fields_;
  const access_log::LogFilterPtr filter_;
};

template <class Proto, auto make>
class GrpcLoggerKind : public access_log::LoggerKind {
 public:
  GrpcLoggerKind(GrpcLogTargets& targets, absl::string_view kind) : targets_(targets), kind_(kind) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const access_log::AccessLogger> create(const google::protobuf::Any& config,
                                                         access_log::LogFilterPtr filter, const config::FieldPath& path,
                                                         config::Violations& violations) const override {
    Proto proto;
    if (!config::unpackTo(config, proto, path, violations)) {
      return nullptr;
    }
    const size_t mistakes = violations.size();
    const config::FieldPath common = path.field("common_config");
    GrpcLogFields fields = readFields(proto.common_config(), common, violations);
    if constexpr (std::is_same_v<Proto, HttpGrpcAccessLogConfig>) {
      fields.request_headers = lowerNames(proto.additional_request_headers_to_log());
      fields.response_headers = lowerNames(proto.additional_response_headers_to_log());
      fields.response_trailers = lowerNames(proto.additional_response_trailers_to_log());
    }
    std::shared_ptr<const GrpcLogTarget> target = targets_.get(proto.common_config(), kind_, common, violations);
    if (violations.size() != mistakes) {
      return nullptr;
    }
    return std::make_shared<const GrpcLogger<make>>(std::move(target), std::move(fields), std::move(filter));
  }

 private:
  GrpcLogTargets& targets_;
  const absl::string_view kind_;
};

}  // namespace

GrpcLoggerKinds::GrpcLoggerKinds(const GrpcLoggerServices& services)
    : targets_(std::make_unique<GrpcLogTargets>(services)),
      http_(std::make_unique<GrpcLoggerKind<HttpGrpcAccessLogConfig, makeHttpEntry>>(*targets_, "http")),
      tcp_(std::make_unique<GrpcLoggerKind<TcpGrpcAccessLogConfig, makeTcpEntry>>(*targets_, "tcp")) {}

GrpcLoggerKinds::~GrpcLoggerKinds() = default;

}  // namespace sluice::filters
