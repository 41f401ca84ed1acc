// SPDX-License-Identifier: GPL-2.0-or-later
// Files that `vmmig import` reads. What becomes a row becomes the same row again.
#include <nlohmann/json.hpp>

#include "mibs/registry.h"
#include "mibs/row_json.h"
#include "tests/fuzz/fuzz_main.h"
#include "tests/unit/random_row.h"

namespace vmmig::fuzz {

std::vector<std::string> seeds() {
  test::RandomRows random{1};
  std::vector<std::string> seeds;
  for (const auto* table : mib::tables()) {
    if (table->name == "vmMigImageTable") continue;  // 48 KiB of hex teach nothing
    for (int i = 0; i < 5; ++i) seeds.push_back(toJson(random.row(*table)).dump());
  }
  return seeds;
}

}  // namespace vmmig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmmig;
  auto object = nlohmann::json::parse(data, data + size, nullptr, false);
  if (object.is_discarded()) return 0;
  for (const auto* table : mib::tables()) {
    auto row = rowFromJson(*table, object);
    if (!row) {
      fuzz::require(!row.error().text.empty(), "a refusal says why");
      continue;
    }
    auto again = rowFromJson(*table, toJson(*row));
    fuzz::require(again.has_value(), "a row's own JSON is read");
    for (const auto& column : table->columns) {
      fuzz::require(again->get(column) == row->get(column), "a row's own JSON is the same row");
      displayValue(column, *row);
    }
  }
  return 0;
}
