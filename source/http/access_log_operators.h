#pragma once

#include <cstdint>
#include <optional>

#include "source/access_log/operators.h"

namespace sluice::http {

/** Adds the operators that look at requests, in place of those that a connection has under the same names. */
void addAccessLogOperators(access_log::OperatorTable& table);

/** Every operator that there is. */
access_log::OperatorTable accessLogOperators();

/**
 * A request's gRPC status: the trailers', else the headers', else what the response code stands for; nothing while there is
 * no response.
 */
std::optional<uint32_t> grpcStatus(const StreamInfo& info);

// The parts of addAccessLogOperators(), each in a file of its own.

void addHeaderOperators(access_log::OperatorTable& table);
void addTimingOperators(access_log::OperatorTable& table);

}  // namespace sluice::http
