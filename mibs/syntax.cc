// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/syntax.h"

namespace vmmig::detail {

std::optional<std::string> takeOctets(OidSpan& index, std::size_t count) {
  if (index.size() < count) return std::nullopt;
  std::string octets;
  for (auto sub : index.first(count)) {
    if (sub > 0xff) return std::nullopt;
    octets += static_cast<char>(sub);
  }
  index = index.subspan(count);
  return octets;
}

namespace {

struct Utf8Lead {
  int continuation;
  std::uint32_t bits;
  std::uint32_t least;  // smaller code points must use a shorter form (RFC 3629 section 3)
};

std::optional<Utf8Lead> utf8Lead(unsigned char c) {
  if (c < 0x80) return Utf8Lead{0, c, 0};
  if (c >= 0xc2 && c < 0xe0) return Utf8Lead{1, c & 0x1fu, 0x80};
  if (c >= 0xe0 && c < 0xf0) return Utf8Lead{2, c & 0x0fu, 0x800};
  if (c >= 0xf0 && c < 0xf5) return Utf8Lead{3, c & 0x07u, 0x10000};
  return std::nullopt;
}

}  // namespace

bool isUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto lead = utf8Lead(static_cast<unsigned char>(text[i++]));
    if (!lead) return false;
    std::uint32_t point = lead->bits;
    for (int n = 0; n < lead->continuation; ++n) {
      if (i == text.size() || (text[i] & 0xc0) != 0x80) return false;
      point = point << 6 | (text[i++] & 0x3fu);
    }
    if (point < lead->least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
  }
  return true;
}

}  // namespace vmmig::detail
