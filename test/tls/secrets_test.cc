#include "source/tls/secrets.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "source/stats/store.h"
#include "source/tls/certificate_details.h"
#include "source/tls/pem.h"
#include "test/support/certificates.h"

namespace sluice::tls {
namespace {

using SecretProto = Secrets::SecretProto;
using ::testing::HasSubstr;

class FakeSubscriptions final : public xds::SubscriptionFactory {
 public:
  struct Held : xds::Subscription {
    explicit Held(int& live) : live_(live) { ++live_; }
    ~Held() override { --live_; }
    void setNames(std::set<std::string>) override {}
    int& live_;
  };
  absl::StatusOr<std::unique_ptr<xds::Subscription>> subscribe(const envoy::config::core::v3::ConfigSource& source,
                                                               absl::string_view type_url, std::set<std::string> names,
                                                               absl::string_view stat_prefix,
                                                               xds::ResourceWatcher& of) override {
    if (source.has_self()) {
      return absl::UnimplementedError("no such source");
    }
    EXPECT_EQ(type_url, xds::kSecretType);
    asked.push_back(absl::StrCat(*names.begin(), " ", stat_prefix));
    watcher = &of;
    return std::make_unique<Held>(live);
  }
  std::shared_ptr<void> pause(absl::string_view) override { return nullptr; }

  std::vector<std::string> asked;
  /** Of the last subscription. */
  xds::ResourceWatcher* watcher = nullptr;
  int live = 0;
};

/** A folder whose files are replaced by moves, or written in place. */
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "secretsXXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& content) const { std::ofstream(*this / name) << content; }
  void move(const std::string& name, const std::string& content) const {
    write(name + ".tmp", content);
    std::filesystem::rename(*this / (name + ".tmp"), *this / name);
  }

 private:
  std::string path_;
};

class SecretsTest : public ::testing::Test {
 protected:
  SecretsTest() {
    watcher_ = *xds::FileWatcher::create(main_);
    secrets_ = std::make_unique<Secrets>(main_, *store_.root(), subscriptions_, *watcher_);
  }

  SecretSource::SdsSecretConfig overSds(const std::string& name) {
    SecretSource::SdsSecretConfig config;
    config.set_name(name);
    config.mutable_sds_config()->mutable_ads();
    return config;
  }
  SecretSource::Provider<Certificate> sdsCertificate(const std::string& name) {
    return secrets_->certificate(overSds(name), config::FieldPath("sds"), init_, violations_);
  }
  static SecretProto secretOf(const std::string& name, const test::TestCertificate& certificate) {
    SecretProto secret;
    secret.set_name(name);
    *secret.mutable_tls_certificate() = certificate.config();
    return secret;
  }
  SecretProto secretOfFiles(const std::string& name) {
    SecretProto secret;
    secret.set_name(name);
    secret.mutable_tls_certificate()->mutable_certificate_chain()->set_filename(folder_ / "cert.pem");
    secret.mutable_tls_certificate()->mutable_private_key()->set_filename(folder_ / "key.pem");
    return secret;
  }
  /** The verdict: "" for an ACK. */
  std::string update(const SecretProto& secret, std::string version = "1") {
    xds::Update update;
    update.version = std::move(version);
    xds::Resource resource;
    resource.name = secret.name();
    resource.message = std::make_shared<SecretProto>(secret);
    resource.key = config::contentKeyOf(secret);
    update.resources.push_back(std::move(resource));
    return give(std::move(update));
  }
  std::string give(xds::Update update) {
    std::string verdict = "none";
    subscriptions_.watcher->onUpdate(std::move(update), [&verdict](std::vector<xds::ResourceError> errors) {
      verdict = errors.empty() ? "" : std::string(errors[0].violations.toStatus(errors[0].name).message());
    });
    return verdict;
  }
  template <class Condition>
  bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) {
        return false;
      }
      main_.run(event::Dispatcher::RunType::NonBlock);
    }
    return true;
  }
  static std::string serial(const SecretSource::Provider<Certificate>& provider) {
    return provider->content() == nullptr ? "none" : serialText(provider->content()->leaf());
  }
  void addStatic(const std::vector<SecretProto>& list) {
    google::protobuf::RepeatedPtrField<SecretProto> messages;
    for (const SecretProto& secret : list) {
      *messages.Add() = secret;
    }
    secrets_->addStatic(messages, config::FieldPath("secrets"), violations_);
  }
  uint64_t failedRotations(const std::string& name) {
    return store_.counterValue("sds." + name + ".key_rotation_failed");
  }
  std::vector<SecretView> views() {
    std::vector<SecretView> list;
    std::string after;
    // One at a time, as slices may be.
    for (bool more = true; more;) {
      more = false;
      secrets_->visit(after, [&](const std::string& key, const SecretView& view) {
        after = key;
        list.push_back(view);
        more = true;
        return false;
      });
    }
    return list;
  }

  event::LibeventDispatcher main_{"main_thread"};
  stats::Store store_;
  FakeSubscriptions subscriptions_;
  std::unique_ptr<xds::FileWatcher> watcher_;
  test::TestAuthority authority_;
  test::TestCertificate one_ = authority_.issueFor({"localhost"});
  test::TestCertificate two_ = authority_.issueFor({"localhost"});
  Folder folder_;
  config::Violations violations_;
  xds::InitManager init_{"l"};
  std::unique_ptr<Secrets> secrets_;
};

