// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/progress.h"

#include <unistd.h>

#include <cstdio>

namespace vmmig {

Progress::Progress() : isTerminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::show(const std::string& text) {
  auto now = Clock::now();
  if (!isTerminal_ || now < next_) return;
  next_ = now + std::chrono::milliseconds{100};
  shown_ = true;
  // Carriage return, text, erase to the end of the line (ECMA-48 EL).
  std::fprintf(stderr, "\r%s\033[K", text.c_str());
  std::fflush(stderr);
}

void Progress::clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace vmmig
