// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/row_store.h"

#include <algorithm>

namespace vmmig {

bool Change::wrote(std::string_view column) const {
  return std::any_of(written.begin(), written.end(), [column](const auto* each) { return each->name == column; });
}

Change Change::inverse() const {
  switch (kind) {
    case Kind::create: return {Kind::remove, after, after, {}};
    case Kind::remove: return {Kind::create, std::nullopt, after, {}};
    default: return {Kind::replace, after, *before, written};
  }
}

}  // namespace vmmig
