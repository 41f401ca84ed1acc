// SPDX-License-Identifier: GPL-2.0-or-later
// What the programs of the bench have in common: a failure ends them with a sentence, and work is timed.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "common/result.h"

namespace vmmig {

[[noreturn]] inline void fail(const std::string& text) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, text.c_str());
  std::exit(1);
}

/// What goes wrong in a benchmark ends it. `what`: whose failure it would be.
template <class T>
T need(Result<T> result, const char* what = nullptr) {
  if (!result) fail((what ? std::string{what} + ": " : std::string{}) + result.error().text);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline double millisecondsOf(const std::function<void()>& work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace vmmig
