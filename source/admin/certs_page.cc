#include "source/admin/certs_page.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "envoy/admin/v3/certs.pb.h"
#include "openssl/x509v3.h"

#include "source/admin/json_list.h"
#include "source/admin/main_body.h"
#include "source/admin/proto_values.h"
#include "source/tls/certificate_details.h"

namespace sluice::admin {
namespace {

using envoy::admin::v3::CertificateDetails;

/** Envoy's page has a Certificate for each context; "item" here, as its name is taken. */
using Item = envoy::admin::v3::Certificate;

uint64_t daysUntil(base::SystemTime expires, base::SystemTime now) {
  const auto left = std::chrono::duration_cast<std::chrono::hours>(expires - now).count() / 24;
  return static_cast<uint64_t>(std::max<int64_t>(left, 0));
}

void describe(const X509& certificate, const std::string& path, base::SystemTime now, CertificateDetails& out) {
  out.set_path(path);
  out.set_serial_number(tls::serialText(certificate));
  for (const tls::SubjectAltName& name : tls::subjectAltNames(certificate)) {
    if (name.type == GEN_DNS) {
      out.add_subject_alt_names()->set_dns(name.value);
    } else if (name.type == GEN_URI) {
      out.add_subject_alt_names()->set_uri(name.value);
    } else if (name.type == GEN_IPADD) {
      out.add_subject_alt_names()->set_ip_address(name.value);
    }
  }
  const base::SystemTime expires = tls::systemTime(X509_get0_notAfter(&certificate));
  out.set_days_until_expiration(daysUntil(expires, now));
  toProto(tls::systemTime(X509_get0_notBefore(&certificate)), *out.mutable_valid_from());
  toProto(expires, *out.mutable_expiration_time());
}

Item describe(const tls::Certificate& certificate, base::SystemTime now) {
  Item item;
  describe(certificate.leaf(), certificate.location(), now, *item.add_cert_chain());
  if (certificate.ocspStaple().has_value()) {
    auto& ocsp = *item.mutable_cert_chain(0)->mutable_ocsp_details();
    toProto(certificate.ocspStaple()->thisUpdate(), *ocsp.mutable_valid_from());
    // A response without an end is good until the next one.
    if (certificate.ocspStaple()->nextUpdate() < base::SystemTime::max()) {
      toProto(certificate.ocspStaple()->nextUpdate(), *ocsp.mutable_expiration());
    }
  }
  for (int i = 0; i < sk_X509_num(certificate.intermediates()); ++i) {
    describe(*sk_X509_value(certificate.intermediates(), i), certificate.location(), now, *item.add_cert_chain());
  }
  return item;
}

Item describe(const tls::ValidationContext& validation, base::SystemTime now) {
  Item item;
  for (const X509* authority : validation.authorities()) {
    describe(*authority, validation.location(), now, *item.add_ca_cert());
  }
  return item;
}

class JsonRenderer : public Renderer<Item> {
 public:
  explicit JsonRenderer(JsonPrinter& printer) : printer_(printer) {}

  bool render(Item& item, std::string& out) override {
    empty_ = false;
    list_.next(out);
    printer_.append(item, JsonList::kElementIndent, out, JsonPrinter::Defaults::Shown);
    return true;
  }
  void end(std::string& out) override {
    if (empty_) {
      out += "{\n \"certificates\": []\n}\n";
    } else {
      list_.end(out);
    }
  }

 private:
  JsonPrinter& printer_;
  JsonList list_{"certificates"};
  bool empty_ = true;
};

/** On main. */
class Source {
 public:
  Source(const MainViews& views, const base::Clock& clock) : views_(&views), clock_(&clock) {}

  bool operator()(const SliceBudget& budget, MainBody<Item>::Items& items) {
    if (!certificates_done_) {
      certificates_done_ = fill(views_->visit_certificates, budget, items);
      if (!certificates_done_ || budget.over()) {
        return true;
      }
    }
    return !fill(views_->visit_validations, budget, items);
  }

 private:
  /** Until the budget is over; true when all were seen. */
  template <class Content>
  bool fill(const std::function<void(const config::ContentKey*, const MainViews::ContentVisitor<Content>&)>& visit,
            const SliceBudget& budget, MainBody<Item>::Items& items) {
    bool complete = true;
    if (visit != nullptr) {
      const std::optional<config::ContentKey> after = after_;
      visit(after.has_value() ? &*after : nullptr, [&](const config::ContentKey& key, const Content& content) {
        if (budget.over() && !items.empty()) {
          complete = false;
          return false;
        }
        Item item = describe(content, clock_->systemNow());
        // A context may have nothing but hashes.
        if (item.cert_chain_size() + item.ca_cert_size() > 0) {
          items.push_back(std::move(item));
        }
        after_ = key;
        return true;
      });
    }
    if (complete) {
      after_.reset();
    }
    return complete;
  }

  const MainViews* views_;
  const base::Clock* clock_;
  std::optional<config::ContentKey> after_;
  bool certificates_done_ = false;
};

}  // namespace

std::unique_ptr<Body> makeCertsBody(MainCaller& main, const MainViews& views, JsonPrinter& printer,
                                    const base::Clock& clock) {
  return std::make_unique<MainBody<Item>>(main, Source(views, clock), std::make_unique<JsonRenderer>(printer));
}

}  // namespace sluice::admin
