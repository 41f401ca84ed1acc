// SPDX-License-Identifier: GPL-2.0-or-later
// The packed image: every moving table there and back, the digest, chunk sizes, and that nothing malformed is read.
#include "mibs/image.h"

#include <gtest/gtest.h>

#include "common/digest.h"
#include "common/hex.h"
#include "mibs/counter_table.h"
#include "mibs/dhcp_binding_table.h"
#include "mibs/tcp_conn_table.h"
#include "mibs/vm_table.h"
#include "tests/unit/random_row.h"

namespace vmmig::image {
namespace {

using namespace std::string_view_literals;

const Uuid vm = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");

std::vector<const TableInfo*> movingTables() {
  std::vector<const TableInfo*> tables;
  for (const auto* table : mib::tables())
    if (table->moves) tables.push_back(table);
  return tables;
}

AnyRow ofVm(AnyRow row) {
  row.set(row.table().index().front(), Codec<Uuid>::toValue(vm));
  return row;
}

bool sameWhereItMoves(const AnyRow& a, const AnyRow& b) { return a.equals(b, Carry::exact) && a.equals(b, Carry::clock) && a.equals(b, Carry::traffic); }

class MovingTable : public testing::TestWithParam<const TableInfo*> {
 protected:
  AnyRow row() { return ofVm(random.row(*GetParam())); }
  std::vector<AnyRow> rows(int count) {
    std::vector<AnyRow> rows;
    for (int i = 0; i < count; ++i) rows.push_back(row());
    return rows;
  }
  std::optional<AnyRow> unpack(std::string_view octets) { return unpackRow(*GetParam(), vm, octets); }
  test::RandomRows random{1};
};

TEST_P(MovingTable, ARowIsTheSameAfterPacking) {
  for (const auto& row : rows(300)) {
    auto unpacked = unpack(packRow(row, Form::full));
    ASSERT_TRUE(unpacked);
    EXPECT_TRUE(sameWhereItMoves(*unpacked, row));
    EXPECT_EQ(vmOf(*unpacked), vm);
    for (const auto& column : row.table().values())
      if (column.carry == Carry::local)
        EXPECT_EQ(unpacked->get(column), AnyRow{row.table()}.get(column)) << column.name << " does not move";
  }
}

TEST_P(MovingTable, TheCanonicalFormLeavesClocksAndTrafficOut) {
  for (const auto& row : rows(50)) {
    auto unpacked = unpack(packRow(row, Form::canonical));
    ASSERT_TRUE(unpacked);
    EXPECT_TRUE(unpacked->equals(row, Carry::exact));
    EXPECT_TRUE(ofVm(AnyRow{row.table()}).table().moves);
    for (const auto& column : row.table().values())
      if (column.carry != Carry::exact && column.carry != Carry::local) EXPECT_EQ(unpacked->get(column), AnyRow{row.table()}.get(column));
  }
}

TEST_P(MovingTable, ATruncatedOrLongerRowIsRefused) {
  for (const auto& row : rows(20)) {
    auto octets = packRow(row, Form::full);
    for (std::size_t size = 0; size < octets.size(); ++size) EXPECT_FALSE(unpack(std::string_view{octets}.substr(0, size)));
    EXPECT_FALSE(unpack(octets + '\0'));
  }
}

TEST_P(MovingTable, EveryOctetCounts) {
  // One encoding a row: what reads at all after a change reads as another row, and packs to the same octets again.
  for (const auto& row : rows(20)) {
    auto octets = packRow(row, Form::full);
    for (std::size_t at = 0; at < octets.size(); ++at)
      for (unsigned flip : {0x01U, 0x80U, 0xffU}) {
        auto changed = octets;
        changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ flip);
        auto unpacked = unpack(changed);
        if (!unpacked) continue;
        EXPECT_FALSE(sameWhereItMoves(*unpacked, row));
        EXPECT_EQ(packRow(*unpacked, Form::full), changed);
      }
  }
}

TEST_P(MovingTable, APresentDefaultIsNotCanonical) {
  AnyRow plain = row();
  for (const auto& column : plain.table().values()) plain.set(column, AnyRow{plain.table()}.get(column));
  auto octets = packRow(plain, Form::full);
  std::size_t bit = 0;
  for (const auto& column : plain.table().values()) {
    if (column.carry == Carry::local) continue;
    // Present although it is the default: its preamble bit is set, and it comes right behind the INDEX.
    auto changed = octets;
    changed[bit / 8] = static_cast<char>(0x80 >> bit % 8);
    OerWriter out{changed};
    column.encode(out, plain.data());
    EXPECT_FALSE(unpack(changed)) << column.name;
    ++bit;
  }
}

TEST_P(MovingTable, ASurplusPreambleBitIsRefused) {
  std::size_t optionals = 0;
  for (const auto& column : GetParam()->values()) optionals += column.carry != Carry::local;
  auto octets = packRow(row(), Form::full);
  for (std::size_t bit = optionals; bit < (optionals + 7) / 8 * 8; ++bit) {
    auto changed = octets;
    changed[bit / 8] |= static_cast<char>(0x80 >> bit % 8);
    EXPECT_FALSE(unpack(changed)) << bit;
  }
}

TEST_P(MovingTable, TheDigestDoesNotDependOnTheOrder) {
  auto some = rows(20);
  Digest forwards;
  Digest backwards;
  for (const auto& row : some) forwards.add(row);
  for (auto row = some.rbegin(); row != some.rend(); ++row) backwards.add(*row);
  EXPECT_EQ(forwards, backwards);
  EXPECT_EQ(forwards.octets().size(), 32U);
  EXPECT_EQ(forwards.rows(), 20U);
}

TEST_P(MovingTable, RemovingFromTheDigestIsTheInverseOfAdding) {
  auto some = rows(20);
  Digest digest;
  for (const auto& row : some) digest.add(row);
  for (const auto& row : some) digest.remove(row);
  EXPECT_EQ(digest, Digest{});
  EXPECT_EQ(digest.octets(), std::string(32, '\0'));
  for (const auto& row : some) digest.remove(row);  // below nothing: borrows through all words
  for (const auto& row : some) digest.add(row);
  EXPECT_EQ(digest, Digest{});
}

TEST_P(MovingTable, TheDigestSeesEveryColumnThatIsExact) {
  auto row = this->row();
  Digest before;
  before.add(row);
  for (const auto& column : row.table().values()) {
    AnyRow changed = row;
    while (changed.get(column) == row.get(column)) changed.set(column, random.value(*column.syntax));
    Digest after;
    after.add(changed);
    EXPECT_EQ(after == before, column.carry != Carry::exact) << column.name;
  }
}

TEST_P(MovingTable, OneRowTwiceIsNotNoRow) {
  auto row = this->row();
  Digest digest;
  digest.add(row);
  digest.add(row);
  EXPECT_NE(digest.octets(), Digest{}.octets());
}

TEST_P(MovingTable, ChunksHoldTheRecordsInOrderAndKeepTheirSize) {
  for (std::size_t size : {700UL, 1000UL, 32768UL}) {  // a record is smaller
    auto some = rows(100);
    ChunkWriter writer{size};
    Digest digest;
    for (const auto& row : some) {
      writer.put(row);
      digest.add(row);
    }
    writer.remove(some[7]);
    digest.remove(some[7]);
    writer.end(digest);
    std::vector<Record> records;
    for (const auto& chunk : writer.take()) {
      EXPECT_LE(chunk.size(), size);
      auto read = readChunk(vm, chunk);
      ASSERT_TRUE(read) << read.error().text;
      records.insert(records.end(), read->begin(), read->end());
    }
    ASSERT_EQ(records.size(), some.size() + 2);
    for (std::size_t i = 0; i < some.size(); ++i) EXPECT_TRUE(sameWhereItMoves(std::get<Put>(records[i]).row, some[i]));
    EXPECT_EQ(packKey(std::get<Remove>(records[some.size()]).key), packKey(some[7]));
    EXPECT_EQ(std::get<End>(records.back()).rows, 99U);
    EXPECT_EQ(std::get<End>(records.back()).digest, digest.octets());
    EXPECT_TRUE(writer.take().empty());
  }
}

TEST_P(MovingTable, ARemoveCarriesTheIndexAlone) {
  auto row = this->row();
  ChunkWriter writer{1000};
  writer.remove(row);
  writer.flush();
  auto records = readChunk(vm, writer.take().at(0));
  ASSERT_TRUE(records);
  const auto& key = std::get<Remove>(records->at(0)).key;
  EXPECT_EQ(key.index(), row.index());
  EXPECT_TRUE(sameWhereItMoves(key, *rowFromIndex(row.table(), row.index())));
}

INSTANTIATE_TEST_SUITE_P(Mib, MovingTable, testing::ValuesIn(movingTables()),
                         [](const auto& info) { return std::string{info.param->name}; });

TEST(PackedRow, IsWhatTheModuleSays) {
  TcpConnRow row;
  row.uuid = vm;
  row.zone = 7;
  row.localAddress = *parseInetAddress("10.0.0.5");
  row.localPort = 443;
  row.remAddress = *parseInetAddress("fd00::1");
  row.remPort = 50000;
  row.state = TcpState::closeWait;                    // the first optional component
  row.status.set(TcpConnStatus::assured);             // the fourteenth
  row.labels.value = std::string(15, '\0') + "\x80";  // the last but one
  EXPECT_EQ(toHex(packRow(row, Form::full)),
            "8004000100"  // preamble: 33 bits
            "0007"
            "01040a000005"
            "01bb"  // zone and local end
            "0210fd000000000000000000000000000001"
            "c350"  // remote end
            "08"
            "40"
            "1000000000000000000000000000000080");
  EXPECT_EQ(toHex(packKey(row)),
            "0004"
            "0007"
            "01040a000005"
            "01bb"
            "0210fd000000000000000000000000000001"
            "c350");
}

TEST(PackedRow, OfTextAndOctetsIsWhatTheModuleSays) {
  DhcpBindingRow binding;
  binding.uuid = vm;
  binding.vlan.value = 7;
  binding.macAddress.value = "\x02\x01\x02\x03\x04\x05";
  binding.address = *parseInetAddress("10.0.0.5");
  binding.leaseTime = 60;
  binding.port.value = "vnet1";
  EXPECT_EQ(toHex(packRow(binding, Form::full)),
            "c0"            // preamble: leaseTime, port
            "0007"          // VLAN
            "020102030405"  // a fixed size has no length
            "01040a000005"
            "0000003c"
            "05766e657431");
  CounterRow counter;
  counter.uuid = vm;
  counter.name.value = "syn";
  counter.kind = CounterKind::quota;
  counter.octets = 0x1'0000'0000;  // its low half is the default
  counter.threshold = 5;
  EXPECT_EQ(toHex(packRow(counter, Form::full)),
            "8600"      // preamble: kind, octetsHigh, threshold
            "0373796e"  // name
            "00"        // no member
            "03"
            "00000001"
            "00000005");
}

TEST(PackedRow, ItsDigestIsTheHashOfTableNumberAndCanonicalForm) {
  TcpConnRow row;
  row.timeout = 17;
  Digest digest;
  digest.add(row);
  row.timeout = 0;
  Sha256 sha;
  sha.update("\0\4"sv);
  sha.update(packRow(row, Form::full));
  EXPECT_EQ(toHex(digest.octets()), toHex(sha.finish()));
}

TEST(Chunk, OfAnImageWithoutRowsIsTheExampleOfTheModule) {
  ChunkWriter writer{1000};
  writer.end(Digest{});
  auto chunks = writer.take();
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(toHex(chunks[0]), "0101018200000000" + std::string(64, '0'));
}

TEST(Chunk, ARecordLargerThanTheChunkHasOneOfItsOwn) {
  ChunkWriter writer{1};
  writer.put(TcpConnRow{});
  writer.put(TcpConnRow{});
  writer.flush();
  auto chunks = writer.take();
  ASSERT_EQ(chunks.size(), 2U);
  for (const auto& chunk : chunks) EXPECT_EQ(readChunk(vm, chunk)->size(), 1U);
}

TEST(Chunk, FlushingNothingMakesNone) {
  ChunkWriter writer{1000};
  writer.flush();
  EXPECT_TRUE(writer.take().empty());
}

struct Malformed {
  std::string name;
  std::string octets;
  SnmpStatus status;
  std::string text;  // part of the sentence
};

const std::string end = fromHex("8200000000" + std::string(64, '0')).value();

std::string chunkOf(std::string_view records, std::string_view count = "\1\1") {
  return "\1" + std::string{count} + std::string{records};
}

class MalformedChunk : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedChunk, IsRefusedWithASentence) {
  auto records = readChunk(vm, GetParam().octets);
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().status, GetParam().status);
  EXPECT_NE(records.error().text.find(GetParam().text), std::string::npos) << records.error().text;
}

