#pragma once

namespace sluice::access_log {
class OperatorTable;
}
namespace sluice::runtime {
class Snapshot;
}

namespace sluice::filters {

/** What filters' messages are read with. Both outlive what is made of them. */
struct ConfigTools {
  const runtime::Snapshot& runtime;
  const access_log::OperatorTable& operators;
};

}  // namespace sluice::filters
