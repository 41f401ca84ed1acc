// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/top/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "common/replace_file.h"

namespace vmmig::top {

namespace {

// xterm's alternate screen, cursor (DECTCEM) and wrapping (DECAWM) off.
constexpr char enterSequence[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
constexpr char leaveSequence[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

// For the handler of a crash, which may call nothing but what signal-safety(7) lists.
termios savedSettings;
volatile sig_atomic_t isSaved = 0;
constexpr int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

void restoreAndCrash(int signal) {
  if (isSaved) {
    [[maybe_unused]] auto written = ::write(STDOUT_FILENO, leaveSequence, sizeof leaveSequence - 1);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &savedSettings);
  }
  ::raise(signal);  // SA_RESETHAND: now for good
}

void handleCrashes() {
  struct sigaction action {};
  action.sa_handler = restoreAndCrash;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  for (int signal : crashes) ::sigaction(signal, &action, nullptr);
}

/// ECMA-48 SGR.
const char* sgr(Style style, bool hasColours) {
  switch (style) {
    case Style::plain: return "0";
    case Style::dim: return "0;2";
    case Style::bold: return "0;1";
    case Style::title: return "0;7;1";
    case Style::good: return hasColours ? "0;32" : "0";
    case Style::warn: return hasColours ? "0;33" : "0;1";
    case Style::bad: return hasColours ? "0;1;31" : "0;1;4";
  }
  return "0";
}

struct Sequence {
  const char* octets;
  Key key;
};
constexpr Sequence sequences[] = {
    {"\033[A", Key::up},      {"\033OA", Key::up},        {"\033[B", Key::down}, {"\033OB", Key::down},
    {"\033[5~", Key::pageUp}, {"\033[6~", Key::pageDown}, {"\033[H", Key::home}, {"\033OH", Key::home},
    {"\033[1~", Key::home},   {"\033[F", Key::end},       {"\033OF", Key::end},  {"\033[4~", Key::end},
};

/// Octets of the control sequence at the front (ECMA-48 section 5.4); 0 when it has not ended yet.
std::size_t sequenceSize(const std::string& octets) {
  if (octets.size() < 2) return 0;
  if (octets[1] == 'O') return octets.size() < 3 ? 0 : 3;
  if (octets[1] != '[') return 1;
  for (std::size_t at = 2; at < octets.size(); ++at)
    if (octets[at] >= 0x40 && octets[at] <= 0x7e) return at + 1;
  return 0;
}

}  // namespace

std::vector<KeyPress> takeKeys(std::string& octets) {
  std::vector<KeyPress> keys;
  while (!octets.empty()) {
    if (octets[0] != '\033') {
      keys.push_back({Key::none, octets[0]});
      octets.erase(0, 1);
      continue;
    }
    auto size = sequenceSize(octets);
    if (size == 0) break;
    for (const auto& each : sequences)
      if (octets.compare(0, size, each.octets) == 0) keys.push_back({each.key});
    octets.erase(0, size);
  }
  // Nobody's sequence is so long.
  if (octets.size() > 64) octets.clear();
  return keys;
}

std::string sequencesFor(const std::vector<Line>& lines, bool hasColours) {
  std::string out = "\033[H";
  for (std::size_t at = 0; at < lines.size(); ++at) {
    for (const auto& run : lines[at]) {
      out += std::string{"\033["} + sgr(run.style, hasColours) + "m";
      out += run.text;
    }
    out += "\033[0m\033[K";
    if (at + 1 < lines.size()) out += "\r\n";
  }
  return out + "\033[J";
}

bool Terminal::isUsable() {
  const char* type = std::getenv("TERM");
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1 && type && *type && std::strcmp(type, "dumb") != 0;
}

Terminal::Terminal(EventLoop& loop) : loop_(loop) {
  const char* noColour = std::getenv("NO_COLOR");  // no-color.org
  hasColours_ = !noColour || *noColour == '\0';
  ::tcgetattr(STDIN_FILENO, &savedSettings);
  handleCrashes();
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) loop_.onSignal(signal, [this] { quit_(); });
  loop_.onSignal(SIGTSTP, [this] { suspend(); });
  loop_.onSignal(SIGWINCH, [this] { redraw_(); });
  loop_.watch(STDIN_FILENO, [this] { readable(); });
  enter();
}

Terminal::~Terminal() {
  loop_.unwatch(STDIN_FILENO);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH}) loop_.onSignal(signal, [] {});
  leave();
}

void Terminal::enter() {
  termios settings = savedSettings;
  // Keys come one by one and are not shown; ^C and ^Z stay signals. A read never waits.
  settings.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO));
  settings.c_cc[VMIN] = settings.c_cc[VTIME] = 0;
  isSaved = 1;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
  writeAll(STDOUT_FILENO, enterSequence);
  isEntered_ = true;
}

void Terminal::leave() {
  if (!std::exchange(isEntered_, false)) return;
  writeAll(STDOUT_FILENO, leaveSequence);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &savedSettings);
  isSaved = 0;
}

/// ^Z: until fg.
void Terminal::suspend() {
  leave();
  ::raise(SIGSTOP);
  ::tcgetattr(STDIN_FILENO, &savedSettings);
  enter();
  redraw_();
}

void Terminal::readable() {
  char buffer[256];
  auto size = ::read(STDIN_FILENO, buffer, sizeof buffer);
  if (size <= 0) return quit_();
  octets_.append(buffer, static_cast<std::size_t>(size));
  for (auto key : takeKeys(octets_)) key_(key);
}

Terminal::Size Terminal::size() const {
  winsize is{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &is) != 0 || is.ws_col == 0 || is.ws_row == 0) return {};
  return {is.ws_col, is.ws_row};
}

void Terminal::draw(const std::vector<Line>& lines) {
  if (!isEntered_) return;
  if (!writeAll(STDOUT_FILENO, sequencesFor(lines, hasColours_))) quit_();
}

}  // namespace vmmig::top
