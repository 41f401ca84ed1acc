// SPDX-License-Identifier: GPL-2.0-or-later
// vmmigd(8)'s command line and vmmigd.conf(5).
#pragma once

#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/inet_address.h"
#include "common/log.h"
#include "common/result.h"
#include "common/uuid.h"
#include "subagent/phase_source.h"
#include "subagent/resources.h"

namespace vmmig {

enum class Role { device, hypervisor };
enum class BackEndKind { linux_, memory };

/// A `vm = UUID,NAME,ADDRESS[,ADDRESS...]` line.
struct ConfiguredVm {
  Uuid uuid;
  std::string name;
  std::vector<InetAddress> addresses;
};

struct Options {
  bool foreground = false;
  std::string configFile = "/etc/vmmig/vmmigd.conf";
  std::string agentxSocket = "/var/agentx/master";
  std::set<Role> roles;
  BackEndKind backEnd = BackEndKind::linux_;
  std::string hostName;
  std::string stateDirectory = "/var/lib/vmmigd";
  log::Level logLevel = log::Level::info;
  std::vector<ConfiguredVm> vms;
  Resources resources;
  PhaseSourceOptions phaseSource;
};

/// Text that --help or --version asks for.
struct Notice {
  std::string text;
};

/// Command line first, then the file; what the command line says wins. An error is a sentence for the operator.
Result<std::variant<Options, Notice>> parseOptions(int argc, const char* const* argv);

/// `UUID,NAME,ADDRESS[,ADDRESS...]`.
Result<ConfiguredVm> parseConfiguredVm(const std::string& text);

}  // namespace vmmig
