#include "source/tls/ocsp_staple.h"

#include <memory>
#include <utility>

#include <openssl/ocsp.h>

#include "source/tls/certificate_details.h"

namespace sluice::tls {
namespace {

using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, FreeWith<OCSP_RESPONSE_free>>;
using BasicPtr = std::unique_ptr<OCSP_BASICRESP, FreeWith<OCSP_BASICRESP_free>>;

}  // namespace

absl::StatusOr<OcspStaple> OcspStaple::create(std::string der, const X509& certificate) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const ResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  if (response == nullptr) {
    return absl::InvalidArgumentError("not a DER-encoded OCSP response");
  }
  if (OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return absl::InvalidArgumentError("the OCSP response was unsuccessful");
  }
  const BasicPtr basic(OCSP_response_get1_basic(response.get()));
  if (basic == nullptr) {
    return absl::InvalidArgumentError("the OCSP response is not of the basic type");
  }
  if (OCSP_resp_count(basic.get()) != 1) {
    return absl::InvalidArgumentError("the OCSP response must be for one certificate only");
  }
  OCSP_SINGLERESP* single = OCSP_resp_get0(basic.get(), 0);
  ASN1_INTEGER* serial = nullptr;
  OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single)));
  if (serial == nullptr || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(&certificate)) != 0) {
    return absl::InvalidArgumentError("the OCSP response does not match its TLS certificate");
  }
  ASN1_GENERALIZEDTIME* this_update = nullptr;
  ASN1_GENERALIZEDTIME* next_update = nullptr;
  OCSP_single_get0_status(single, nullptr, nullptr, &this_update, &next_update);
  OcspStaple staple;
  staple.this_update_ = systemTime(this_update);
  staple.next_update_ = next_update == nullptr ? base::SystemTime::max() : systemTime(next_update);
  staple.der_ = std::move(der);
  return staple;
}

}  // namespace sluice::tls
