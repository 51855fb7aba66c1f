// Signatures of JSON Web Tokens.

#include "source/filters/http/jwt_keys.h"

#include <string>

#include <gtest/gtest.h>

#include "test/filters/services/jwt_signer.h"

namespace sluice::filters {
namespace {

std::shared_ptr<const JwtKeys> keys(const std::string& text) {
  JwtStatus status = JwtStatus::Ok;
  auto parsed = JwtKeys::parse(text, status);
  EXPECT_NE(nullptr, parsed) << jwtStatusText(status);
  return parsed;
}

JwtStatus verify(const JwtKeys& keys, const std::string& text) {
  JwtToken token;
  const JwtStatus status = token.parse(text);
  return status == JwtStatus::Ok ? keys.verify(token) : status;
}

class JwtAlgorithms : public testing::TestWithParam<const char*> {};

TEST_P(JwtAlgorithms, VerifyWhatTheKeySignedAndNothingElse) {
  const test::JwtSigner signer(GetParam());
  const test::JwtSigner other(GetParam());
  const std::string good = signer.token(R"({"sub":"me"})");
  for (const bool with_alg : {true, false}) {
    const auto set = keys(test::keySet({&signer}, with_alg));
    EXPECT_EQ(JwtStatus::Ok, verify(*set, good));
    std::string changed = good;
    changed[good.find('.') + 3] ^= 1;
    EXPECT_NE(JwtStatus::Ok, verify(*set, changed));
  }
  if (std::string(GetParam()).substr(0, 2) != "HS") {
    EXPECT_EQ(JwtStatus::VerificationFails, verify(*keys(test::keySet({&other})), good));
    EXPECT_EQ(JwtStatus::Ok, verify(*keys(test::keySet({&other, &signer})), good));
  }
}
INSTANTIATE_TEST_SUITE_P(All, JwtAlgorithms,
                         testing::Values("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
                                         "ES512", "EdDSA", "HS256", "HS384", "HS512"));

// RFC 7515, appendix A.1 and A.3.
TEST(JwtKeysTest, VerifyTheExamplesOfTheRfc) {
  const std::string payload =
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  const auto secret = keys(
      R"({"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]})");
  EXPECT_EQ(JwtStatus::Ok, verify(*secret, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + payload +
                                               ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
  const auto curve = keys(
      R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
  EXPECT_EQ(
      JwtStatus::Ok,
      verify(*curve, "eyJhbGciOiJFUzI1NiJ9." + payload +
                         ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"));
}

TEST(JwtKeysTest, ChooseByKeyIdAndAlgorithm) {
  const test::JwtSigner a("RS256", "a");
  const test::JwtSigner b("RS256", "b");
  const test::JwtSigner secret("HS256");
  const auto set = keys(test::keySet({&a, &b}));
  EXPECT_EQ(JwtStatus::Ok, verify(*set, b.token("{}")));
  EXPECT_EQ(JwtStatus::NoMatchingKey, verify(*keys(test::keySet({&a})), b.token("{}")));
  // A public key is never taken for a secret.
  EXPECT_EQ(JwtStatus::NoMatchingKey, verify(*keys(test::keySet({&a}, false)), secret.token("{}")));
}

TEST(JwtKeysTest, TellWhyASetIsOfNoUse) {
  JwtStatus status = JwtStatus::Ok;
  EXPECT_EQ(nullptr, JwtKeys::parse("not json", status));
  EXPECT_EQ("Jwks is an invalid JSON", jwtStatusText(status));
  EXPECT_EQ(nullptr, JwtKeys::parse("{}", status));
  EXPECT_EQ("Jwks does not have [keys] field", jwtStatusText(status));
  EXPECT_EQ(nullptr, JwtKeys::parse(R"({"keys":1})", status));
  EXPECT_EQ("[keys] in Jwks is not an array", jwtStatusText(status));
  EXPECT_EQ(nullptr,
            JwtKeys::parse(R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256"}]})", status));
  EXPECT_EQ("Jwks doesn't have any valid public key", jwtStatusText(status));
}

TEST(JwtTokenTest, TellsWhatIsWrong) {
  const auto b = test::base64Url;
  const auto text = [](const std::string& token) { return std::string(jwtStatusText(JwtToken().parse(token))); };
  const std::string header = b(R"({"alg":"RS256"})");
  EXPECT_EQ("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections", text("a.b"));
  EXPECT_EQ("Jwt header is an invalid Base64url encoded", text("*.b.c"));
  EXPECT_EQ("Jwt header is an invalid JSON", text(b("x") + ".b.c"));
  EXPECT_EQ("Jwt header [alg] field is required and must be a string", text(b("{}") + ".b.c"));
  EXPECT_EQ("Jwt header [alg] is not supported", text(b(R"({"alg":"none"})") + ".b.c"));
  EXPECT_EQ("Jwt header [kid] field is not a string", text(b(R"({"alg":"RS256","kid":1})") + ".b.c"));
  EXPECT_EQ("Jwt payload is an invalid JSON", text(header + "." + b("x") + ".c"));
  EXPECT_EQ("Jwt payload [iss] field is not a string", text(header + "." + b(R"({"iss":1})") + ".c"));
  EXPECT_EQ("Jwt payload [exp] field is not an integer", text(header + "." + b(R"({"exp":"1"})") + ".c"));
  EXPECT_EQ("Jwt payload [exp] field is not a positive 64 bit integer", text(header + "." + b(R"({"exp":-1})") + ".c"));
  EXPECT_EQ("Jwt payload [aud] field is not a string or string list", text(header + "." + b(R"({"aud":[1]})") + ".c"));
  EXPECT_EQ("Jwt signature is an invalid Base64url encoded", text(header + "." + b("{}") + ".*"));
}

TEST(JwtTokenTest, KnowsItsTime) {
  JwtToken token;
  token.nbf = 1000;
  token.exp = 2000;
  EXPECT_EQ(JwtStatus::NotYetValid, token.checkTime(989, 10));
  EXPECT_EQ(JwtStatus::Ok, token.checkTime(990, 10));
  EXPECT_EQ(JwtStatus::Ok, token.checkTime(2010, 10));
  EXPECT_EQ(JwtStatus::Expired, token.checkTime(2011, 10));
}

}  // namespace
}  // namespace sluice::filters
