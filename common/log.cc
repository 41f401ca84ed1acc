// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/log.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace vmmig::log {

namespace {

struct Settings {
  Level level = Level::info;
  std::string program = "vmmig";
  // systemd sets JOURNAL_STREAM when our standard error is the journal.
  bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
};

Settings& settings() {
  static Settings instance;
  return instance;
}

}  // namespace

void setLevel(Level level) { settings().level = level; }
void setProgram(std::string_view program) { settings().program = program; }

void write(Level level, std::string_view text) {
  const auto& use = settings();
  if (level > use.level) return;
  std::string line = use.journal ? "<" + std::to_string(static_cast<int>(level)) + ">" : use.program + ": ";
  // A peer's text must not forge a second line.
  for (char c : text) line += (static_cast<unsigned char>(c) < 0x20) ? ' ' : c;
  line += '\n';
  // One write(2) a line, so that lines of several processes on one terminal do not mix.
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace vmmig::log
