// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/back_end.h"

#include <algorithm>
#include <cctype>

#include "mibs/labels.h"
#include "subagent/transfer_text.h"

namespace vmmig {

CheckRow summaryOf(std::span<const CheckRow> checks) {
  CheckRow summary;
  auto worst = std::max_element(checks.begin(), checks.end(),
                                [](const CheckRow& a, const CheckRow& b) { return a.health < b.health; });
  if (worst == checks.end() || worst->health == Health::up) return summary;
  summary = *worst;
  summary.text = shortened(worst->text.value + (worst->remedy.value.empty() ? "" : ": " + worst->remedy.value));
  return summary;
}

Capability capabilityOf(const TableInfo& table) {
  constexpr std::string_view before = "vmMig", behind = "Table";
  std::string label{table.name.substr(before.size(), table.name.size() - before.size() - behind.size())};
  label[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(label[0])));
  return fromLabel<Capability>(label).value();
}

}  // namespace vmmig
