// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/image.h"

#include <deque>

#include "common/digest.h"
#include "common/hex.h"
#include "mibs/image_keys.h"
#include "mibs/registry.h"

namespace vmmig::image {

namespace {

// X.696 clause 8.7: context class, tag numbers 0 to 2.
constexpr std::uint8_t putTag = 0x80;
constexpr std::uint8_t removeTag = 0x81;
constexpr std::uint8_t endTag = 0x82;
constexpr std::size_t digestSize = 32;

bool isCarried(const ColumnInfo& column, Form form) {
  return column.carry == Carry::exact || (column.carry != Carry::local && form == Form::full);
}

/// The defaults that DEFAULT means: one row a table, made once.
const AnyRow& defaults(const TableInfo& table) {
  static std::deque<AnyRow> rows;  // references stay valid
  for (const auto& row : rows)
    if (&row.table() == &table) return row;
  return rows.emplace_back(table);
}

std::size_t optionalCount(const TableInfo& table) {
  std::size_t count = 0;
  for (const auto& column : table.values()) count += column.carry != Carry::local;
  return count;
}

void packIndex(OerWriter& out, const AnyRow& row) {
  // The first INDEX column is the VM's UUID.
  for (const auto& column : row.table().index().subspan(1)) column.encode(out, row.data());
}

}  // namespace

std::string packRow(const AnyRow& row, Form form) {
  const auto& table = row.table();
  const auto& absent = defaults(table);
  std::string preamble((optionalCount(table) + 7) / 8, '\0');  // X.696 clause 16.2
  std::string body;
  OerWriter out{body};
  packIndex(out, row);
  std::size_t bit = 0;
  for (const auto& column : table.values()) {
    if (column.carry == Carry::local) continue;
    if (isCarried(column, form) && !column.equal(row.data(), absent.data())) {
      preamble[bit / 8] |= static_cast<char>(0x80 >> bit % 8);
      column.encode(out, row.data());
    }
    ++bit;
  }
  return preamble + body;
}

std::optional<AnyRow> unpackRow(const TableInfo& table, const Uuid& vm, std::string_view octets) {
  OerReader in{octets};
  AnyRow row{table};
  const auto& absent = defaults(table);
  std::size_t optionals = optionalCount(table);
  auto preamble = in.raw((optionals + 7) / 8);
  if (!preamble) return std::nullopt;
  auto present = [&](std::size_t bit) { return ((*preamble)[bit / 8] & 0x80 >> bit % 8) != 0; };
  table.index().front().set(row.data(), Codec<Uuid>::toValue(vm));
  for (const auto& column : table.index().subspan(1))
    if (!column.decode(in, row.data())) return std::nullopt;
  std::size_t bit = 0;
  for (const auto& column : table.values()) {
    if (column.carry == Carry::local || !present(bit++)) continue;
    // A present default is not canonical.
    if (!column.decode(in, row.data()) || column.equal(row.data(), absent.data())) return std::nullopt;
  }
  for (; bit < preamble->size() * 8; ++bit)
    if (present(bit)) return std::nullopt;
  if (!in.atEnd()) return std::nullopt;
  return row;
}

std::string packKey(const AnyRow& row) {
  std::string key;
  OerWriter out{key};
  out.uint16(static_cast<std::uint16_t>(row.table().subid));
  packIndex(out, row);
  return key;
}

namespace {

std::array<std::uint64_t, 4> rowHash(const AnyRow& row) {
  std::string number;
  OerWriter{number}.uint16(static_cast<std::uint16_t>(row.table().subid));
  Sha256 sha;
  sha.update(number);
  sha.update(packRow(row, Form::canonical));
  auto octets = sha.finish();
  std::array<std::uint64_t, 4> words{};
  for (std::size_t i = 0; i < octets.size(); ++i) {
    auto& word = words[3 - i / 8];
    word = word << 8 | static_cast<std::uint8_t>(octets[i]);
  }
  return words;
}

}  // namespace

void Digest::add(const AnyRow& row) {
  auto hash = rowHash(row);
  unsigned carry = 0;
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    unsigned __int128 total = static_cast<unsigned __int128>(sum_[i]) + hash[i] + carry;
    sum_[i] = static_cast<std::uint64_t>(total);
    carry = static_cast<unsigned>(total >> 64);
  }
  ++rows_;
}

void Digest::remove(const AnyRow& row) {
  auto hash = rowHash(row);
  unsigned borrow = 0;
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    unsigned __int128 difference = static_cast<unsigned __int128>(sum_[i]) - hash[i] - borrow;
    sum_[i] = static_cast<std::uint64_t>(difference);
    borrow = (difference >> 64) != 0 ? 1 : 0;
  }
  --rows_;
}

std::string Digest::octets() const {
  std::string octets;
  OerWriter out{octets};
  for (std::size_t i = sum_.size(); i-- > 0;) out.uint64(sum_[i]);
  return octets;
}

void ChunkWriter::put(const TableInfo& table, std::string_view octets) { packed(putTag, table, octets); }

void ChunkWriter::remove(const AnyRow& key) {
  AnyRow bare{key.table()};
  for (const auto& column : key.table().index()) column.set(bare.data(), column.get(key.data()));
  packed(removeTag, key.table(), packRow(bare, Form::full));
}

