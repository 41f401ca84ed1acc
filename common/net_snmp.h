// SPDX-License-Identifier: GPL-2.0-or-later
// The bridge to Net-SNMP that both programs use: values and OIDs to and from its variable lists, and its descriptors and alarms
// in our event loop. This header names no Net-SNMP type but by forward declaration; net_snmp.cc includes the library.
#pragma once

#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/smi_value.h"

struct variable_list;  // netsnmp_variable_list

namespace vmmig::net_snmp {

/// Name and value of one variable of Net-SNMP.
smi::VarBind fromVariable(const variable_list& variable);
/// Appends a variable to a list that the library owns (snmp_varlist_add_variable); with exceptions as values too.
void appendVariable(variable_list** list, const smi::VarBind& varbind);
/// Sets name and value of a variable that exists (an agent's request).
void setVariable(variable_list& variable, OidSpan name, const smi::Value& value);

/// Net-SNMP's sockets and alarms (snmp_select_info2, snmp_read2, snmp_timeout, run_alarms) as a PollSource. One a process.
class Source : public PollSource {
 public:
  std::optional<Clock::duration> prepare(std::vector<pollfd>& fds) override;
  void dispatch(std::vector<pollfd> fds) override;
};

/// Sends the library's log lines to ours, at our levels.
void captureLog();

}  // namespace vmmig::net_snmp
