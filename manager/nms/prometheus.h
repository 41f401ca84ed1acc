// SPDX-License-Identifier: GPL-2.0-or-later
// Names that snmp_exporter's module, the alert rules and the dashboard have in common.
#pragma once

#include "manager/nms/pack.h"

namespace vmmig::nms {

inline constexpr const char* jobName = "vmmig";
inline constexpr const char* uuidLabel = "vmMigVmUuid";
inline constexpr const char* vmNameLabel = "vmName";

/// vmmig.rules.yml
std::string alertRules(const Model& model);

}  // namespace vmmig::nms