TEST_F(SecretsTest, InlineOnesThatAreEqualAreOne) {
  const auto a = secrets_->certificate(one_.config(), config::FieldPath("a"), violations_);
  const auto b = secrets_->certificate(one_.config(), config::FieldPath("b"), violations_);
  const auto c = secrets_->certificate(two_.config(), config::FieldPath("c"), violations_);
  ASSERT_TRUE(violations_.empty()) << violations_.toString();
  EXPECT_EQ(a->content(), b->content());
  EXPECT_NE(a->content(), c->content());
  const auto d = sdsCertificate("d");
  EXPECT_EQ(update(secretOf("d", one_)), "");
  EXPECT_EQ(d->content(), a->content());
}

TEST_F(SecretsTest, InlineOnesAreReadAnewFromFilesThatHaveChanged) {
  folder_.write("cert.pem", one_.chain());
  folder_.write("key.pem", one_.key_pem);
  const SecretProto secret = secretOfFiles("x");
  const auto a = secrets_->certificate(secret.tls_certificate(), config::FieldPath("a"), violations_);
  folder_.write("cert.pem", two_.chain());
  folder_.write("key.pem", two_.key_pem);
  config::FilesRead noted;
  const auto b = secrets_->certificate(secret.tls_certificate(), config::FieldPath("b"), violations_);
  EXPECT_EQ(serial(a), one_.serial());
  EXPECT_EQ(serial(b), two_.serial());
  // Whoever asked learns what it depends on.
  EXPECT_FALSE(noted.take().empty());
  const auto c = secrets_->certificate(secret.tls_certificate(), config::FieldPath("c"), violations_);
  EXPECT_EQ(b->content(), c->content());
  EXPECT_FALSE(noted.take().empty());
}

TEST_F(SecretsTest, MistakesOfInlineOnesHaveTheirPath) {
  auto broken = one_.config();
  broken.mutable_private_key()->set_inline_string("junk");
  EXPECT_EQ(secrets_->certificate(broken, config::FieldPath("tls_certificates[0]"), violations_), nullptr);
  EXPECT_THAT(violations_.toString(), HasSubstr("tls_certificates[0].private_key"));
}

TEST_F(SecretsTest, WhoNamesASecretWaitsForIt) {
  const auto provider = sdsCertificate("cert");
  int changes = 0;
  bool warm = false;
  bool sent_first = false;
  const auto handle = provider->onChange([&] {
    ++changes;
    // As contexts are made and sent to the workers.
    main_.post([&] { main_.post([&] { sent_first = !warm; }); });
  });
  init_.initialize([&warm] { warm = true; });
  EXPECT_FALSE(warm);
  ASSERT_EQ(init_.pending().size(), 1u);
  EXPECT_EQ(init_.pending()[0].target, "SdsApi cert");
  EXPECT_EQ(subscriptions_.asked, std::vector<std::string>{"cert sds.cert."});
  EXPECT_EQ(provider->content(), nullptr);
  EXPECT_EQ(update(secretOf("cert", one_)), "");
  EXPECT_TRUE(eventually([&] { return warm; }));
  EXPECT_TRUE(sent_first);
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(serial(provider), one_.serial());
}

TEST_F(SecretsTest, AllWhoNameItShareOneSubscription) {
  auto a = sdsCertificate("cert");
  auto b = sdsCertificate("cert");
  EXPECT_EQ(subscriptions_.asked.size(), 1u);
  EXPECT_EQ(subscriptions_.live, 1);
  auto other = sdsCertificate("other");
  EXPECT_EQ(subscriptions_.live, 2);
  a.reset();
  b.reset();
  other.reset();
  EXPECT_EQ(subscriptions_.live, 0);
  EXPECT_TRUE(views().empty());
  a = sdsCertificate("cert");
  EXPECT_EQ(subscriptions_.live, 1);
}

