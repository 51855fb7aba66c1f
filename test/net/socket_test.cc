#include "source/net/socket.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include <gtest/gtest.h>

#include "test/support/sockets.h"

namespace sluice::net {
namespace {

ListenSocketOptions at(absl::string_view ip, uint16_t port = 0) {
  ListenSocketOptions options;
  options.address = Address::ip(ip, port).value();
  return options;
}

int option(const Socket& socket, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_EQ(0, ::getsockopt(socket.fd(), level, name, &value, &length));
  return value;
}

std::string bytesOf(int value) { return std::string(reinterpret_cast<const char*>(&value), sizeof(value)); }

/** Connects, blocking; 0 or errno. */
int connectTo(const Address& address, Socket& socket) {
  const int family = address.kind() == Address::Kind::Pipe   ? AF_UNIX
                     : address.kind() == Address::Kind::Ipv4 ? AF_INET
                                                             : AF_INET6;
  socket = Socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage to;
  const socklen_t length = address.toSockaddr(to);
  return ::connect(socket.fd(), reinterpret_cast<sockaddr*>(&to), length) == 0 ? 0 : errno;
}

class TemporaryFolder {
 public:
  TemporaryFolder() { EXPECT_NE(nullptr, ::mkdtemp(path_)); }
  ~TemporaryFolder() {
    ::unlink(file().c_str());
    ::rmdir(path_);
  }
  std::string file() const { return std::string(path_) + "/s"; }

