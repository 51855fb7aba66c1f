// Secrets that come, change and do not fit: which context new connections get.

#include "source/tls/tls_factory.h"

#include <gtest/gtest.h>

#include "source/thread/slot.h"
#include "test/tls/tls_pair.h"

namespace sluice::tls {
namespace {

template <class Content>
class TestProvider : public SecretProvider<Content> {
 public:
  std::shared_ptr<const Content> content() const override { return content_; }
  base::CallbackHandlePtr onChange(std::function<void()> changed) override {
    return callbacks_.add(std::move(changed));
  }
  void set(std::shared_ptr<const Content> content) {
    content_ = std::move(content);
    callbacks_.run();
  }

 private:
  std::shared_ptr<const Content> content_;
  base::CallbackList<> callbacks_;
};

class TlsFactoryTest : public TlsPairTest {
 public:
  ~TlsFactoryTest() override {
    factory_.reset();
    publisher_.reset();
    main_.runUntilIdle();
    slots_.shutdownThread(main_);
  }
  void make() {
    ContextParts parts;
    parts.settings = std::make_shared<Settings>(server_settings_);
    parts.identities.push_back({identity_, "default"});
    parts.validation = validation_;
    auto made = TlsFactory::make(main_, publisher_, std::move(parts), server_stats_, config::contentKey("x"));
    ASSERT_TRUE(made.ok()) << made.status();
    factory_ = *std::move(made);
  }
  /** The serial that a new connection is shown; "" where it is closed. */
  std::string served() {
    auto transport = factory_->create({});
    auto* tls = dynamic_cast<TlsTransportSocket*>(transport.get());
    if (tls == nullptr) {
      EXPECT_EQ("TLS error: Secret is not supplied by SDS", transport->failureReason());
      return "";
    }
    server_context_ = SslConnection::of(tls->ssl()).contextPtr();
    client_context_ = makeClient({});
    return handshake() ? client_->info().peer()->serial : "failed";
  }

  thread::SlotAllocator slots_{main_};
  std::shared_ptr<ContextPublisher> publisher_ = std::make_shared<ContextPublisher>(main_, slots_);
  std::shared_ptr<TestProvider<Certificate>> identity_ = std::make_shared<TestProvider<Certificate>>();
  std::shared_ptr<TestProvider<ValidationContext>> validation_;
  std::shared_ptr<const net::TransportSocketFactory> factory_;
};

TEST_F(TlsFactoryTest, ServesFromTheBeginningWhatIsThere) {
  const test::TestCertificate one = ca_.issueFor({"a.test"});
  identity_->set(certificate(one));
  make();
  EXPECT_EQ(one.serial(), served());
  EXPECT_TRUE(factory_->isTls());
  EXPECT_FALSE(factory_->readsOptions());
  EXPECT_LT(0u, store_.gaugeValue("listener.x.ssl.certificate.default.expiration_unix_time_seconds"));
}

TEST_F(TlsFactoryTest, ClosesWhileASecretIsMissing) {
  validation_ = std::make_shared<TestProvider<ValidationContext>>();
  make();
  EXPECT_EQ("", served());
  EXPECT_EQ(1u, counter("listener.x.server_ssl_socket_factory.downstream_context_secrets_not_ready"));
  const test::TestCertificate one = ca_.issueFor({"a.test"});
  identity_->set(certificate(one));
  main_.runUntilIdle();
  EXPECT_EQ("", served());
  validation_->set(validation(ca_.config()));
  main_.runUntilIdle();
  EXPECT_EQ(one.serial(), served());
}

TEST_F(TlsFactoryTest, RotatesForNewConnectionsAlone) {
  const test::TestCertificate one = ca_.issueFor({"a.test"});
  const test::TestCertificate two = ca_.issueFor({"a.test"});
  identity_->set(certificate(one));
  make();
  EXPECT_EQ(one.serial(), served());
  identity_->set(certificate(two));
  identity_->set(certificate(two));
  main_.runUntilIdle();
  // The connection of before goes on.
  exchange();
  EXPECT_EQ(one.serial(), client_->info().peer()->serial);
  EXPECT_EQ(two.serial(), served());
  EXPECT_EQ(1u, counter("listener.x.server_ssl_socket_factory.ssl_context_update_by_sds"));
}

TEST_F(TlsFactoryTest, KeepsTheOldWhereTheNewDoesNotFit) {
  const test::TestCertificate one = ca_.issueFor({"a.test"});
  identity_->set(certificate(one));
  make();
  test::CertificateRequest request;
  request.must_staple = true;
  identity_->set(certificate(ca_.issue(request)));
  main_.runUntilIdle();
  EXPECT_EQ(one.serial(), served());
}

TEST_F(TlsFactoryTest, AChangeAfterItsEndIsHarmless) {
  identity_->set(certificate(ca_.issueFor({"a.test"})));
  make();
  identity_->set(certificate(ca_.issueFor({"a.test"})));
  factory_.reset();
  main_.runUntilIdle();
  identity_->set(certificate(ca_.issueFor({"a.test"})));
  main_.runUntilIdle();
}

}  // namespace
}  // namespace sluice::tls
