// SPDX-License-Identifier: GPL-2.0-or-later
// A look at a chunk of a packed image (image.h) that makes no rows: which rows it puts and removes.
#pragma once

#include <functional>
#include <string_view>

#include "mibs/row.h"

namespace vmmig::image {

/// `key` is the row's INDEX without the VM, as it is packed: equal for the same row of a table, and valid during the call.
using KeySeen = std::function<void(const TableInfo& table, bool isPut, std::string_view key)>;

/// False when the chunk is none, as far as that shows without decoding the rows' values; some of its keys may have been told.
bool forEachKey(std::string_view chunk, const KeySeen& seen);

}  // namespace vmmig::image
