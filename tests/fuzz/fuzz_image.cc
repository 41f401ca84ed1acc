// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks of an image as a stranger sends them. Whatever is read must be the only encoding of what it says.
#include "mibs/image.h"
#include "mibs/image_keys.h"
#include "mibs/registry.h"
#include "tests/fuzz/fuzz_main.h"
#include "tests/unit/random_row.h"

namespace vmmig::fuzz {

namespace {

const Uuid vm{{1, 2, 3}};

void write(OerWriter& out, std::uint8_t tag, const AnyRow& row) {
  out.uint8(tag);
  out.uint16(static_cast<std::uint16_t>(row.table().subid));
  out.octets(image::packRow(row, image::Form::full));
  require(vmOf(row) == vm, "a row belongs to the transfer's VM");
}

/// Written here once more, apart from the code that is tested.
std::string written(const std::vector<image::Record>& records) {
  std::string octets;
  OerWriter out{octets};
  out.uint8(image::version);
  out.quantity(records.size());
  for (const auto& record : records) {
    if (const auto* put = std::get_if<image::Put>(&record)) write(out, 0x80, put->row);
    if (const auto* remove = std::get_if<image::Remove>(&record)) write(out, 0x81, remove->key);
    if (const auto* end = std::get_if<image::End>(&record)) {
      out.uint8(0x82);
      out.uint32(end->rows);
      out.raw(end->digest);
    }
  }
  return octets;
}

/// What forEachKey() must tell of these.
std::vector<std::string> keysOf(const std::vector<image::Record>& records) {
  std::vector<std::string> keys;
  for (const auto& record : records) {
    if (const auto* put = std::get_if<image::Put>(&record)) keys.push_back("+" + image::packKey(put->row));
    if (const auto* remove = std::get_if<image::Remove>(&record)) keys.push_back("-" + image::packKey(remove->key));
  }
  return keys;
}

std::optional<std::vector<std::string>> keysIn(std::string_view chunk) {
  std::vector<std::string> keys;
  bool isWhole = image::forEachKey(chunk, [&](const TableInfo& table, bool isPut, std::string_view key) {
    auto& octets = keys.emplace_back(isPut ? "+" : "-");
    OerWriter{octets}.uint16(static_cast<std::uint16_t>(table.subid));
    octets += key;
  });
  return isWhole ? std::optional{keys} : std::nullopt;
}

}  // namespace

std::vector<std::string> seeds() {
  test::RandomRows random{1};
  std::vector<std::string> seeds;
  for (int i = 0; i < 20; ++i) {
    image::ChunkWriter writer{static_cast<std::size_t>(random.number(50, 600))};
    image::Digest digest;
    for (const auto* table : mib::tables()) {
      if (!table->moves) continue;
      for (int n = 0; n < 5; ++n) {
        auto row = random.row(*table);
        digest.add(row);
        n % 3 == 2 ? writer.remove(row) : writer.put(row);
      }
    }
    writer.end(digest);
    for (auto& chunk : writer.take()) seeds.push_back(std::move(chunk));
  }
  return seeds;
}

}  // namespace vmmig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmmig;
  std::string_view chunk{reinterpret_cast<const char*>(data), size};
  auto records = image::readChunk(fuzz::vm, chunk);
  auto keys = fuzz::keysIn(chunk);  // of anything: it must only come back
  if (records) {
    fuzz::require(fuzz::written(*records) == chunk, "what is read is written the same");
    fuzz::require(keys == fuzz::keysOf(*records), "the keys are those of the rows");
  } else {
    fuzz::require(!records.error().text.empty(), "a refusal says why");
  }
  return 0;
}
