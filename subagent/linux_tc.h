// SPDX-License-Identifier: GPL-2.0-or-later
// The QoS of ports by tc(8), which owns the language: read as the text of a policy, replaced as a whole, and tried first on an
// interface that nobody uses.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace vmmig {

/// Lines of linux_tc_text.h.
using TcLines = std::vector<std::string>;

/// What is set at a port; the kernel's own choice (qdiscs with the handle 0:) is nothing. Error: something that lines cannot say.
Result<TcLines> readQos(const std::string& port);

/// Puts `wanted` in the place of `now`, as readQos() has told it. When tc refuses a line, `now` is there again.
Status replaceQos(const std::string& port, const TcLines& now, const TcLines& wanted);

/// Would the kernel take it, and make of it what the lines say? It is tried on an interface that is removed again.
Status rehearseQos(const TcLines& wanted);

}  // namespace vmmig
