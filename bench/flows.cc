// SPDX-License-Identifier: GPL-2.0-or-later
// Real TCP connections by the hundred thousand through the firewall between two network namespaces, without a socket for each: a
// raw socket at either end sends what two TCPs would, so the firewall's connection tracking sees handshakes and data in window.
// The VM is the server. Nobody must answer the segments (bench/place.py drops them where they arrive). Reads commands, one a
// line:
//   open FIRST COUNT [RATE]     handshakes; RATE: that many a second
//   data FIRST COUNT STRIDE     on every STRIDE-th connection a segment of the VM with data, and the client's acknowledgement
// and answers each with one JSON object when all has been sent.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <iostream>
#include <sstream>
#include <thread>
#include <vector>

#include "bench/measure.h"
#include "common/unique_fd.h"

namespace vmmig {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t portsEach = 50000, firstPort = 1024;
constexpr std::uint16_t serverPort = 80, windowOnWire = 512;
constexpr std::uint8_t windowScale = 7;
constexpr std::size_t dataSize = 400;

/// Of another namespace, whatever this process is in later.
UniqueFd rawSocketIn(const char* netns) {
  UniqueFd there{open(netns, O_RDONLY | O_CLOEXEC)};
  if (!there || setns(there.get(), CLONE_NEWNET) != 0) fail(std::string{netns} + ": " + std::strerror(errno));
  UniqueFd fd{socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)};
  if (!fd) fail(std::string{"no raw socket: "} + std::strerror(errno));
  int room = 16 << 20;
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  return fd;
}

/// RFC 1071, of big-endian words as they lie.
std::uint32_t sum(const void* octets, std::size_t size) {
  const auto* at = static_cast<const std::uint8_t*>(octets);
  std::uint32_t total = 0;
  for (std::size_t i = 0; i + 1 < size; i += 2) total += static_cast<std::uint32_t>(at[i] << 8 | at[i + 1]);
  return total;
}
std::uint16_t checksum(std::uint32_t total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return htons(static_cast<std::uint16_t>(~total));
}

struct End {
  std::uint32_t address;  // network order
  std::uint16_t port;
};

struct Packet {
  iphdr ip;
  tcphdr tcp;
  std::uint8_t rest[dataSize];  // options of a SYN, or data
};

void sendSegment(int fd, End from, End to, tcphdr tcp, std::size_t options, std::size_t data) {
  Packet packet{};
  auto size = sizeof packet.tcp + options + data;
  packet.ip.version = 4;
  packet.ip.ihl = sizeof packet.ip / 4;
  packet.ip.tot_len = htons(static_cast<std::uint16_t>(sizeof packet.ip + size));
  packet.ip.ttl = 64;
  packet.ip.frag_off = htons(IP_DF);
  packet.ip.protocol = IPPROTO_TCP;
  packet.ip.saddr = from.address;
  packet.ip.daddr = to.address;
  tcp.source = htons(from.port);
  tcp.dest = htons(to.port);
  tcp.doff = (sizeof tcp + options) / 4 & 0xf;
  tcp.window = htons(windowOnWire);
  packet.tcp = tcp;
  if (options) {
    const std::uint8_t scaleOption[] = {TCPOPT_NOP, TCPOPT_WINDOW, TCPOLEN_WINDOW, windowScale};
    std::memcpy(packet.rest, scaleOption, sizeof scaleOption);
  }
  packet.tcp.check = checksum(sum(&packet.ip.saddr, 8) + IPPROTO_TCP + static_cast<std::uint32_t>(size) + sum(&packet.tcp, size));
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_addr.s_addr = to.address;
  if (sendto(fd, &packet, sizeof packet.ip + size, 0, reinterpret_cast<sockaddr*>(&target), sizeof target) < 0)
    fail(std::string{"cannot send: "} + std::strerror(errno));
}

class Flows {
 public:
  Flows(UniqueFd client, UniqueFd vm, std::uint32_t firstClient, std::uint32_t vmAddress)
      : clientFd_(std::move(client)), vmFd_(std::move(vm)), firstClient_(firstClient), vm_{vmAddress, serverPort} {}

  void open(std::uint32_t number) {
    if (number >= flows_.size()) flows_.resize(number + 1);
    auto& flow = flows_[number] = {number * 2654435761u + 1, number * 40503u + 77};
    constexpr std::size_t options = 4;
    tcphdr tcp{};
    tcp.syn = 1;
    fromClient(number, tcp, options);
    ++flow.client;
    tcp.ack = 1;
    fromVm(number, tcp, options, 0);
    ++flow.vm;
    tcp.syn = 0;
    fromClient(number, tcp, 0);
  }

  void data(std::uint32_t number) {
    if (number >= flows_.size()) fail("connection " + std::to_string(number) + " is not open");
    tcphdr tcp{};
    tcp.ack = tcp.psh = 1;
    fromVm(number, tcp, 0, dataSize);
    flows_[number].vm += dataSize;
    tcp.psh = 0;
    fromClient(number, tcp, 0);
  }

 private:
  struct Flow {
    std::uint32_t client, vm;  // the next sequence number of each
  };
  End clientOf(std::uint32_t number) const {
    return {htonl(ntohl(firstClient_) + number / portsEach), static_cast<std::uint16_t>(firstPort + number % portsEach)};
  }
  void fromClient(std::uint32_t number, tcphdr tcp, std::size_t options) {
    tcp.seq = htonl(flows_[number].client);
    tcp.ack_seq = tcp.ack ? htonl(flows_[number].vm) : 0;
    sendSegment(clientFd_.get(), clientOf(number), vm_, tcp, options, 0);
  }
  void fromVm(std::uint32_t number, tcphdr tcp, std::size_t options, std::size_t data) {
    tcp.seq = htonl(flows_[number].vm);
    tcp.ack_seq = htonl(flows_[number].client);
    sendSegment(vmFd_.get(), vm_, clientOf(number), tcp, options, data);
  }

  UniqueFd clientFd_, vmFd_;
  std::uint32_t firstClient_;
  End vm_;
  std::vector<Flow> flows_;
};

void obey(Flows& flows, const std::string& line) {
  std::istringstream words{line};
  std::string what;
  std::uint32_t first = 0, count = 0, third = 0;
  words >> what >> first >> count >> third;
  auto begin = Clock::now();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (what == "open") {
      // In steps of a millisecond and more: a short sleep costs more than a handshake.
      if (third && i % 32 == 0) std::this_thread::sleep_until(begin + std::chrono::nanoseconds{1'000'000'000ULL * i / third});
      flows.open(first + i);
    } else if (what == "data" && third) {
      flows.data(first + i * third);
    } else {
      fail("cannot read the command: " + line);
    }
  }
  auto took = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  std::cout << "{\"" << what << "\": " << count << ", \"ms\": " << took << "}" << std::endl;
}

}  // namespace
}  // namespace vmmig

int main(int argc, char** argv) {
  using namespace vmmig;
  in_addr client{}, vm{};
  if (argc != 5 || inet_pton(AF_INET, argv[2], &client) != 1 || inet_pton(AF_INET, argv[4], &vm) != 1)
    fail("usage: flows CLIENT_NETNS FIRST_CLIENT_ADDRESS VM_NETNS VM_ADDRESS   (commands come on standard input)");
  Flows flows{rawSocketIn(argv[1]), rawSocketIn(argv[3]), client.s_addr, vm.s_addr};
  for (std::string line; std::getline(std::cin, line);) obey(flows, line);
}
