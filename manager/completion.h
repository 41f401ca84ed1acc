// SPDX-License-Identifier: GPL-2.0-or-later
// What a shell needs to complete vmmig's command lines, made from the commands' own descriptions: a new command or option is in
// it without a further line.
#pragma once

#include <string>

namespace vmmig {

/// A script for bash, which defines the completion of `vmmig`.
std::string bashCompletion();

}  // namespace vmmig
