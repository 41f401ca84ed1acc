// SPDX-License-Identifier: GPL-2.0-or-later
// Reads VM-MIGRATION-MIB through libsmi.
#pragma once

#include "common/result.h"
#include "manager/nms/model.h"

namespace vmmig::nms {

/// Where `make install` puts the module and those that it imports.
std::string installedModulePath();

/// `path`: directories with colons between them. An error names what libsmi did not find or did not like.
Result<Model> readModule(const std::string& path);

}  // namespace vmmig::nms
