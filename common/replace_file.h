// SPDX-License-Identifier: GPL-2.0-or-later
// A file that is replaced as a whole: a crash or a full disk leaves the old one or the new one, never half of one.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "common/result.h"

namespace vmmig {

/// On the disk when it answers without an error: written beside (PATH.new), fsync(2), rename(2), and fsync(2) of the directory.
/// An Error names the path, the reason, and what to do.
Status replaceFile(const std::string& path, std::string_view text, mode_t mode = 0600);

/// All of it, however often write(2) is interrupted; errno says why not.
bool writeAll(int fd, std::string_view text);

}  // namespace vmmig
