#include "source/config/support_text.h"

namespace sluice::config {
namespace {

constexpr char kText[] =
#include "source/config/support_text.inc"
    ;

}  // namespace

absl::string_view supportText() { return {kText, sizeof(kText) - 1}; }

}  // namespace sluice::config