TEST_F(SecretsTest, ABrokenOneIsRefusedAndTheOldOneStays) {
  const auto provider = sdsCertificate("cert");
  EXPECT_EQ(update(secretOf("cert", one_)), "");
  SecretProto mixed = secretOf("cert", one_);
  mixed.mutable_tls_certificate()->mutable_private_key()->set_inline_string(
      authority_.issueFor({"x"}, test::CertificateRequest::Key::Rsa).key_pem);
  EXPECT_THAT(update(mixed, "2"), HasSubstr("cert: tls_certificate.private_key: private_key does not belong"));
  SecretProto junk = secretOf("cert", one_);
  junk.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_string("junk");
  EXPECT_THAT(update(junk, "3"), HasSubstr("tls_certificate.certificate_chain"));
  SecretProto other;
  other.set_name("cert");
  *other.mutable_validation_context() = authority_.config();
  EXPECT_THAT(update(other, "4"), HasSubstr("validation_context: the secret must be a tls_certificate"));
  EXPECT_THAT(update(SecretProto(), "5"), "");
  EXPECT_EQ(serial(provider), one_.serial());
  ASSERT_EQ(views().size(), 1u);
  EXPECT_EQ(views()[0].version, "1");
  ASSERT_TRUE(views()[0].failure.has_value());
  EXPECT_EQ(views()[0].failure->version, "4");
  EXPECT_EQ(update(secretOf("cert", two_), "6"), "");
  EXPECT_EQ(serial(provider), two_.serial());
  EXPECT_FALSE(views()[0].failure.has_value());
}

TEST_F(SecretsTest, ARemovedOneStaysAndANeverComingOneIsNotWaitedFor) {
  const auto provider = sdsCertificate("cert");
  bool warm = false;
  init_.initialize([&warm] { warm = true; });
  // Of other names.
  EXPECT_EQ(give({}), "");
  EXPECT_FALSE(warm);
  xds::Update gone;
  gone.removed.push_back("cert");
  EXPECT_EQ(give(gone), "");
  EXPECT_TRUE(eventually([&] { return warm; }));
  EXPECT_EQ(update(secretOf("cert", one_)), "");
  EXPECT_EQ(give(gone), "");
  EXPECT_EQ(serial(provider), one_.serial());
}

TEST_F(SecretsTest, AFetchThatFailsEndsTheWaiting) {
  const auto provider = sdsCertificate("cert");
  bool warm = false;
  init_.initialize([&warm] { warm = true; });
  subscriptions_.watcher->onFetchFailure(xds::FetchFailure::Timeout);
  EXPECT_TRUE(warm);
  EXPECT_EQ(provider->content(), nullptr);
  EXPECT_EQ(views()[0].message, nullptr);
}

TEST_F(SecretsTest, ASourceThatCannotBeHadIsAMistake) {
  auto config = overSds("cert");
  config.mutable_sds_config()->mutable_self();
  EXPECT_EQ(secrets_->certificate(config, config::FieldPath("sds"), init_, violations_), nullptr);
  EXPECT_THAT(violations_.toString(), HasSubstr("sds.sds_config: no such source"));
}

TEST_F(SecretsTest, ValidationIsMergedIntoItsDefaults) {
  ValidationContext::Proto defaults;
  auto* matcher = defaults.add_match_typed_subject_alt_names();
  matcher->set_san_type(envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher::DNS);
  matcher->mutable_matcher()->set_exact("elsewhere");
  const auto path = config::FieldPath("c");
  const auto plain = secrets_->validation(overSds("ca"), nullptr, path, init_, violations_);
  const auto merged = secrets_->validation(overSds("ca"), &defaults, path, init_, violations_);
  const auto again = secrets_->validation(overSds("ca"), &defaults, path, init_, violations_);
  EXPECT_EQ(subscriptions_.live, 1);
  EXPECT_EQ(merged, again);
  SecretProto secret;
  secret.set_name("ca");
  *secret.mutable_validation_context() = authority_.config();
  EXPECT_EQ(update(secret), "");
  ASSERT_NE(plain->content(), nullptr);
  ASSERT_NE(merged->content(), nullptr);
  const auto certificate = secrets_->certificate(one_.config(), path, violations_);
  X509& leaf = certificate->content()->whole();
  EXPECT_TRUE(plain->content()->verify(leaf, nullptr, {}).accepted);
  EXPECT_FALSE(merged->content()->verify(leaf, nullptr, {}).accepted);
  // One who comes late gets what is there.
  matcher->mutable_matcher()->set_exact("localhost");
  const auto late = secrets_->validation(overSds("ca"), &defaults, path, init_, violations_);
  ASSERT_NE(late, nullptr);
  EXPECT_TRUE(late->content()->verify(leaf, nullptr, {}).accepted);
}

