// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/oid.h"

#include <algorithm>
#include <charconv>

namespace vmmig {

std::string toString(OidSpan oid) {
  std::string text;
  for (auto sub : oid) {
    if (!text.empty()) text += '.';
    text += std::to_string(sub);
  }
  return text;
}

std::optional<Oid> parseOid(std::string_view text) {
  Oid oid;
  if (text.starts_with('.')) text.remove_prefix(1);
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    std::uint32_t sub = 0;
    auto [next, error] = std::from_chars(at, end, sub);
    if (error != std::errc{} || oid.size() == maxOidLength) return std::nullopt;
    oid.push_back(sub);
    if (next == end) return oid;
    if (*next != '.') return std::nullopt;
    at = next + 1;
  }
}

std::strong_ordering compare(OidSpan a, OidSpan b) {
  return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
}

bool startsWith(OidSpan oid, OidSpan prefix) {
  return oid.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), oid.begin());
}

Oid operator+(Oid head, OidSpan tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

Oid operator+(Oid head, std::uint32_t tail) {
  head.push_back(tail);
  return head;
}

}  // namespace vmmig