void ChunkWriter::packed(std::uint8_t tag, const TableInfo& table, std::string_view octets) {
  std::string record;
  OerWriter out{record};
  out.uint8(tag);
  out.uint16(static_cast<std::uint16_t>(table.subid));
  out.octets(octets);
  append(record);
}

void ChunkWriter::end(const Digest& digest) {
  std::string record;
  OerWriter out{record};
  out.uint8(endTag);
  out.uint32(digest.rows());
  out.raw(digest.octets());
  append(record);
  flush();
}

void ChunkWriter::append(std::string_view record) {
  // Version and quantity need at most 1 + 9 octets in front.
  constexpr std::size_t headSize = 10;
  if (count_ > 0 && headSize + records_.size() + record.size() > size_) flush();
  records_ += record;
  ++count_;
}

void ChunkWriter::flush() {
  if (count_ == 0) return;
  std::string chunk;
  OerWriter out{chunk};
  out.uint8(version);
  out.quantity(count_);
  out.raw(records_);
  chunks_.push_back(std::move(chunk));
  records_.clear();
  count_ = 0;
}

namespace {

Result<Record> readPacked(OerReader& in, const Uuid& vm, bool isPut) {
  auto subid = in.uint16();
  auto octets = in.octets();
  if (!subid || !octets) return failure(SnmpStatus::wrongEncoding, "ends in the middle");
  const auto* table = mib::table(*subid);
  if (!table || !table->moves)
    return failure(SnmpStatus::wrongValue, "is of table " + std::to_string(*subid) + ", which this version does not move");
  auto row = unpackRow(*table, vm, *octets);
  if (!row)
    return failure(SnmpStatus::wrongEncoding, "is no row of " + std::string{table->name} + ": " + toHex(octets->substr(0, 64)));
  if (isPut) return Record{Put{std::move(*row), std::string{*octets}}};
  return Record{Remove{std::move(*row)}};
}

Result<Record> readRecord(OerReader& in, const Uuid& vm) {
  auto tag = in.uint8();
  if (!tag) return failure(SnmpStatus::wrongEncoding, "is missing");
  if (*tag == putTag || *tag == removeTag) return readPacked(in, vm, *tag == putTag);
  if (*tag != endTag) return failure(SnmpStatus::wrongEncoding, "has the unknown tag " + std::to_string(*tag));
  auto rows = in.uint32();
  auto digest = in.raw(digestSize);
  if (!rows || !digest) return failure(SnmpStatus::wrongEncoding, "ends in the middle");
  return Record{End{*rows, std::string{*digest}}};
}

}  // namespace

Result<std::vector<Record>> readChunk(const Uuid& vm, std::string_view chunk) {
  OerReader in{chunk};
  auto seen = in.uint8();
  if (!seen || *seen != version)
    return failure(SnmpStatus::wrongValue,
                   "the chunk's version is not " + std::to_string(version) + "; update the older program");
  auto count = in.quantity();
  // Each record has at least 4 octets: a count beyond that is a lie, and must not size anything.
  if (!count || *count > chunk.size() / 4) return failure(SnmpStatus::wrongEncoding, "the chunk's record count is wrong");
  std::vector<Record> records;
  for (std::size_t i = 0; i < *count; ++i) {
    auto record = readRecord(in, vm);
    if (!record) return failure(record.error().status, "the chunk's record " + std::to_string(i + 1) + " " + record.error().text);
    if (std::holds_alternative<End>(*record) && i + 1 != *count)
      return failure(SnmpStatus::wrongEncoding, "the chunk has records behind the end mark");
    records.push_back(std::move(*record));
  }
  if (!in.atEnd()) return failure(SnmpStatus::wrongEncoding, "the chunk has octets behind its last record");
  return records;
}

namespace {

/// The INDEX within a packed row; `scratch` is a row of the table, whose values do not matter.
std::optional<std::string_view> keyOf(const TableInfo& table, AnyRow& scratch, std::string_view octets) {
  OerReader in{octets};
  auto preamble = in.raw((optionalCount(table) + 7) / 8);
  if (!preamble) return std::nullopt;
  for (const auto& column : table.index().subspan(1))
    if (!column.decode(in, scratch.data())) return std::nullopt;
  // An empty piece of what is left shows how far it has come.
  auto rest = in.raw(0);
  return octets.substr(preamble->size(), static_cast<std::size_t>(rest->data() - octets.data()) - preamble->size());
}

}  // namespace

bool forEachKey(std::string_view chunk, const KeySeen& seen) {
  OerReader in{chunk};
  auto first = in.uint8();
  auto count = in.quantity();
  if (!first || *first != version || !count) return false;
  std::optional<AnyRow> scratch;
  for (std::size_t i = 0; i < *count; ++i) {
    auto tag = in.uint8();
    if (!tag || *tag > endTag || *tag < putTag) return false;
    if (*tag == endTag) return in.uint32() && in.raw(digestSize) && in.atEnd();
    auto subid = in.uint16();
    auto octets = in.octets();
    const auto* table = subid && octets ? mib::table(*subid) : nullptr;
    if (!table || !table->moves) return false;
    if (!scratch || &scratch->table() != table) scratch.emplace(*table);
    auto key = keyOf(*table, *scratch, *octets);
    if (!key) return false;
    seen(*table, *tag == putTag, *key);
  }
  return in.atEnd();
}

}  // namespace vmmig::image