TEST_F(SecretsTest, ManyChangesAreToldAsAFew) {
  const auto provider = sdsCertificate("cert");
  int changes = 0;
  const auto handle = provider->onChange([&changes] { ++changes; });
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(update(secretOf("cert", i % 2 == 0 ? one_ : two_)), "");
  }
  EXPECT_EQ(serial(provider), two_.serial());
  EXPECT_LT(changes, 50);
  const int before = changes;
  EXPECT_TRUE(eventually([&] { return changes > before; })) << "the last change was never told";
  EXPECT_EQ(update(secretOf("cert", two_)), "");
  EXPECT_EQ(changes, before + 1);
}

TEST_F(SecretsTest, StaticOnesAreFoundByName) {
  SecretProto token;
  token.set_name("token");
  token.mutable_generic_secret()->mutable_secret()->set_inline_string("abc");
  addStatic({secretOf("cert", one_), token});
  ASSERT_TRUE(violations_.empty()) << violations_.toString();
  SecretSource::SdsSecretConfig config;
  config.set_name("cert");
  const auto path = config::FieldPath("sds");
  EXPECT_EQ(serial(secrets_->certificate(config, path, init_, violations_)), one_.serial());
  EXPECT_EQ(secrets_->validation(config, nullptr, path, init_, violations_), nullptr);
  EXPECT_THAT(violations_.toString(), HasSubstr("sds.name: the secret 'cert' is a tls_certificate, not a validation"));
  config.set_name("token");
  EXPECT_EQ(secrets_->generic(config, path, init_, violations_)->content()->bytes(), "abc");
  config.set_name("missing");
  EXPECT_EQ(secrets_->certificate(config, path, init_, violations_), nullptr);
  EXPECT_THAT(violations_.toString(), HasSubstr("sds.name: static_resources.secrets has no secret 'missing'"));
  EXPECT_EQ(views().size(), 2u);
  EXPECT_TRUE(subscriptions_.asked.empty());
}

TEST_F(SecretsTest, StaticOnesAreCheckedThoughNobodyUsesThem) {
  SecretProto junk = secretOf("junk", one_);
  junk.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_string("junk");
  addStatic({secretOf("cert", one_), secretOf("cert", two_), junk, SecretProto()});
  EXPECT_THAT(violations_.toString(), HasSubstr("secrets[1].name: there is a secret 'cert' already"));
  EXPECT_THAT(violations_.toString(), HasSubstr("secrets[2].tls_certificate.certificate_chain"));
  EXPECT_THAT(violations_.toString(), HasSubstr("secrets[3].name: a secret needs a name"));
}

TEST_F(SecretsTest, FilesOfASecretAreReadAnewWhenTheyAreMoved) {
  folder_.write("cert.pem", one_.chain());
  folder_.write("key.pem", one_.key_pem);
  const auto provider = sdsCertificate("cert");
  int changes = 0;
  const auto handle = provider->onChange([&changes] { ++changes; });
  EXPECT_EQ(update(secretOfFiles("cert")), "");
  EXPECT_EQ(serial(provider), one_.serial());
  const test::TestCertificate rsa = authority_.issueFor({"x"}, test::CertificateRequest::Key::Rsa);
  folder_.move("cert.pem", rsa.chain());
  EXPECT_TRUE(eventually([&] { return failedRotations("cert") == 1; }));
  EXPECT_EQ(serial(provider), one_.serial());
  folder_.move("key.pem", rsa.key_pem);
  EXPECT_TRUE(eventually([&] { return serial(provider) == rsa.serial() && changes == 2; }));
  EXPECT_EQ(failedRotations("cert"), 1u);
}

