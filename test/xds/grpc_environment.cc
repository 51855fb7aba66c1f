#include "grpc/grpc.h"
#include "gtest/gtest.h"

namespace sluice::test {
namespace {

/** Has gRPC end before the leak check looks. */
class GrpcEnvironment : public ::testing::Environment {
 public:
  void SetUp() override { grpc_init(); }
  void TearDown() override { grpc_shutdown_blocking(); }
};

[[maybe_unused]] ::testing::Environment* const environment = ::testing::AddGlobalTestEnvironment(new GrpcEnvironment);

}  // namespace
}  // namespace sluice::test
