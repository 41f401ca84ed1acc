// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/oer.h"

namespace vmmig {

namespace {
int significantOctets(std::uint64_t v) {
  int count = 1;
  while (v >>= 8) ++count;
  return count;
}

/// Of a width that is known when this is compiled: a load and a swap. Rows are read in the stop.
template <class T>
std::optional<T> integer(std::optional<std::string_view> octets) {
  if (!octets) return std::nullopt;
  T v = 0;
#pragma GCC unroll 8
  for (std::size_t i = 0; i < sizeof v; ++i) v = static_cast<T>(v << 8 | static_cast<unsigned char>((*octets)[i]));
  return v;
}

}  // namespace

void OerWriter::bigEndian(std::uint64_t v, int width) {
  char octets[sizeof v];
  for (int i = 0; i < width; ++i) octets[i] = static_cast<char>(v >> (width - 1 - i) * 8);
  out_.append(octets, static_cast<std::size_t>(width));
}

void OerWriter::length(std::size_t n) {
  if (n < 0x80) return uint8(static_cast<std::uint8_t>(n));
  int width = significantOctets(n);
  uint8(static_cast<std::uint8_t>(0x80 | width));
  bigEndian(n, width);
}

void OerWriter::octets(std::string_view content) {
  length(content.size());
  raw(content);
}

void OerWriter::quantity(std::size_t n) {
  int width = significantOctets(n);
  uint8(static_cast<std::uint8_t>(width));
  bigEndian(n, width);
}

std::nullopt_t OerReader::fail() {
  failed_ = true;
  in_ = {};
  return std::nullopt;
}

std::optional<std::string_view> OerReader::raw(std::size_t size) {
  if (failed_ || size > in_.size()) return fail();
  auto content = in_.substr(0, size);
  in_.remove_prefix(size);
  return content;
}

std::optional<std::uint64_t> OerReader::bigEndian(std::size_t width) {
  auto content = raw(width);
  if (!content) return std::nullopt;
  std::uint64_t v = 0;
  for (unsigned char octet : *content) v = v << 8 | octet;
  return v;
}

std::optional<std::uint8_t> OerReader::uint8() { return integer<std::uint8_t>(raw(1)); }
std::optional<std::uint16_t> OerReader::uint16() { return integer<std::uint16_t>(raw(2)); }
std::optional<std::uint32_t> OerReader::uint32() { return integer<std::uint32_t>(raw(4)); }
std::optional<std::uint64_t> OerReader::uint64() { return integer<std::uint64_t>(raw(8)); }
std::optional<std::int32_t> OerReader::int32() {
  auto v = uint32();
  if (!v) return std::nullopt;
  return static_cast<std::int32_t>(*v);
}

std::optional<std::size_t> OerReader::length() {
  auto first = uint8();
  if (!first) return std::nullopt;
  if (*first < 0x80) return *first;
  std::size_t width = *first & 0x7f;
  if (width == 0 || width > 8) return fail();
  auto n = bigEndian(width);
  // Canonical: the short form where it fits, no leading zero octet.
  if (!n || *n < 0x80 || static_cast<std::size_t>(significantOctets(*n)) != width) return fail();
  return *n;
}

std::optional<std::string_view> OerReader::octets() {
  auto size = length();
  if (!size) return std::nullopt;
  return raw(*size);
}

std::optional<std::size_t> OerReader::quantity() {
  auto width = uint8();
  if (!width || *width == 0 || *width > 8) return fail();
  auto n = bigEndian(*width);
  if (!n || significantOctets(*n) != *width) return fail();
  return *n;
}

}  // namespace vmmig
