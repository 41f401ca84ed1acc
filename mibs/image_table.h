// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigImageTable: the packed image of a transfer, one chunk a row (mibs/image.h has the encoding). Writing the data of a
// chunk creates its row; the same chunk written again changes nothing, a different one under its number is refused.
#pragma once

#include "mibs/row.h"

namespace vmmig {

/// What a chunk may hold: reference figures have one AgentX PDU limited to 65,536 octets, and 32 KiB as the fastest size.
inline constexpr std::size_t maxChunkSize = 49152;

struct ImageRow {
  Uuid uuid;
  Ranged<1, 0xffffffff> epoch;   // of the transfer; a chunk of another epoch is refused
  Ranged<1, 0xffffffff> number;  // from 1, in the order in which chunks apply
  Octets<0, maxChunkSize> data;
};

inline constexpr std::array imageColumns{
    indexColumn<&ImageRow::uuid>(0, "vmMigVmUuid"),
    indexColumn<&ImageRow::epoch>(1, "vmMigImageEpoch"),
    indexColumn<&ImageRow::number>(2, "vmMigImageNumber"),
    column<&ImageRow::data>(3, "vmMigImageData", Access::readCreate, Carry::local, required),
};

template <>
struct TableOf<ImageRow> {
  static constexpr TableInfo info = describeTable<ImageRow>(12, "vmMigImageTable", "vmMigImageEntry", imageColumns, 3, false);
};

}  // namespace vmmig
