#include "source/access_log/format.h"

#include <chrono>
#include <string>

#include "gtest/gtest.h"

#include "test/support/fake_tls_info.h"

namespace sluice::access_log {
namespace {

using std::chrono::milliseconds;

class FormatTest : public testing::Test {
 protected:
  FormatTest() {
    info_.start_time = base::SystemTime(milliseconds(1'522'796'769'123));
    info_.start_monotonic = base::MonotonicTime(milliseconds(1000));
    info_.end_monotonic = base::MonotonicTime(milliseconds(1042));
    info_.connection_id = 7;
    info_.bytes_received = 11;
    info_.bytes_sent = 22;
    info_.downstream_remote = net::Address::ip("10.1.2.3", 1111).value();
    info_.downstream_direct_remote = net::Address::ip("::1", 2222).value();
    info_.downstream_local = net::Address::pipe("/run/x.sock").value();
  }

  std::string print(absl::string_view text, bool omit_empty = false) {
    const auto format = Format::parse(text, table_, omit_empty);
    if (!format.ok()) {
      return std::string(format.status().message());
    }
    std::string out;
    format->append({info_, LogType::TcpConnectionEnd}, out);
    return out;
  }

  OperatorTable table_;
  net::StreamInfo info_;
};

TEST_F(FormatTest, WritesLiteralsAndPercentSigns) { EXPECT_EQ(print("100%% of a\tline\n"), "100% of a\tline\n"); }

TEST_F(FormatTest, WritesTheConnection) {
  EXPECT_EQ(print("%CONNECTION_ID% %BYTES_RECEIVED%/%BYTES_SENT% %DURATION% %ACCESS_LOG_TYPE%"),
            "7 11/22 42 TcpConnectionEnd");
}

TEST_F(FormatTest, WritesAddressesWithAndWithoutPorts) {
  EXPECT_EQ(print("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%"),
            "10.1.2.3:1111 10.1.2.3 1111");
  EXPECT_EQ(print("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"), "[::1]:2222");
  EXPECT_EQ(print("%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_PORT%"), "/run/x.sock -");
  info_.restoreLocal(net::Address::ip("10.9.9.9", 99).value());
  info_.restoreLocal(net::Address::ip("10.8.8.8", 88).value());
  EXPECT_EQ(print("%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_PORT%"),
            "10.8.8.8:88 /run/x.sock -");
  net::StreamInfo stream;
  stream.of_connection = &info_;
  EXPECT_EQ(stream.directLocal().toString(), "/run/x.sock");
}

TEST_F(FormatTest, WritesAHostNameThatIsNoneHarmlessly) {
  EXPECT_EQ(print("%REQUESTED_SERVER_NAME%"), "-");
  info_.makeExtras().requested_server_name = "a-b_1.test";
  EXPECT_EQ(print("%REQUESTED_SERVER_NAME%"), "a-b_1.test");
  info_.makeExtras().requested_server_name = "a\n\"b\"/";
  EXPECT_EQ(print("%REQUESTED_SERVER_NAME%"), "invalid:a__b__");
}

TEST_F(FormatTest, WritesWhatTlsSays) {
  constexpr absl::string_view kDown =
      "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %DOWNSTREAM_TLS_GROUP% %DOWNSTREAM_TLS_SESSION_ID% "
      "%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_LOCAL_DNS_SAN% %DOWNSTREAM_PEER_CERT_V_START% "
      "%DOWNSTREAM_PEER_CERT_V_END(%Y)% %DOWNSTREAM_PEER_CHAIN_SERIALS% %DOWNSTREAM_PEER_ISSUER_SERIAL% "
      "%DOWNSTREAM_HANDSHAKE_DURATION%";
  EXPECT_EQ(print(kDown), "- - - - - - - - - - - -");
  test::FakeTlsInfo tls;
  info_.downstream_tls = &tls;
  info_.downstream_handshake_complete = base::MonotonicTime(milliseconds(1005));
  EXPECT_EQ(print(kDown), "TLSv1.3 TLS_AES_128_GCM_SHA256 X25519 abcd - - - - - - - 5");
  net::CertificateDetails& peer = tls.peer_certificate.emplace();
  peer.subject = "CN=me";
  peer.uri_sans = {"spiffe://a", "spiffe://b"};
  peer.valid_from = info_.start_time;
  peer.expires = info_.start_time;
  peer.chain_serials = {"01", "02"};
  tls.local_certificate.emplace().dns_sans = {"x.test"};
  EXPECT_EQ(print(kDown),
            "TLSv1.3 TLS_AES_128_GCM_SHA256 X25519 abcd CN=me spiffe://a,spiffe://b x.test 2018-04-03T23:06:09.123Z "
            "2018 01,02 02 5");
}

TEST_F(FormatTest, WritesWhatTlsSaysOfTheUpstream) {
  constexpr absl::string_view kUp = "%UPSTREAM_TLS_VERSION% %UPSTREAM_SERVER_NAME% %UPSTREAM_PEER_DNS_SAN%";
  info_.upstream = std::make_unique<net::UpstreamInfo>();
  EXPECT_EQ(print(kUp), "- - -");
  auto tls = std::make_shared<test::FakeTlsInfo>();
  tls->peer_certificate.emplace().dns_sans = {"a.test", "b.test"};
  info_.upstream->tls = tls;
  EXPECT_EQ(print(kUp), "TLSv1.3 x.test a.test,b.test");
}

TEST_F(FormatTest, WritesHowTheConnectionEnded) {
  EXPECT_EQ(print("%DOWNSTREAM_DETECTED_CLOSE_TYPE% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%"), "Normal -");
  info_.makeExtras().detected_close = net::DetectedClose::RemoteReset;
  info_.makeExtras().transport_failure_reason = "TLS error: no shared cipher";
  EXPECT_EQ(print("%DOWNSTREAM_DETECTED_CLOSE_TYPE% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%"),
            "RemoteReset TLS_error:_no_shared_cipher");
}

TEST_F(FormatTest, WritesFingerprints) {
  EXPECT_EQ(print("%TLS_JA3_FINGERPRINT% %TLS_JA4_FINGERPRINT%"), "- -");
  info_.makeExtras().ja3 = "three";
  info_.extras->ja4 = "four";
  EXPECT_EQ(print("%TLS_JA3_FINGERPRINT% %TLS_JA4_FINGERPRINT%"), "three four");
}

TEST_F(FormatTest, WritesADashOrNothingWhereThereIsNoValue) {
  EXPECT_EQ(print("[%UPSTREAM_HOST%] [%REQ(:METHOD)%]"), "[-] [-]");
  EXPECT_EQ(print("[%UPSTREAM_HOST%]", true), "[]");
}

TEST_F(FormatTest, WritesTheUpstream) {
  info_.upstream = std::make_unique<net::UpstreamInfo>();
  info_.upstream->cluster_name = std::make_shared<const std::string>("be");
  info_.upstream->host = net::Address::ip("10.0.0.1", 80).value();
  info_.upstream->attempts = 2;
  EXPECT_EQ(print("%UPSTREAM_CLUSTER% %UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT%"), "be 10.0.0.1:80 2");
  info_.upstream->cluster_alt_stat_name = std::make_shared<const std::string>("alt");
  EXPECT_EQ(print("%UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW%"), "alt be");
  info_.upstream->transport_failure_reason = "delayed connect error: Connection refused";
  EXPECT_EQ(print("%UPSTREAM_TRANSPORT_FAILURE_REASON%"), "delayed_connect_error:_Connection_refused");
}

TEST_F(FormatTest, WritesResponseFlags) {
  EXPECT_EQ(print("%RESPONSE_FLAGS%"), "-");
  info_.response_flags =
      net::response_flag::kUpstreamConnectionFailure | net::response_flag::kUpstreamRetryLimitExceeded;
  EXPECT_EQ(print("%RESPONSE_FLAGS%"), "UF,URX");
  EXPECT_EQ(print("%RESPONSE_FLAGS_LONG%"), "UpstreamConnectionFailure,UpstreamRetryLimitExceeded");
}

TEST_F(FormatTest, WritesTimesInAnyFormat) {
  EXPECT_EQ(print("%START_TIME%"), "2018-04-03T23:06:09.123Z");
  EXPECT_EQ(print("%START_TIME(%Y/%m/%dT%H:%M:%S.%3f)%"), "2018/04/03T23:06:09.123");
  EXPECT_EQ(print("%START_TIME(%s.%6f)%"), "1522796769.123000");
}

TEST_F(FormatTest, KnowsEveryFormOfTheSecond) {
  EXPECT_EQ(print("%START_TIME(%S.%f|%1f|%9f|%E3S|%E6f|%E*S|%E*f|%Ez|%z|%Z|%e|%j|%a|%s)%"),
            "09.123000000|1|123000000|09.123|123000|09.123|123|+00:00|+0000|UTC| 3|093|Tue|1522796769");
  info_.start_time = base::SystemTime(std::chrono::seconds(1'522'796'769));
  EXPECT_EQ(print("%START_TIME(%E*S %E*f)% %START_TIME%"), "09 0 2018-04-03T23:06:09.000Z");
}

TEST_F(FormatTest, MasksAddresses) {
  EXPECT_EQ(print("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(15)%"),
            "10.1.0.0/16 10.0.0.0/15");
  EXPECT_EQ(print("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(0)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(33)%"),
            "0.0.0.0/0 -");
  info_.downstream_remote = net::Address::ip("2001:db8:1234:5678:9abc:def0:1234:5678", 1).value();
  EXPECT_EQ(print("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(64)%"), "2001:db8:1234:5678::/64");
}

TEST_F(FormatTest, ListsAllAttempts) {
  info_.upstream = std::make_unique<net::UpstreamInfo>();
  info_.upstream->host = net::Address::ip("10.0.0.2", 80).value();
  info_.upstream->connection_id = 6;
  EXPECT_EQ(print("%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_CONNECTION_IDS_ATTEMPTED%"), "10.0.0.2:80 6");
  info_.upstream->earlier_attempts.push_back(
      {net::Address::ip("10.0.0.1", 80).value(), std::make_shared<const std::string>("one"), 5});
  EXPECT_EQ(print("%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT% "
                  "%UPSTREAM_CONNECTION_IDS_ATTEMPTED%"),
            "10.0.0.1:80,10.0.0.2:80 one,10.0.0.2 5,6");
}

TEST_F(FormatTest, GivesAStreamOneIdAndAValueAnother) {
  const std::string id = print("%STREAM_ID%");
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(id, print("%STREAM_ID%"));
  EXPECT_NE(print("%UNIQUE_ID%"), print("%UNIQUE_ID%"));
  info_.connection_id = 8;
  EXPECT_NE(id, print("%STREAM_ID%"));
}

TEST_F(FormatTest, PrintsFilterState) {
  EXPECT_EQ(print("%FILTER_STATE(k)%"), "-");
  ASSERT_TRUE(info_.makeExtras().filter_state.set("k", std::make_shared<const net::TextFilterState>("va\"lue")));
  EXPECT_EQ(print("%FILTER_STATE(k)% %FILTER_STATE(k:PLAIN)% %FILTER_STATE(k):3% %FILTER_STATE(k:FIELD:x)%"),
            "\"va\\\"lue\" va\"lue \"va -");
}

TEST_F(FormatTest, TakesTheFirstThatHasAValue) {
  EXPECT_EQ(print(R"([%COALESCE({"operators": ["UPSTREAM_HOST", {"command": "CONNECTION_ID"}]})%])"), "[7]");
  EXPECT_EQ(print(R"([%COALESCE({"operators": ["UPSTREAM_HOST", "CUSTOM_FLAGS"]})%])"), "[-]");
  EXPECT_EQ(print(R"(%COALESCE({"operators": [{"command": "DOWNSTREAM_REMOTE_ADDRESS", "max_length": 4}]})%)"), "10.1");
  EXPECT_EQ(print("%COALESCE({})%"), "at character 1: the argument has no list of 'operators'");
  EXPECT_EQ(print(R"(%COALESCE({"operators": ["NOPE"]})%)"),
            "at character 1: operators[0]: there is no operator %NOPE%");
}

TEST_F(FormatTest, WritesAnEmptyValueAsNothing) { EXPECT_EQ(print("[%CUSTOM_FLAGS%]"), "[]"); }

TEST_F(FormatTest, CutsValues) { EXPECT_EQ(print("%DOWNSTREAM_REMOTE_ADDRESS:4%|%REQ(X-A):3%"), "10.1|-"); }

TEST_F(FormatTest, ReadsTheEnvironmentOnce) {
  ASSERT_EQ(setenv("SLUICE_FORMAT_TEST", "value", 1), 0);
  const auto format = Format::parse("%ENVIRONMENT(SLUICE_FORMAT_TEST)%", table_, false);
  ASSERT_TRUE(format.ok());
  ASSERT_EQ(unsetenv("SLUICE_FORMAT_TEST"), 0);
  std::string out;
  format->append({info_, LogType::NotSet}, out);
  EXPECT_EQ(out, "value");
}

TEST_F(FormatTest, RefusesWhatItCannotRead) {
  EXPECT_EQ(print("a %BYTES_SEND%"), "at character 3: there is no operator %BYTES_SEND% (did you mean 'BYTES_SENT'?)");
  EXPECT_EQ(print("%BYTES_SENT"), "at character 1: an operator has no closing '%'");
  EXPECT_EQ(print("%REQ%"), "at character 1: the operator %REQ% needs an argument");
  EXPECT_EQ(print("%BYTES_SENT(x)%"), "at character 12: the operator %BYTES_SENT% takes no argument");
  EXPECT_EQ(print("%REQ(x%"), "at character 5: an argument has no closing ')'");
  EXPECT_EQ(print("%REQ(x):y%"), "at character 8: after ':' comes a length");
  EXPECT_EQ(print("%CEL(x)%"), "at character 1: the operator %CEL% is not supported: there is no CEL engine");
  EXPECT_EQ(print("%REQ()%"), "at character 1: the operator %REQ% needs an argument");
  EXPECT_EQ(print("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%"),
            "at character 1: 'x' is no length of a prefix: 0 to 128");
  EXPECT_EQ(print("%FILTER_STATE(a:X)%"), "at character 1: 'X' is none of PLAIN, TYPED and FIELD");
  EXPECT_EQ(print("%START_TIME(%n)%"), "at character 1: a time format holds no line break or tabulator");
}

TEST(OperatorTableTest, AddedOperatorsReplaceThoseBefore) {
  OperatorTable table;
  table.add(
      {"PROTOCOL", Argument::None, "Of a request", [](const LogContext&, const PreparedArgument&, std::string& out) {
         out += "HTTP/1.1";
         return true;
       }});
  const auto format = Format::parse("%PROTOCOL%", table, false);
  ASSERT_TRUE(format.ok());
  net::StreamInfo info;
  std::string out;
  format->append({info}, out);
  EXPECT_EQ(out, "HTTP/1.1");
}

TEST(OperatorTableTest, IsSortedWithEveryNameOnce) {
  const OperatorTable table;
  for (size_t i = 1; i < table.all().size(); ++i) {
    EXPECT_LT(table.all()[i - 1].name, table.all()[i].name);
  }
  EXPECT_EQ(table.find("NO_SUCH"), nullptr);
}

}  // namespace
}  // namespace sluice::access_log
