// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/transfer_text.h"

#include <chrono>

#include "mibs/row_json.h"

namespace vmmig {

MicrosecondsUtc nowUtc() {
  auto since1970 = std::chrono::system_clock::now().time_since_epoch();
  return {static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(since1970).count())};
}

Text<255> shortened(std::string text) {
  constexpr std::size_t most = 255;
  if (text.size() > most) {
    std::size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
  }
  // A device's own text may be anything.
  if (!detail::isUtf8(text)) text = "(a text that is not UTF-8; see the log)";
  return {std::move(text)};
}

std::string describe(const AnyRow& row) {
  std::string text{row.table().entry};
  for (const auto& column : row.table().index().subspan(1))
    // An address tells its type.
    if (column.syntax != &Codec<InetAddressType>::syntax) text += " " + displayValue(column, row);
  return text;
}

}  // namespace vmmig