std::string packedConnection() {
  ChunkWriter writer{1000};
  writer.put(TcpConnRow{});
  writer.flush();
  return writer.take().at(0).substr(3);
}

std::string packedVmRow() {
  std::string record = "\x80";
  OerWriter out{record};
  out.uint16(2);
  out.octets("");
  return record;
}

INSTANTIATE_TEST_SUITE_P(
    Image, MalformedChunk,
    testing::Values(
        Malformed{"Empty", "", SnmpStatus::wrongValue, "version"},
        Malformed{"OfAnotherVersion", "\2" + std::string{"\1\1"} + end, SnmpStatus::wrongValue, "version"},
        Malformed{"WithoutCount", "\1", SnmpStatus::wrongEncoding, "count"},
        Malformed{"WithAHugeCount", chunkOf(end, "\x08\xff\xff\xff\xff\xff\xff\xff\xff"), SnmpStatus::wrongEncoding, "count"},
        Malformed{"WithACountThatIsNotMinimal", chunkOf(end, "\2\0\1"sv), SnmpStatus::wrongEncoding, "count"},
        Malformed{"WithTooFewRecords", chunkOf(packedConnection(), "\1\2"), SnmpStatus::wrongEncoding, "record 2 is missing"},
        Malformed{"WithRecordsBehindTheEndMark", chunkOf(end + end, "\1\2"), SnmpStatus::wrongEncoding, "behind the end mark"},
        Malformed{"WithOctetsBehindItsLastRecord", chunkOf(end + "x"), SnmpStatus::wrongEncoding, "behind its last record"},
        Malformed{"WithATruncatedEnd", chunkOf(end.substr(0, 36)), SnmpStatus::wrongEncoding, "ends in the middle"},
        Malformed{"WithAnUnknownTag", chunkOf("\x83" + end.substr(1)), SnmpStatus::wrongEncoding, "unknown tag 131"},
        Malformed{"WithAnUnknownTable", chunkOf("\x80\xff\xff\0"sv), SnmpStatus::wrongValue, "table 65535"},
        Malformed{"WithATableThatDoesNotMove", chunkOf(packedVmRow()), SnmpStatus::wrongValue, "table 2"},
        Malformed{"WithARowThatIsNone", chunkOf("\x80\0\4\1\0"sv), SnmpStatus::wrongEncoding, "vmMigTcpConnTable"},
        Malformed{"WithARowThatClaimsTooMuch", chunkOf("\x80\0\4\x7f\0"sv), SnmpStatus::wrongEncoding, "ends in the middle"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace vmmig::image
