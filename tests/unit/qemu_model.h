// SPDX-License-Identifier: GPL-2.0-or-later
// As much of QEMU's monitor as vmmigd asks: what its commands answer, by the state that a test gives it. As QEMU 7.2 was seen to
// do.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "subagent/qmp_message.h"

namespace vmmig::test {

struct QemuModel {
  std::string uuid = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
  std::string name = "web-1";
  /// By path of the device.
  std::map<std::string, std::string> macs = {{"/machine/peripheral/nic0", "02:00:00:00:00:05"}};
  std::vector<std::string> otherDevices = {"/machine/peripheral/disk0", "/machine/peripheral-anon/device[0]"};
  std::vector<std::string> filterMacs;  // of query-rx-filter

  std::string runState = "running";  // query-status
  std::string migration;             // query-migrate; empty: there was none
  std::string errorText;
  bool wasSource = true;
  std::map<std::string, bool> capabilities = {{"events", false}, {"pause-before-switchover", false}, {"postcopy-ram", false}};
  std::map<std::string, std::string> refused;  // command: QEMU's reason

  QmpAnswer answer(const QmpCommand& command) {
    const auto& what = command.execute;
    if (auto why = refused.find(what); why != refused.end()) return failure(why->second);
    nlohmann::json nothing = nlohmann::json::object();
    if (what == "query-uuid") return nlohmann::json{{"UUID", uuid}};
    if (what == "query-name") return name.empty() ? nothing : nlohmann::json{{"name", name}};
    if (what == "qom-list") return devices(textOf(command.arguments, "path"));
    if (what == "qom-get") return mac(textOf(command.arguments, "path"));
    if (what == "query-rx-filter") return filters();
    if (what == "query-status") return nlohmann::json{{"status", runState}, {"running", runState == "running"}};
    if (what == "query-migrate") return migrationInfo();
    if (what == "migrate-set-capabilities") return setCapabilities(command.arguments);
    if (what == "query-migrate-capabilities") return capabilityList();
    if (what == "migrate-continue" || what == "migrate_cancel" || what == "cont" || what == "qmp_capabilities") return nothing;
    return failure("The command " + what + " has not been found");
  }

 private:
  QmpAnswer devices(const std::string& path) const {
    auto list = nlohmann::json::array({{{"name", "type"}, {"type", "string"}}});
    const auto add = [&](const std::string& device) {
      auto slash = device.rfind('/');
      if (device.substr(0, slash) == path)
        list.push_back({{"name", device.substr(slash + 1)}, {"type", "child<virtio-net-pci>"}});
    };
    for (const auto& [device, mac] : macs) add(device);
    for (const auto& device : otherDevices) add(device);
    return list;
  }
  QmpAnswer mac(const std::string& path) const {
    auto found = macs.find(path);
    if (found == macs.end()) return failure("Property 'virtio-blk-pci.mac' not found");
    return nlohmann::json(found->second);
  }
  QmpAnswer filters() const {
    auto list = nlohmann::json::array();
    for (const auto& mac : filterMacs) list.push_back({{"name", "nic"}, {"main-mac", mac}});
    return list;
  }
  QmpAnswer migrationInfo() const {
    nlohmann::json info = nlohmann::json::object();
    if (!migration.empty()) info["status"] = migration;
    if (!errorText.empty()) info["error-desc"] = errorText;
    if (migration == "completed" && wasSource) info["total-time"] = 53;
    return info;
  }
  QmpAnswer setCapabilities(const nlohmann::json& arguments) {
    static const std::set<std::string> running = {"setup", "active", "pre-switchover", "device", "postcopy-active", "cancelling"};
    if (running.contains(migration) && runState != "inmigrate") return failure("There's a migration process in progress");
    for (const auto& each : arguments["capabilities"]) capabilities[each["capability"]] = each["state"];
    return nlohmann::json::object();
  }
  QmpAnswer capabilityList() const {
    auto list = nlohmann::json::array();
    for (const auto& [capability, state] : capabilities) list.push_back({{"capability", capability}, {"state", state}});
    return list;
  }
};

}  // namespace vmmig::test
