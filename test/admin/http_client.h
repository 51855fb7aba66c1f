#pragma once

#include <sys/socket.h>
#include <sys/time.h>

#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "source/base/assert.h"
#include "source/net/address.h"
#include "source/net/socket.h"

namespace sluice::test {

struct HttpAnswer {
  /** 0 if the connection ended before the answer did. */
  int status = 0;
  /** Names in lower case. */
  std::map<std::string, std::string> headers;
  std::string body;
};

/** A blocking HTTP/1.1 client over one connection. Nothing takes it longer than ten seconds. */
class HttpClient {
 public:
  explicit HttpClient(const net::Address& server, int receive_buffer = 0)
      : socket_(::socket(server.isIp() ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) {
      ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    timeval timeout{10, 0};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    sockaddr_storage to;
    const socklen_t length = server.toSockaddr(to);
    SLUICE_CHECK(::connect(socket_.fd(), reinterpret_cast<sockaddr*>(&to), length) == 0, "connect failed");
  }

  bool send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(sent);
    }
    return true;
  }
  void sendRequest(absl::string_view method, absl::string_view target, absl::string_view form = {}) {
    std::string request = absl::StrCat(method, " ", target, " HTTP/1.1\r\nHost: admin\r\n");
    if (!form.empty()) {
      absl::StrAppend(&request, "Content-Type: application/x-www-form-urlencoded\r\n");
    }
    if (method == "POST") {
      absl::StrAppend(&request, "Content-Length: ", form.size(), "\r\n");
    }
    send(absl::StrCat(request, "\r\n", form));
  }

  HttpAnswer request(absl::string_view method, absl::string_view target, absl::string_view form = {}) {
    sendRequest(method, target, form);
    return receive(method == "HEAD");
  }
  HttpAnswer get(absl::string_view target) { return request("GET", target); }
  HttpAnswer post(absl::string_view target, absl::string_view form = {}) { return request("POST", target, form); }

  HttpAnswer receive(bool head_only = false) {
    HttpAnswer answer = receiveHead();
    if (answer.status == 0 || head_only) {
      return answer;
    }
    const bool complete = answer.headers["transfer-encoding"] == "chunked"
                              ? receiveChunks(answer.body)
                              : receiveBytes(std::atoi(answer.headers["content-length"].c_str()), answer.body);
    if (!complete) {
      answer.status = 0;
    }
    return answer;
  }
  HttpAnswer receiveHead() {
    HttpAnswer answer;
    std::string line;
    if (!receiveLine(line)) {
      return answer;
    }
    const int status = std::atoi(line.c_str() + line.find(' ') + 1);
    while (receiveLine(line)) {
      if (line.empty()) {
        answer.status = status;
        break;
      }
      const size_t colon = line.find(':');
      answer.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
          std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
    return answer;
  }

  /** Reads to the end of the connection; false if it stays open for too long. */
  bool receiveEnd() {
    while (fill()) {
      received_.clear();
    }
    return ended_;
  }

 private:
  bool fill() {
    char bytes[65536];
    const ssize_t count = ::recv(socket_.fd(), bytes, sizeof(bytes), 0);
    ended_ = count == 0 || (count < 0 && errno == ECONNRESET);
    if (count <= 0) {
      return false;
    }
    received_.append(bytes, count);
    return true;
  }
  bool receiveLine(std::string& line) {
    size_t end;
    while ((end = received_.find("\r\n")) == std::string::npos) {
      if (!fill()) {
        return false;
      }
    }
    line = received_.substr(0, end);
    received_.erase(0, end + 2);
    return true;
  }
  bool receiveBytes(size_t size, std::string& out) {
    while (received_.size() < size) {
      if (!fill()) {
        return false;
      }
    }
    out.append(received_, 0, size);
    received_.erase(0, size);
    return true;
  }
  bool receiveChunks(std::string& out) {
    std::string line;
    while (receiveLine(line)) {
      const size_t size = std::strtoul(line.c_str(), nullptr, 16);
      if (!receiveBytes(size, out) || !receiveLine(line)) {
        return false;
      }
      if (size == 0) {
        return true;
      }
    }
    return false;
  }

  net::Socket socket_;
  std::string received_;
  bool ended_ = false;
};

}  // namespace sluice::test
