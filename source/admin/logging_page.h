#pragma once

#include <string>

#include "source/admin/request.h"

namespace sluice::admin {

struct LoggingAnswer {
  int status = 200;
  std::string text;
};

/** /logging: changes levels as the parameters say, all of it or nothing, and lists them. Any thread. */
LoggingAnswer changeLogLevels(const Request& request);

}  // namespace sluice::admin
