// SPDX-License-Identifier: GPL-2.0-or-later
// Instances as a stranger sends them, over every table. Input: the table's number (1 octet), then 4 octets a sub-identifier.
#include "mibs/registry.h"
#include "tests/fuzz/fuzz_main.h"
#include "tests/unit/random_row.h"

namespace vmmig::fuzz {

std::vector<std::string> seeds() {
  test::RandomRows random{1};
  std::vector<std::string> seeds;
  std::uint8_t number = 0;
  for (const auto* table : mib::tables()) {
    for (int i = 0; i < 10; ++i) {
      std::string seed;
      OerWriter out{seed};
      out.uint8(number);
      for (auto sub : random.row(*table).index()) out.uint32(sub);
      seeds.push_back(seed);
    }
    ++number;
  }
  return seeds;
}

}  // namespace vmmig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmmig;
  OerReader in{{reinterpret_cast<const char*>(data), size}};
  auto number = in.uint8();
  if (!number) return 0;
  const auto& table = *mib::tables()[*number % mib::tables().size()];
  Oid index;
  while (auto sub = in.uint32()) index.push_back(*sub);
  if (auto row = rowFromIndex(table, index)) fuzz::require(row->index() == index, "an index is its own only spelling");
  // The same as the tail of an OID: names this table's column, or nothing.
  auto name = mib::resolve(mib::objects() + index);
  fuzz::require(!name.column || name.table, "a column is of a table");
  return 0;
}
