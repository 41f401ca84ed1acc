// SPDX-License-Identifier: GPL-2.0-or-later
// The packed image of a VM's rows: an append-only log of chunks, in ASN.1's Canonical Octet Encoding Rules (X.696), made from
// the same column descriptions as everything else. The module's text (vmMigImageData) defines it for other implementers:
//
//   Chunk  ::= SEQUENCE { version INTEGER (0..255), records SEQUENCE OF Record }     -- version 1
//   Record ::= CHOICE { put [0] Packed, remove [1] Packed, end [2] End }
//   Packed ::= SEQUENCE { table INTEGER (0..65535), row OCTET STRING (CONTAINING the table's row) }
//   End    ::= SEQUENCE { rows INTEGER (0..4294967295), digest OCTET STRING (SIZE (32)) }
//
// A row is a SEQUENCE of its INDEX columns (without the VM's UUID, which the transfer implies) and its columns that move, in the
// order of the table, each of the latter with DEFAULT the module's DEFVAL, hence left out where it has that value. A remove has a
// row of which only the INDEX counts.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mibs/row.h"

namespace vmmig::image {

inline constexpr std::uint8_t version = 1;

/// full: everything that moves. canonical: without what a clock or each packet changes; the form that the digest is made of.
enum class Form { full, canonical };

std::string packRow(const AnyRow& row, Form form);
/// Nothing when the octets are no row of this table, not canonical, or followed by others.
std::optional<AnyRow> unpackRow(const TableInfo& table, const Uuid& vm, std::string_view octets);
/// The table and the INDEX without the VM: what tells one row of an image from another.
std::string packKey(const AnyRow& row);

/// Count and digest of a set of rows: the sum, modulo 2^256, of the SHA-256 of each row's table number (2 octets) and canonical
/// form. It does not depend on the order, and follows a change without the other rows (Clarke et al., "Incremental Multiset Hash
/// Functions", 2003); it guards against loss and error, authPriv against enemies.
class Digest {
 public:
  void add(const AnyRow& row);
  void remove(const AnyRow& row);
  std::uint32_t rows() const { return rows_; }
  std::string octets() const;  // 32, the sum in network order
  bool operator==(const Digest&) const = default;

 private:
  std::array<std::uint64_t, 4> sum_{};  // least significant first
  std::uint32_t rows_ = 0;
};

struct Put {
  AnyRow row;
  std::string octets;  // packRow, full
};
struct Remove {
  AnyRow key;
};
struct End {
  std::uint32_t rows;
  std::string digest;
};
using Record = std::variant<Put, Remove, End>;

/// Packs records into chunks of at most `size` octets; a single record that is larger has a chunk of its own.
class ChunkWriter {
 public:
  explicit ChunkWriter(std::size_t size) : size_(size) {}
  void put(const AnyRow& row) { put(row.table(), packRow(row, Form::full)); }
  /// `octets`: packRow(), full.
  void put(const TableInfo& table, std::string_view octets);
  void remove(const AnyRow& key);
  void end(const Digest& digest);
  /// Closes the chunk that is being filled.
  void flush();
  /// The chunks that are full since the last call.
  std::vector<std::string> take() { return std::exchange(chunks_, {}); }

 private:
  void append(std::string_view record);
  void packed(std::uint8_t tag, const TableInfo& table, std::string_view octets);
  std::size_t size_;
  std::string records_;
  std::size_t count_ = 0;
  std::vector<std::string> chunks_;
};

/// The records of one chunk, or a sentence that says at which record it is wrong. Never trusts a byte.
Result<std::vector<Record>> readChunk(const Uuid& vm, std::string_view chunk);

}  // namespace vmmig::image
