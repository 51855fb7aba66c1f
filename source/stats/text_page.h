#pragma once

#include <memory>
#include <string>

#include "source/stats/page.h"

namespace sluice::stats {

/** The three parts of a page that is in order of names, one after the other: texts, numbers, histograms. */
class PagePhases {
 public:
  PagePhases(std::shared_ptr<StoreState> state, const PageOptions& options);

  /** As StatCursor::next(), through all the parts. */
  StatCursor::Result next(StatValue& value);
  /** Whether the page's types include this one. */
  bool shows(StatType type) const;

 private:
  bool startPhase();

  const std::shared_ptr<StoreState> state_;
  const std::vector<StatType> types_;
  const Selection selection_;
  int phase_ = 0;
  std::unique_ptr<StatCursor> cursor_;
};

/** /stats as lines of "name: value". */
class TextPage : public Page {
 public:
  TextPage(const Store& store, PageOptions options);
  bool next(std::string& out) override;
  absl::string_view contentType() const override { return "text/plain; charset=UTF-8"; }

 private:
  void append(const StatValue& value, std::string& out) const;

  const std::shared_ptr<StoreState> state_;
  const PageOptions::Buckets buckets_;
  PagePhases phases_;
};

}  // namespace sluice::stats
