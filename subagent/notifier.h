// SPDX-License-Identifier: GPL-2.0-or-later
// How the parts of the agent tell the world: a notification of VM-MIGRATION-MIB about one row.
#pragma once

#include "mibs/registry.h"

namespace vmmig {

class Notifier {
 public:
  virtual ~Notifier() = default;
  /// Sends the notification with its OBJECTS taken from `row` (a row of NotificationInfo::table). Never waits; what cannot be sent
  /// is in the tables for whoever missed it.
  virtual void send(mib::Notification notification, const AnyRow& row) = 0;
};

}  // namespace vmmig
