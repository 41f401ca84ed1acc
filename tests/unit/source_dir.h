// SPDX-License-Identifier: GPL-2.0-or-later
// Where the sources are: automake tells its tests in `srcdir`; by hand, run them in a build directory of the source tree or set
// it.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace vmmig::test {

inline std::filesystem::path sourceDir() {
  const char* directory = std::getenv("srcdir");
  return directory ? directory : ".";
}

}  // namespace vmmig::test
