#pragma once

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace sluice::stats {

/** What a rule found: the part of the name that goes, and the part of it that is the value. */
struct TagMatch {
  size_t remove_begin;
  size_t remove_end;
  absl::string_view value;
};

/**
 * A default tag and the names that carry it, as a pattern over the tokens between their dots:
 *   *      any one token          **     any number of tokens, none included, or at the end at least one
 *   $      the value              $$     the value, one token or more
 *   $w     the value are the digits of "worker_<digits>"
 *   $p     the value are the 7 characters after "__partition_id="
 *   $v     the value is the digit of "v<digit>", and this token and the one before it ("versions") go
 *   $n     the value; the token before it ("name") goes with it
 *   _$     this token ends in "_rq_" and three digits, which are the value; "_" and the digits go
 *   _$xx   this token ends in "_rq_", a digit and "xx"; the digit is the value and goes
 *   a|b    one of these
 * A listener's address (127.0.0.1_80) is one token in spite of its dots.
 */
struct DefaultTag {
  absl::string_view name;
  absl::string_view pattern;
  /** A value with which the rule does not count. */
  absl::string_view except = {};
};

/** In the order in which Envoy lists them on a series. A name may match several rules; of one tag's, the first counts. */
absl::Span<const DefaultTag> defaultTags();

/** A name in its tokens, made once for all the rules. */
std::vector<absl::string_view> tokenize(absl::string_view name);

/** Whether names that begin with this character may match: few rules do for any one. */
bool mayBegin(const DefaultTag& tag, char first);

/** Whether the rule fits these tokens of `name`. */
bool matchDefaultTag(const DefaultTag& tag, absl::string_view name, absl::Span<const absl::string_view> tokens,
                     TagMatch& match);

}  // namespace sluice::stats
