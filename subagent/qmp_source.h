// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "subagent/phase_source.h"

namespace vmmig {

std::unique_ptr<PhaseSource> makeQmpSource(const PhaseSourceOptions& options, EventLoop& loop, PhaseManager& phases,
                                           const std::string& hostName);

}  // namespace vmmig
