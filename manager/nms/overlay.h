// SPDX-License-Identifier: GPL-2.0-or-later
// What no module says and a person must decide: which tables an NMS watches, what alerts, how severe it is, and what to do about
// it. It is compiled in, and not a file beside the packs: the compiler and check() hold it against the module, nothing has to be
// found or parsed at run time, and an operator who wants another threshold changes it where his NMS keeps thresholds.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "manager/nms/model.h"

namespace vmmig::nms {

enum class Severity { ok, information, warning, critical };
std::string_view name(Severity severity);

/// A table that NMSs poll. Those of VMs' state are not among them: the module asks to hide them from who only watches.
struct WatchedTable {
  std::string_view table;
  std::string_view title;   // of one row, for people: "VM"
  std::string_view vmName;  // the column, of this or another table with the same index, that names a row's VM; empty: none
};

struct Alert {
  enum class When {
    is,         // the object has one of `labels`
    above,      // it is more than `threshold`
    increased,  // it rose more than `threshold` times within `seconds`
    silent,     // there has been no value for `seconds`
    clockOff,   // it is more than `threshold` seconds away from the NMS's clock
  };
  std::string_view name;
  Severity severity;
  std::string_view object;
  When when;
  std::vector<std::string_view> labels = {};
  unsigned threshold = 0;
  unsigned seconds = 0;          // is, above, clockOff: it must hold so long
  std::string_view since = {};   // only while this time is less than recentSeconds ago: rows stay as history
  std::string_view detail = {};  // the text object that has the reason
  std::string_view summary;
  std::string_view remedy;
};
inline constexpr unsigned recentSeconds = 3600;

/// How severe a notification is. A state among `exceptions` decides instead of `severity`.
struct NotificationRule {
  struct Exception {
    std::string_view object;
    std::string_view label;
    Severity severity;
    std::string_view summary;  // instead of the rule's
  };
  std::string_view name;
  Severity severity;
  std::vector<Exception> exceptions = {};
  std::string_view clears = {};  // the notification whose problem of the same VM it ends
  std::string_view detail = {};  // the object that has the reason
  std::string_view summary;
};

/// A value of an enumeration that is not as it should be; all others are.
struct BadState {
  std::string_view object;
  std::string_view label;
  Severity severity;
};

std::span<const WatchedTable> watchedTables();
std::span<const Alert> alerts();
std::span<const NotificationRule> notificationRules();
std::span<const BadState> badStates();

const WatchedTable* watched(const Table& table);
const NotificationRule& ruleOf(const Notification& notification);
/// Of a notification that is so severe: the exception's that makes it so, or the rule's.
std::string_view summaryOf(const NotificationRule& rule, Severity severity);
/// Whether an NMS polls the object.
bool isWatched(const Model& model, const Object& object);
/// Of the scalars, or of a table, in the order of the module.
std::vector<const Object*> watchedObjects(const Model& model, const Table* table);
/// How an NMS shows that an enumeration has this value.
Severity severityOf(const Object& object, std::string_view label);

/// Whether each name here is in the module, and each notification of the module here.
Status check(const Model& model);

}  // namespace vmmig::nms
