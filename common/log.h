// SPDX-License-Identifier: GPL-2.0-or-later
// The log: one line an event, to standard error with systemd's priority prefix (sd-daemon(3)) when it reads us, plain otherwise.
// A line says what happened, to which VM, on which device, and what to do.
#pragma once

#include <string_view>

namespace vmmig::log {

/// syslog(3) priorities.
enum class Level { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

/// Lines above this level are dropped; the default is info.
void setLevel(Level level);
/// The word in front of each line on a terminal, such as "vmmigd".
void setProgram(std::string_view program);

void write(Level level, std::string_view text);
inline void error(std::string_view text) { write(Level::error, text); }
inline void warning(std::string_view text) { write(Level::warning, text); }
inline void notice(std::string_view text) { write(Level::notice, text); }
inline void info(std::string_view text) { write(Level::info, text); }
inline void debug(std::string_view text) { write(Level::debug, text); }

}  // namespace vmmig::log
