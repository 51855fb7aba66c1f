#pragma once

#include <memory>
#include <string>

#include "source/stats/page.h"
#include "source/stats/text_page.h"

namespace sluice::stats {

/** /stats?format=json: {"stats":[{"name":…,"value":…},…,{"histograms":…}]}. */
class JsonPage : public Page {
 public:
  JsonPage(const Store& store, PageOptions options);
  bool next(std::string& out) override;
  absl::string_view contentType() const override { return "application/json"; }

 private:
  void append(const StatValue& value, std::string& out);
  void appendHistogram(const StatValue& value, std::string& out) const;
  void openHistograms(std::string& out);
  void appendBuckets(const StatValue& value, std::string& out) const;

  const std::shared_ptr<StoreState> state_;
  const PageOptions::Buckets buckets_;
  PagePhases phases_;
  bool started_ = false;
  bool first_ = true;
  bool in_histograms_ = false;
};

}  // namespace sluice::stats
