// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps the rules of who may include what: tests -> {subagent, manager} -> mibs -> common, and foreign headers in a few named
// files, so that everything else stays free of them.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "tests/unit/source_dir.h"

namespace vmmig {
namespace {

/// What the files of a directory may include of ours.
const std::map<std::string, std::set<std::string>> allowed = {
    {"common", {"common"}},
    {"mibs", {"mibs", "common"}},
    {"subagent", {"subagent", "mibs", "common"}},
    {"manager", {"manager", "mibs", "common"}},
};

/// Foreign headers and the files that may include them (tests and bench apart: they play the other side).
struct Confined {
  std::string what;
  std::regex header;
  std::regex files;
};
const std::vector<Confined> confined = {
    {"Net-SNMP", std::regex{"net-snmp/.*"},
     std::regex{R"(common/net_snmp\.cc|subagent/agentx_\w+\.cc|manager/snmp_\w+\.cc|manager/trap_listener\.cc)"}},
    {"netlink and nftables",
     std::regex{
         R"((libnetfilter_conntrack|libmnl|libnfnetlink|nftables|bpf|linux/(netfilter|netlink|rtnetlink|nfnetlink|if_|bpf)).*)"},
     std::regex{R"(subagent/linux_\w+\.(cc|h))"}},
    {"libsmi", std::regex{R"(smi\.h)"}, std::regex{R"(manager/nms/smi_\w+\.cc)"}},
    {"SQLite", std::regex{R"(sqlite3\.h)"}, std::regex{R"(manager/.*\.cc)"}},
    {"libvirt", std::regex{"libvirt/.*"}, std::regex{R"(subagent/libvirt_\w+\.(cc|h))"}},
    {"sd-bus", std::regex{R"(systemd/sd-bus\.h)"}, std::regex{R"(subagent/vmstate_gate\.cc)"}},
    {"OpenSSL", std::regex{"openssl/.*"}, std::regex{R"(common/digest\.cc)"}},
};

/// What is wrong with this line of this file (its path from the root); empty when nothing is.
std::string violation(const std::string& file, const std::string& line) {
  static const std::regex include{R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)"};
  std::smatch match;
  if (!std::regex_match(line, match, include)) return "";
  auto rule = allowed.find(file.substr(0, file.find('/')));
  if (rule == allowed.end()) return "";
  std::string header = match[2];
  if (match[1] == "\"") {
    auto slash = header.find('/');
    if (header == "config.h") return "";
    if (slash == std::string::npos || header[0] == '.') return file + " includes " + header + ": write the path from the root";
    auto directory = header.substr(0, slash);
    return rule->second.contains(directory) ? ""
                                            : file + " includes " + header + ": " + rule->first + " may not know " + directory;
  }
  for (const auto& each : confined)
    if (std::regex_match(header, each.header) && !std::regex_match(file, each.files))
      return file + " includes " + header + ": " + each.what + " stays in the files that are named for it";
  return "";
}

std::vector<std::string> sources() {
  std::vector<std::string> files;
  for (const auto& [directory, rule] : allowed)
    for (const auto& entry : std::filesystem::recursive_directory_iterator{test::sourceDir() / directory}) {
      auto extension = entry.path().extension();
      if (extension == ".cc" || extension == ".h") files.push_back(entry.path().lexically_relative(test::sourceDir()).string());
    }
  return files;
}

TEST(Layering, EverySourceKeepsIt) {
  auto files = sources();
  ASSERT_GT(files.size(), 30U) << "run it with srcdir set to the root of the sources";
  for (const auto& file : files) {
    std::ifstream in{test::sourceDir() / file};
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      EXPECT_EQ(violation(file, line), "") << "line " << number;
    }
  }
}

TEST(Layering, EverySourceOpensWithItsLicence) {
  for (const auto& file : sources()) {
    std::ifstream in{test::sourceDir() / file};
    std::string line;
    std::getline(in, line);
    EXPECT_EQ(line, "// SPDX-License-Identifier: GPL-2.0-or-later") << file;
  }
}

TEST(Layering, APlantedViolationIsFound) {
  for (auto [file, line] : {
           std::pair{"common/log.cc", R"(#include "mibs/row.h")"},
           {"mibs/row.h", R"(#include "subagent/row_store.h")"},
           {"subagent/main.cc", R"(#include "manager/device.h")"},
           {"manager/main.cc", R"(  #  include "subagent/agent.h"  // just once)"},
           {"manager/main.cc", R"(#include "tests/unit/random_row.h")"},
           {"common/log.cc", R"(#include "log.h")"},
           {"mibs/row.cc", R"(#include "../common/oid.h")"},
           {"common/net_snmp.h", "#include <net-snmp/net-snmp-config.h>"},
           {"subagent/main.cc", "#include <net-snmp/agent/net-snmp-agent-includes.h>"},
           {"subagent/agentx_agent.h", "#include <net-snmp/types.h>"},
           {"subagent/memory_back_end.cc", "#include <linux/netfilter/nf_conntrack_tcp.h>"},
           {"subagent/transfer.cc", "#include <libmnl/libmnl.h>"},
           {"manager/show.cc", "#include <nftables/libnftables.h>"},
           {"subagent/state_file.cc", "#include <sqlite3.h>"},
           {"subagent/vmstate_bus.cc", "#include <libvirt/libvirt.h>"},
           {"subagent/libvirt_gates.cc", "#include <systemd/sd-bus.h>"},
           {"manager/nms/zabbix.cc", "#include <smi.h>"},
       })
    EXPECT_NE(violation(file, line), "") << file << ": " << line;
}

TEST(Layering, WhatIsAllowedIsNoViolation) {
  for (auto [file, line] : {
           std::pair{"subagent/main.cc", R"(#include "mibs/row.h")"},
           {"mibs/registry.cc", R"(#include "config.h")"},
           {"common/net_snmp.cc", "#include <net-snmp/net-snmp-config.h>"},
           {"subagent/agentx_agent.cc", "#include <net-snmp/agent/net-snmp-agent-includes.h>"},
           {"subagent/linux_conntrack_codec.cc", "#include <libnetfilter_conntrack/libnetfilter_conntrack.h>"},
           {"subagent/libvirt_calls.cc", "#include <libvirt/libvirt.h>"},
           {"subagent/vmstate_gate.cc", "#include <systemd/sd-bus.h>"},
           {"manager/nms/smi_module.cc", "#include <smi.h>"},
           {"common/log.cc", "#include <string>"},
           {"common/log.cc", R"(// #include "mibs/row.h")"},
       })
    EXPECT_EQ(violation(file, line), "");
}

}  // namespace
}  // namespace vmmig
