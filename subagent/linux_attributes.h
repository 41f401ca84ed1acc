// SPDX-License-Identifier: GPL-2.0-or-later
// Attributes of netfilter's netlink messages: reading those of a message or a nest, and writing them. Numbers are in network
// order.
#pragma once

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace vmmig {

/// The attributes of a message or a nest, by type; the later one counts.
class Attributes {
 public:
  explicit Attributes(const nlmsghdr* message) {
    // Behind struct nfgenmsg.
    add(static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, 4)),
        static_cast<const char*>(mnl_nlmsg_get_payload_tail(message)));
  }
  explicit Attributes(const nlattr* nest) {
    if (!nest) return;
    const auto* payload = static_cast<const char*>(mnl_attr_get_payload(nest));
    add(reinterpret_cast<const nlattr*>(payload), payload + mnl_attr_get_payload_len(nest));
  }

  const nlattr* operator[](std::size_t type) const { return byType_[type]; }
  bool has(std::size_t type) const { return byType_[type]; }
  std::uint8_t u8(std::size_t type) const { return number<std::uint8_t>(type); }
  std::uint16_t u16(std::size_t type) const { return ntohs(number<std::uint16_t>(type)); }
  std::uint32_t u32(std::size_t type) const { return ntohl(number<std::uint32_t>(type)); }
  std::string_view octets(std::size_t type) const {
    const auto* attribute = byType_[type];
    if (!attribute) return {};
    return {static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute)};
  }
  /// Up to the NUL that ends it.
  std::string_view text(std::size_t type) const {
    auto all = octets(type);
    return all.substr(0, all.find('\0'));
  }

 private:
  void add(const nlattr* at, const char* end) {
    for (; mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at))
      if (mnl_attr_get_type(at) < byType_.size()) byType_[mnl_attr_get_type(at)] = at;
  }
  template <class T>
  T number(std::size_t type) const {
    T value = 0;
    if (auto content = octets(type); content.size() >= sizeof value) std::memcpy(&value, content.data(), sizeof value);
    return value;
  }
  // No nest has more types than the message itself.
  std::array<const nlattr*, CTA_MAX + 1> byType_{};
};

/// Open until the end of its scope.
class Nest {
 public:
  Nest(nlmsghdr* message, int type)
      : message_(message), attribute_(mnl_attr_nest_start(message, static_cast<std::uint16_t>(type))) {}
  Nest(const Nest&) = delete;
  ~Nest() { mnl_attr_nest_end(message_, attribute_); }

 private:
  nlmsghdr* message_;
  nlattr* attribute_;
};

inline void put8(nlmsghdr* message, int type, std::uint8_t value) {
  mnl_attr_put_u8(message, static_cast<std::uint16_t>(type), value);
}
inline void put16(nlmsghdr* message, int type, std::uint16_t value) {
  mnl_attr_put_u16(message, static_cast<std::uint16_t>(type), htons(value));
}
inline void put32(nlmsghdr* message, int type, std::uint32_t value) {
  mnl_attr_put_u32(message, static_cast<std::uint16_t>(type), htonl(value));
}
inline void putOctets(nlmsghdr* message, int type, std::string_view octets) {
  mnl_attr_put(message, static_cast<std::uint16_t>(type), octets.size(), octets.data());
}
/// With a NUL at its end.
inline void putText(nlmsghdr* message, int type, std::string_view text) { putOctets(message, type, std::string{text} + '\0'); }

}  // namespace vmmig