TEST_F(SecretsTest, AWatchedDirectoryTakesThePlaceOfTheFilesOwn) {
  // As Kubernetes mounts secrets: a link to a directory, which is replaced.
  std::filesystem::create_directory(folder_ / "v1");
  std::filesystem::create_directory(folder_ / "v2");
  folder_.write("v1/cert.pem", one_.chain());
  folder_.write("v1/key.pem", one_.key_pem);
  folder_.write("v2/cert.pem", two_.chain());
  folder_.write("v2/key.pem", two_.key_pem);
  std::filesystem::create_symlink("v1", folder_ / "data");
  Certificate::Proto message;
  message.mutable_certificate_chain()->set_filename(folder_ / "data/cert.pem");
  message.mutable_private_key()->set_filename(folder_ / "data/key.pem");
  message.mutable_watched_directory()->set_path(folder_.path());
  config::FilesRead noted;
  const auto provider = secrets_->certificate(message, config::FieldPath("c"), violations_);
  ASSERT_NE(provider, nullptr) << violations_.toString();
  EXPECT_EQ(serial(provider), one_.serial());
  // It looks after itself: whoever holds it need not be made anew.
  EXPECT_TRUE(noted.take().empty());
  std::filesystem::create_symlink("v2", folder_ / "data.tmp");
  std::filesystem::rename(folder_ / "data.tmp", folder_ / "data");
  EXPECT_TRUE(eventually([&] { return serial(provider) == two_.serial(); }));
}

TEST_F(SecretsTest, AFileOfTrustBundlesIsWatchedUnasked) {
  const auto write = [this](const std::string& domain) {
    const PemCertificates authorities = readPemCertificates(authority_.pem());
    unsigned char* der = nullptr;
    const int length = i2d_X509(authorities.certificates[0].get(), &der);
    const std::string x5c = absl::Base64Escape({reinterpret_cast<char*>(der), static_cast<size_t>(length)});
    OPENSSL_free(der);
    folder_.write("bundles.json",
                  absl::StrCat(R"({"trust_domains":{")", domain, R"(":{"keys":[{"kty":"EC","use":"x509-svid","x5c":[")",
                               x5c, R"("]}]}}})"));
  };
  write("one.test");
  envoy::extensions::transport_sockets::tls::v3::SPIFFECertValidatorConfig spiffe;
  spiffe.mutable_trust_bundles()->set_filename(folder_ / "bundles.json");
  ValidationContext::Proto message;
  message.mutable_custom_validator_config()->mutable_typed_config()->PackFrom(spiffe);
  const auto provider = secrets_->validation(message, config::FieldPath("v"), violations_);
  ASSERT_NE(provider, nullptr) << violations_.toString();
  test::CertificateRequest request;
  request.uris = {"spiffe://two.test/a"};
  const test::TestCertificate peer = authority_.issue(request);
  const auto accepts = [&] {
    const PemCertificates leaf = readPemCertificates(peer.pem);
    return provider->content()->verify(*leaf.certificates[0], nullptr, {}).accepted;
  };
  EXPECT_FALSE(accepts());
  // In place, too.
  write("two.test");
  EXPECT_TRUE(eventually(accepts));
}

TEST_F(SecretsTest, ADirectoryThatIsNotThereIsAMistake) {
  auto message = one_.config();
  message.mutable_certificate_chain()->set_filename(folder_ / "cert.pem");
  message.mutable_watched_directory()->set_path(folder_ / "missing");
  folder_.write("cert.pem", one_.chain());
  EXPECT_EQ(secrets_->certificate(message, config::FieldPath("c"), violations_), nullptr);
  EXPECT_THAT(violations_.toString(), HasSubstr("missing"));
}

TEST_F(SecretsTest, AUserMayGoInTheCallback) {
  auto provider = sdsCertificate("cert");
  base::CallbackHandlePtr handle;
  handle = provider->onChange([&] {
    handle.reset();
    provider.reset();
  });
  EXPECT_EQ(update(secretOf("cert", one_)), "");
  EXPECT_EQ(subscriptions_.live, 0);
}

TEST_F(SecretsTest, TheFirstExpiryIsOfAllThatIsInUse) {
  EXPECT_FALSE(secrets_->untilFirstExpires().has_value());
  test::CertificateRequest request;
  request.not_after = 7200;
  const auto soon = secrets_->certificate(authority_.issue(request).config(), config::FieldPath("a"), violations_);
  const auto later = secrets_->certificate(one_.config(), config::FieldPath("b"), violations_);
  ASSERT_TRUE(secrets_->untilFirstExpires().has_value());
  EXPECT_LE(*secrets_->untilFirstExpires(), std::chrono::seconds(7200));
  EXPECT_GE(*secrets_->untilFirstExpires(), std::chrono::seconds(7100));
}

}  // namespace
}  // namespace sluice::tls
