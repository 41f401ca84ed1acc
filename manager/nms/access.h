// SPDX-License-Identifier: GPL-2.0-or-later
// The rights of an NMS on a device, as lines of snmpd.conf: it reads what its pack polls, and nothing that tells who talks to
// whom.
#pragma once

#include "manager/nms/pack.h"

namespace vmmig::nms {

/// The SNMPv3 user that the packs' examples have.
inline constexpr const char* exampleUser = "nms";

PackFile accessFile(const Model& model);

}  // namespace vmmig::nms
