// SPDX-License-Identifier: GPL-2.0-or-later
// libvirt's C handles and calls as values: the only part of libvirt_* that has its types, for libvirt_connection.cc.
#pragma once

#include <libvirt/libvirt.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "subagent/libvirt_connection.h"

namespace vmmig::libvirt {

struct DomainDeleter {
  void operator()(virDomainPtr domain) const { ::virDomainFree(domain); }
};
using Domain = std::unique_ptr<virDomain, DomainDeleter>;

/// Of the last call in this thread.
std::string lastError();
Uuid uuidOf(virDomainPtr domain);
std::string nameOf(virDomainPtr domain);
/// Null when libvirtd does not know it; an error when it does not answer.
Result<Domain> find(virConnectPtr connection, const Uuid& vm);
/// Those that are active.
std::vector<Domain> list(virConnectPtr connection);
/// Of what find() has found. An incoming domain is not asked for its job: the destination's libvirtd would log that as an error.
Result<LibvirtConnection::Report> look(const Uuid& vm, virDomainPtr domain, bool isIncoming);
/// A command of QEMU's monitor and its arguments; the error is libvirt's or QEMU's.
Status monitorCommand(virDomainPtr domain, const std::string& execute, const std::string& argumentsJson);
std::optional<DomainLifecycle> lifecycleOf(int event, int detail);

}  // namespace vmmig::libvirt
