// SPDX-License-Identifier: GPL-2.0-or-later
// What snmptrapd gives to a traphandle, in words: an awk program that the scripts of several packs have in common.
#pragma once

#include <string>

#include "manager/nms/model.h"

namespace vmmig::nms {

/// For single quotes in a shell script. It prints one line, or none for a notification of another module:
/// severity (0 ok, 1 information, 2 warning, 3 critical), notification, address it came from, the VM's UUID (or -), text; with
/// tabs between them. Nothing in a line can be taken for a control character, whatever the notification contains.
std::string trapDecoder(const Model& model);

}  // namespace vmmig::nms