 private:
  char path_[32] = "/tmp/sluice-socket-XXXXXX";
};

TEST(SocketTest, BindsListensAndAccepts) {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    const ListenSocketOptions options = at(ip);
    absl::StatusOr<Socket> listening = bindListenSocket(options);
    ASSERT_TRUE(listening.ok()) << listening.status();
    const Address address = localAddress(*listening).value();
    EXPECT_NE(0, address.port());
    Socket client;
    EXPECT_EQ(ECONNREFUSED, connectTo(address, client)) << "not yet listening";
    ASSERT_TRUE(startListening(*listening, options, 10).ok());
    Socket accepted;
    Address remote;
    EXPECT_EQ(EAGAIN, acceptConnection(listening->fd(), accepted, remote));
    ASSERT_EQ(0, connectTo(address, client));
    ASSERT_EQ(0, acceptConnection(listening->fd(), accepted, remote));
    EXPECT_EQ(localAddress(client).value(), remote);
    EXPECT_EQ(remote, remoteAddress(accepted));
    EXPECT_EQ(1, option(accepted, IPPROTO_TCP, TCP_NODELAY));
    EXPECT_EQ(address, remoteAddress(client));
  }
}

TEST(SocketTest, ErrorsNameTheAddressTheCallAndTheReason) {
  const test::ListeningSocket taken = test::listenOnLoopback();
  ListenSocketOptions options = at("127.0.0.1", taken.address.port());
  options.reuse_port = false;
  const absl::Status status = bindListenSocket(options).status();
  EXPECT_EQ("cannot bind '" + taken.address.toString() + "': Address already in use", status.message());
  EXPECT_EQ("cannot bind '192.0.2.1:0': Cannot assign requested address",
            bindListenSocket(at("192.0.2.1")).status().message());
}

TEST(SocketTest, ReusedPortsAreSharedAndPlainOnesAreNot) {
  Socket first = bindListenSocket(at("127.0.0.1")).value();
  const uint16_t port = localAddress(first)->port();
  EXPECT_TRUE(bindListenSocket(at("127.0.0.1", port)).ok());
}

TEST(SocketTest, FreebindTakesAnAddressThatIsNotHereYet) {
  ListenSocketOptions options = at("192.0.2.1");
  options.freebind = true;
  EXPECT_TRUE(bindListenSocket(options).ok());
}

TEST(SocketTest, AnIpv6SocketTakesIpv4OnlyWhenAskedTo) {
  for (bool compat : {false, true}) {
    ListenSocketOptions options = at("::");
    options.ipv4_compat = compat;
    Socket listening = bindListenSocket(options).value();
    ASSERT_TRUE(startListening(listening, options, 10).ok());
    Socket client;
    const Address v4 = Address::ip("127.0.0.1", localAddress(listening)->port()).value();
    EXPECT_EQ(compat ? 0 : ECONNREFUSED, connectTo(v4, client));
    if (compat) {
      Socket accepted;
      Address remote;
      ASSERT_EQ(0, acceptConnection(listening.fd(), accepted, remote));
      EXPECT_EQ(Address::Kind::Ipv4, remote.kind());
      EXPECT_EQ("127.0.0.1", remote.ipString());
      EXPECT_EQ(v4, localAddress(accepted).value());
    }
  }
}

TEST(SocketTest, OptionsAreSetInTheirStates) {
  ListenSocketOptions options = at("127.0.0.1");
  options.keepalive = TcpKeepalive{3, 40, 5};
  options.tcp_fast_open_queue = 7;
  options.options = {
      {SOL_SOCKET, SO_PRIORITY, bytesOf(3), SocketOption::State::Prebind, ""},
      {IPPROTO_IP, IP_TTL, bytesOf(33), SocketOption::State::Bound, ""},
      {IPPROTO_IP, IP_TOS, bytesOf(8), SocketOption::State::Listening, ""},
  };
  Socket socket = bindListenSocket(options).value();
  EXPECT_EQ(3, option(socket, SOL_SOCKET, SO_PRIORITY));
  EXPECT_EQ(33, option(socket, IPPROTO_IP, IP_TTL));
  EXPECT_EQ(0, option(socket, IPPROTO_IP, IP_TOS));
  EXPECT_EQ(1, option(socket, SOL_SOCKET, SO_KEEPALIVE));
  EXPECT_EQ(3, option(socket, IPPROTO_TCP, TCP_KEEPCNT));
  EXPECT_EQ(40, option(socket, IPPROTO_TCP, TCP_KEEPIDLE));
  EXPECT_EQ(5, option(socket, IPPROTO_TCP, TCP_KEEPINTVL));
  ASSERT_TRUE(startListening(socket, options, 10).ok());
  EXPECT_EQ(7, option(socket, IPPROTO_TCP, TCP_FASTOPEN));
  EXPECT_EQ(8, option(socket, IPPROTO_IP, IP_TOS));
}

TEST(SocketTest, AnOptionThatFailsIsNamed) {
  ListenSocketOptions options = at("127.0.0.1");
  options.options = {{SOL_SOCKET, 9999, bytesOf(1), SocketOption::State::Prebind, "mine"}};
  EXPECT_EQ("cannot set socket option 1/9999 (mine) on '127.0.0.1:0': Protocol not available",
            bindListenSocket(options).status().message());
  options.options[0].state = SocketOption::State::Listening;
  Socket socket = bindListenSocket(options).value();
  EXPECT_FALSE(startListening(socket, options, 10).ok());
}

TEST(SocketTest, AStaleUnixSocketIsReplacedAndALiveOneIsNot) {
  const TemporaryFolder folder;
  ListenSocketOptions options;
  options.address = Address::pipe(folder.file()).value();
  options.pipe_mode = 0640;
  {
    Socket live = bindListenSocket(options).value();
    ASSERT_TRUE(startListening(live, options, 10).ok());
    struct stat file;
    ASSERT_EQ(0, ::stat(folder.file().c_str(), &file));
    EXPECT_EQ(0640u, file.st_mode & 0777);
    EXPECT_EQ("cannot bind '" + folder.file() + "': Address already in use",
              bindListenSocket(options).status().message());
    Socket client;
    EXPECT_EQ(0, connectTo(options.address, client));
  }
  absl::StatusOr<Socket> next = bindListenSocket(options);
  ASSERT_TRUE(next.ok()) << next.status();
  ASSERT_TRUE(startListening(*next, options, 10).ok());
  Socket client;
  EXPECT_EQ(0, connectTo(options.address, client));
}

TEST(SocketTest, AFileThatIsNoSocketStays) {
  const TemporaryFolder folder;
  FILE* file = ::fopen(folder.file().c_str(), "w");
  ASSERT_NE(nullptr, file);
  ::fclose(file);
  ListenSocketOptions options;
  options.address = Address::pipe(folder.file()).value();
  EXPECT_FALSE(bindListenSocket(options).ok());
  EXPECT_EQ(0, ::access(folder.file().c_str(), F_OK));
}

TEST(SocketTest, AbstractUnixSocketsHaveNoFile) {
  ListenSocketOptions options;
  options.address = Address::pipe("@sluice-test-" + std::to_string(::getpid())).value();
  Socket socket = bindListenSocket(options).value();
  EXPECT_EQ(options.address, localAddress(socket).value());
  EXPECT_FALSE(bindListenSocket(options).ok());
}

TEST(SocketTest, ClientsBindToTheirSource) {
  const test::ListeningSocket listening = test::listenOnLoopback();
  ClientSocketOptions options;
  options.source = Address::ip("127.0.0.2", 0).value();
  options.keepalive = TcpKeepalive{};
  options.options = {{SOL_SOCKET, SO_PRIORITY, bytesOf(3), SocketOption::State::Bound, ""}};
  Socket socket;
  ASSERT_EQ(0, makeClientSocket(listening.address, options, socket).error);
  EXPECT_EQ("127.0.0.2", localAddress(socket)->ipString());
  EXPECT_EQ(1, option(socket, SOL_SOCKET, SO_KEEPALIVE));
  EXPECT_EQ(3, option(socket, SOL_SOCKET, SO_PRIORITY));
  EXPECT_EQ(1, option(socket, IPPROTO_TCP, TCP_NODELAY));

  options.source = Address::ip("192.0.2.1", 0).value();
  const SocketError error = makeClientSocket(listening.address, options, socket);
  EXPECT_STREQ("bind", error.call);
  EXPECT_EQ(EADDRNOTAVAIL, error.error);
}

TEST(SocketTest, OwnsItsDescriptor) {
  auto [a, b] = test::unixPair();
  const int fd = a.fd();
  Socket taken = std::move(a);
  EXPECT_FALSE(a.isOpen());
  EXPECT_EQ(fd, taken.fd());
  taken = std::move(b);
  EXPECT_EQ(-1, ::fcntl(fd, F_GETFD));
  const Socket released(taken.release());
  EXPECT_TRUE(released.isOpen());
  EXPECT_FALSE(taken.isOpen());
}

}  // namespace
}  // namespace sluice::net
