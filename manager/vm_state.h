// SPDX-License-Identifier: GPL-2.0-or-later
// Everything that a device holds for one VM and that moves with it: read from a device, written to and read from a file,
// compared.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "manager/device.h"
#include "mibs/vm_table.h"

namespace vmmig {

struct VmState {
  VmRow vm;
  std::vector<AnyRow> addresses;  // of vmMigVmAddressTable
  std::vector<AnyRow> rows;       // of every table that moves
};

/// The VM that a UUID or a name (vmMigVmName) means on this device; noSuchName when it knows none of that name.
Task<Result<Uuid>> findVm(Device& device, std::string uuidOrName);

/// noSuchName when the device does not know the VM.
Task<Result<VmState>> readVmState(Device& device, Uuid vm);

/// The file of `vmmig export`: {"format": "vmmig-export", "version": 1, "device": ..., "time": ..., "vm": {}, "addresses": [],
/// "tables": {"vmMigTcpConnTable": []}}; rows as in mibs/row_json.h.
nlohmann::json toJson(const VmState& state, const std::string& device);
/// Never trusts the text; an error says where it is wrong.
Result<VmState> vmStateFromText(const std::string& text);
Result<VmState> readVmStateFile(const std::string& file);

/// A line a difference: "- TcpConn 10.0.0.5 22 ..." (only in `left`), "+ ..." (only in `right`), "! ...: State established,
/// closeWait". Columns that a clock changes may differ by `clockTolerance` seconds.
std::vector<std::string> differences(const VmState& left, const VmState& right, std::int64_t clockTolerance);

}  // namespace vmmig
