// SPDX-License-Identifier: GPL-2.0-or-later
// The part of ASN.1's Canonical Octet Encoding Rules (ITU-T X.696) that the packed image uses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vmmig {

/// Appends to a string. Integers are big-endian in the width that their constraint gives (X.696 clause 10).
class OerWriter {
 public:
  explicit OerWriter(std::string& out) : out_(out) {}

  void uint8(std::uint8_t v) { out_ += static_cast<char>(v); }
  void uint16(std::uint16_t v) { bigEndian(v, 2); }
  void uint32(std::uint32_t v) { bigEndian(v, 4); }
  void uint64(std::uint64_t v) { bigEndian(v, 8); }
  void int32(std::int32_t v) { bigEndian(static_cast<std::uint32_t>(v), 4); }
  /// Length determinant: one octet below 128, else 0x80 + count and that many octets (clause 8.6).
  void length(std::size_t n);
  /// OCTET STRING of variable size: length and content.
  void octets(std::string_view content);
  /// Content of known size, without a length.
  void raw(std::string_view content) { out_ += content; }
  /// INTEGER (0..MAX), used for the number of items of a SEQUENCE OF (clause 17.2).
  void quantity(std::size_t n);

 private:
  void bigEndian(std::uint64_t v, int width);
  std::string& out_;
};

/// Reads what OerWriter writes, and refuses everything that is not canonical. After the first failure each read fails.
class OerReader {
 public:
  explicit OerReader(std::string_view in) : in_(in) {}

  std::optional<std::uint8_t> uint8();
  std::optional<std::uint16_t> uint16();
  std::optional<std::uint32_t> uint32();
  std::optional<std::uint64_t> uint64();
  std::optional<std::int32_t> int32();
  std::optional<std::size_t> length();
  std::optional<std::string_view> octets();
  std::optional<std::string_view> raw(std::size_t size);
  std::optional<std::size_t> quantity();

  bool atEnd() const { return !failed_ && in_.empty(); }

 private:
  std::optional<std::uint64_t> bigEndian(std::size_t width);
  std::nullopt_t fail();
  std::string_view in_;
  bool failed_ = false;
};

}  // namespace vmmig
