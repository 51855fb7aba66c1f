#pragma once

#include <vector>

#include "source/filters/http/ext_authz_service.h"
#include "source/http/header_map.h"

namespace sluice::filters {

/** Whether all names and values that a service sent may be put into a message. */
bool validAuthzAnswer(const AuthzAnswer& answer);

/** A field that could not be sent is left out. */
void applyAuthzHeader(const AuthzHeader& header, http::HeaderMap& headers);

/** Makes the request what the answer says that it is to be; whether anything of it was changed. */
bool applyAuthzAnswer(const AuthzAnswer& answer, http::HeaderMap& request);

/** Headers of a reply to a request that is denied: those that are overwritten may come several times. */
void applyAuthzReply(const std::vector<AuthzHeader>& headers, http::HeaderMap& response);

}  // namespace sluice::filters
