#include "source/admin/listeners_page.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "envoy/admin/v3/listeners.pb.h"

#include "source/admin/json_list.h"
#include "source/admin/main_body.h"
#include "source/admin/proto_values.h"

namespace sluice::admin {
namespace {

struct Item {
  std::string name;
  std::vector<net::Address> addresses;
};

class TextRenderer : public Renderer<Item> {
 public:
  bool render(Item& item, std::string& out) override {
    for (const net::Address& address : item.addresses) {
      absl::StrAppend(&out, item.name, "::", address.toString(), "\n");
    }
    return true;
  }
};

class JsonRenderer : public Renderer<Item> {
 public:
  explicit JsonRenderer(JsonPrinter& printer) : printer_(printer) {}

  bool render(Item& item, std::string& out) override {
    envoy::admin::v3::ListenerStatus status;
    status.set_name(item.name);
    for (size_t i = 0; i < item.addresses.size(); ++i) {
      toProto(item.addresses[i], i == 0 ? *status.mutable_local_address() : *status.add_additional_local_addresses());
    }
    list_.next(out);
    printer_.append(status, JsonList::kElementIndent, out);
    return true;
  }
  void end(std::string& out) override { list_.end(out); }

 private:
  JsonPrinter& printer_;
  JsonList list_{"listener_statuses"};
};

/** On main. */
class Source {
 public:
  explicit Source(const MainViews& views) : views_(&views) {}

  bool operator()(const SliceBudget& budget, MainBody<Item>::Items& items) {
    if (!begun_) {
      begun_ = true;
      names_ = views_->listener_names();
    }
    while (at_ < names_.size() && !budget.over()) {
      const std::optional<listener::ListenerView> view = views_->listener(names_[at_++]);
      if (view.has_value() && view->active.has_value()) {
        items.push_back({view->name, view->addresses});
      }
    }
    return at_ < names_.size();
  }

 private:
  const MainViews* views_;
  bool begun_ = false;
  std::vector<std::string> names_;
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Body> makeListenersBody(MainCaller& main, const MainViews& views, JsonPrinter& printer, bool json) {
  std::unique_ptr<Renderer<Item>> renderer;
  if (json) {
    renderer = std::make_unique<JsonRenderer>(printer);
  } else {
    renderer = std::make_unique<TextRenderer>();
  }
  return std::make_unique<MainBody<Item>>(main, Source(views), std::move(renderer));
}

}  // namespace sluice::admin
