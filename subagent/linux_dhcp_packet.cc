// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_dhcp_packet.h"

#include <algorithm>

namespace vmmig {

namespace {

using Kind = DhcpMessage::Kind;

/// Reads octets in network order; beyond the end it fails, once and for all, and answers zeros.
class Reader {
 public:
  explicit Reader(std::string_view octets) : rest_(octets) {}
  bool failed() const { return failed_; }
  bool atEnd() const { return rest_.empty(); }

  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::uint32_t number(std::size_t size) {
    std::uint32_t value = 0;
    for (unsigned char octet : take(size)) value = value << 8 | octet;
    return value;
  }
  InetAddress v4() {
    auto octets = take(4);
    return octets.size() == 4 ? InetAddress::v4(octets.data()) : InetAddress{};
  }
  InetAddress v6() {
    auto octets = take(16);
    return octets.size() == 16 ? InetAddress::v6(octets.data()) : InetAddress{};
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

bool isUnspecified(const InetAddress& address) { return address.bytes().find_first_not_of('\0') == std::string_view::npos; }

// --- DHCP (RFC 2131, RFC 2132)

struct Options {
  std::uint8_t messageType = 0;            // option 53
  std::optional<std::uint32_t> leaseTime;  // 51
  InetAddress requested;                   // 50
  std::uint8_t overload = 0;               // 52: 1 `file`, 2 `sname` hold options as well
};

bool readOptions(std::string_view octets, Options& options) {
  Reader in{octets};
  while (!in.atEnd()) {
    auto code = in.number(1);
    if (code == 255) return true;
    if (code == 0) continue;
    Reader value{in.take(in.number(1))};
    if (in.failed()) return false;
    switch (code) {
      case 50: options.requested = value.v4(); break;
      case 51: options.leaseTime = value.number(4); break;
      case 52: options.overload = static_cast<std::uint8_t>(value.number(1)); break;
      case 53: options.messageType = static_cast<std::uint8_t>(value.number(1)); break;
      default: continue;
    }
    if (value.failed()) return false;
  }
  return true;  // without an end option: some clients leave it out
}

/// RFC 2132 section 9.6. Null: no message that matters here.
std::optional<Kind> kindOf(std::uint8_t messageType, bool isReply) {
  switch (messageType) {
    case 1:
    case 3: return isReply ? std::nullopt : std::optional{Kind::request};
    case 4:
    case 7: return isReply ? std::nullopt : std::optional{Kind::release};
    case 5: return isReply ? std::optional{Kind::lease} : std::nullopt;
    case 6: return isReply ? std::optional{Kind::refusal} : std::nullopt;
    default: return std::nullopt;
  }
}

std::optional<DhcpMessage> readDhcp(std::string_view payload, std::string_view sourceMac) {
  Reader in{payload};
  auto op = in.number(1), hardware = in.number(2);
  in.take(1);  // hops
  auto xid = in.number(4);
  in.take(4);  // secs, flags
  auto ciaddr = in.v4(), yiaddr = in.v4();
  in.v4();  // siaddr
  auto giaddr = in.v4();
  auto chaddr = in.take(16).substr(0, 6);
  auto sname = in.take(64), file = in.take(128);
  // Ethernet with 6 octets of address, and the cookie of options (without it: BOOTP, which knows no leases).
  if (in.number(4) != 0x63825363 || in.failed() || (op != 1 && op != 2) || hardware != 0x0106) return std::nullopt;
  Options options;
  if (!readOptions(payload.substr(240), options)) return std::nullopt;
  const auto overload = options.overload;
  if ((overload & 1 && !readOptions(file, options)) || (overload & 2 && !readOptions(sname, options))) return std::nullopt;
  auto kind = kindOf(options.messageType, op == 2);
  if (!kind) return std::nullopt;

  DhcpMessage message{*kind, InetAddressType::ipv4, xid, std::string{chaddr}, std::string{sourceMac}};
  message.isRelayed = !isUnspecified(giaddr);
  if (*kind == Kind::lease) {
    // An INFORM's ACK has no address and no lease.
    if (isUnspecified(yiaddr) || options.leaseTime.value_or(0) == 0) return std::nullopt;
    message.leases.push_back({yiaddr, *options.leaseTime});
  } else if (*kind == Kind::release) {
    auto address = options.messageType == 7 ? ciaddr : options.requested;
    if (isUnspecified(address)) return std::nullopt;
    message.leases.push_back({address, 0});
  }
  return message;
}

// --- DHCPv6 (RFC 8415)

constexpr std::uint32_t optionIaNa = 3, optionIaTa = 4, optionIaAddr = 5;

/// Every IA Address option within identity associations; a malformed option ends it.
bool readAddresses(std::string_view octets, std::vector<DhcpLease>& leases, bool isInside = false) {
  Reader in{octets};
  while (!in.atEnd()) {
    auto code = in.number(2);
    auto content = in.take(in.number(2));
    if (in.failed()) return false;
    if (!isInside && (code == optionIaNa || code == optionIaTa)) {
      std::size_t before = code == optionIaNa ? 12 : 4;  // IAID, and of IA_NA T1 and T2
      if (content.size() < before || !readAddresses(content.substr(before), leases, true)) return false;
    } else if (isInside && code == optionIaAddr) {
      Reader value{content};
      auto address = value.v6();
      value.take(4);  // the preferred lifetime
      auto valid = value.number(4);
      if (value.failed()) return false;
      if (!isUnspecified(address)) leases.push_back({address, valid});
    }
  }
  return true;
}

std::optional<Kind> kindOfV6(std::uint32_t messageType, bool isFromServer) {
  switch (messageType) {
    case 1:
    case 3:
    case 5:
    case 6: return isFromServer ? std::nullopt : std::optional{Kind::request};
    case 7: return isFromServer ? std::optional{Kind::lease} : std::nullopt;
    case 8:
    case 9: return isFromServer ? std::nullopt : std::optional{Kind::release};
    default: return std::nullopt;
  }
}

std::optional<DhcpMessage> readDhcpV6(std::string_view payload, bool isFromServer, std::string_view clientMac,
                                      std::string_view sourceMac) {
  Reader in{payload};
  auto kind = kindOfV6(in.number(1), isFromServer);
  auto transaction = in.number(3);
  if (!kind || in.failed()) return std::nullopt;
  DhcpMessage message{*kind, InetAddressType::ipv6, transaction, std::string{clientMac}, std::string{sourceMac}};
  if (!readAddresses(payload.substr(4), message.leases)) return std::nullopt;
  // A request names addresses that the client would like.
  if (*kind == Kind::request) message.leases.clear();
  if (*kind == Kind::lease) std::erase_if(message.leases, [](const DhcpLease& lease) { return lease.seconds == 0; });
  if (*kind != Kind::request && message.leases.empty()) return std::nullopt;
  return message;
}

// --- What carries them

constexpr std::uint8_t udp = 17;

/// The UDP packet in an IPv4 packet; empty when there is none, or a piece of one only.
std::string_view udpOfV4(std::string_view packet) {
  Reader in{packet};
  auto version = in.number(1);
  in.take(1);
  std::size_t total = in.number(2), header = (version & 0xf) * 4;
  in.take(2);
  bool isFragment = in.number(2) & 0x3fff;
  in.take(1);
  auto protocol = in.number(1);
  if (in.failed() || version >> 4 != 4 || header < 20 || total < header || total > packet.size() || isFragment || protocol != udp)
    return {};
  return packet.substr(header, total - header);
}

/// Without extension headers, which DHCPv6 needs none of.
std::string_view udpOfV6(std::string_view packet) {
  Reader in{packet};
  auto version = in.number(1) >> 4;
  in.take(3);
  auto size = in.number(2), next = in.number(1);
  in.take(33);
  if (in.failed() || version != 6 || next != udp) return {};
  return in.take(size);
}

}  // namespace

std::optional<DhcpMessage> readDhcpFrame(std::string_view frame) {
  Reader in{frame};
  auto destinationMac = in.take(6), sourceMac = in.take(6);
  auto etherType = in.number(2);
  if (in.failed()) return std::nullopt;
  auto packet = frame.substr(14);
  auto datagram = etherType == 0x0800 ? udpOfV4(packet) : etherType == 0x86dd ? udpOfV6(packet) : std::string_view{};
  Reader header{datagram};
  header.take(2);
  auto port = header.number(2), size = header.number(2);
  header.take(2);
  if (header.failed() || size < 8 || size > datagram.size()) return std::nullopt;
  auto payload = datagram.substr(8, size - 8);
  if (etherType == 0x0800) return port == 67 || port == 68 ? readDhcp(payload, sourceMac) : std::nullopt;
  if (port == 547) return readDhcpV6(payload, false, sourceMac, sourceMac);
  if (port == 546) return readDhcpV6(payload, true, destinationMac, sourceMac);
  return std::nullopt;
}

}  // namespace vmmig
