// SPDX-License-Identifier: GPL-2.0-or-later
// A file that is replaced as a whole: a crash or a full disk leaves the old one or the new one, never half of one.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "common/result.h"

namespace vmmig {

/// What a file survives from when replaceFile() answers.
enum class Survives {
  kill,      // of the process, at any moment; after a power cut it may be any older one, or damaged
  powerCut,  // fsync(2) of the file and its directory: milliseconds, and on a busy disk many of them
};

/// Written beside (PATH.new), and rename(2). An Error names the path, the reason, and what to do.
Status replaceFile(const std::string& path, std::string_view text, mode_t mode = 0600, Survives survives = Survives::powerCut);

/// All of it, however often write(2) is interrupted; errno says why not.
bool writeAll(int fd, std::string_view text);

}  // namespace vmmig
