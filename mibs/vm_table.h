// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigVmTable: the VMs that this device knows. Creating a row makes the device follow the VM.
#pragma once

#include "mibs/row.h"

namespace vmmig {

struct VmRow {
  Uuid uuid;
  Text<255> name;           // RFC 7666 vmName: for people
  Text<255> port;           // where the VM is attached here: an interface's name, empty when unknown
  bool tracked = true;      // the device shows and follows the VM's state
  bool blocked = false;     // the VM's traffic is stopped ahead of connection tracking
  std::uint32_t tcpConns = 0;
  bool notificationsEnable = true;
  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array vmColumns{
    indexColumn<&VmRow::uuid>(1, "vmMigVmUuid"),
    column<&VmRow::name>(2, "vmMigVmName", Access::readCreate, Carry::local),
    naming(Names::port, column<&VmRow::port>(3, "vmMigVmPort", Access::readCreate, Carry::local)),
    column<&VmRow::tracked>(4, "vmMigVmTracked", Access::readCreate, Carry::local),
    column<&VmRow::blocked>(5, "vmMigVmBlocked", Access::readOnly, Carry::local),
    column<&VmRow::tcpConns>(6, "vmMigVmTcpConns", Access::readOnly, Carry::local),
    column<&VmRow::notificationsEnable>(7, "vmMigVmNotificationsEnable", Access::readCreate, Carry::local),
    column<&VmRow::storageType>(8, "vmMigVmStorageType", Access::readCreate, Carry::local),
    column<&VmRow::rowStatus>(9, "vmMigVmRowStatus", Access::readCreate, Carry::local),
};

template <>
struct TableOf<VmRow> {
  static constexpr TableInfo info = describeTable<VmRow>(2, "vmMigVmTable", "vmMigVmEntry", vmColumns, 1, false);
};

}  // namespace vmmig
