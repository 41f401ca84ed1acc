// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_dhcp_file.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/replace_file.h"
#include "mibs/column.h"
#include "subagent/linux_dhcp_text.h"
#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

using nlohmann::json;
constexpr int formatVersion = 1;

std::int64_t secondsOf(DhcpBindingFile::Time time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

json toJson(const DhcpBinding& binding, std::int64_t now) {
  json object{{"vlan", binding.vlan},
              {"macAddress", macText(binding.macAddress)},
              {"address", toString(binding.address)},
              {"port", binding.port}};
  if (binding.seconds != forEver) object["ends"] = now + binding.seconds;
  return object;
}

const std::string* text(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get_ptr<const std::string*>() : nullptr;
}

/// Nothing: not a binding. A lease that has ended has no seconds left.
std::optional<DhcpBinding> fromJson(const json& object, std::int64_t now) {
  if (!object.is_object()) return std::nullopt;
  const auto *mac = text(object, "macAddress"), *address = text(object, "address"), *port = text(object, "port");
  auto vlan = object.find("vlan");
  if (!mac || !address || !port || port->empty() || vlan == object.end() || !vlan->is_number_unsigned()) return std::nullopt;
  auto macOctets = macFromText(*mac);
  auto parsed = parseInetAddress(*address);
  if (!macOctets || !parsed || !parsed->isSet() || *vlan > 4094u) return std::nullopt;
  DhcpBinding binding{vlan->get<std::uint16_t>(), *macOctets, *parsed, *port, forEver};
  auto ends = object.find("ends");
  if (ends == object.end()) return binding;
  if (!ends->is_number_integer()) return std::nullopt;
  auto end = ends->get<std::int64_t>();
  binding.seconds = end > now ? static_cast<std::uint32_t>(std::min<std::int64_t>(end - now, forEver - 1)) : 0;
  return binding;
}

}  // namespace

std::vector<DhcpBinding> DhcpBindingFile::load(Time time) const {
  if (!keeps()) return {};
  std::ifstream file{path_, std::ios::binary};
  if (!file) {
    if (errno != ENOENT) log::error("the DHCP bindings in " + path_ + " cannot be read (" + errnoText(errno) + ")");
    return {};
  }
  auto document = json::parse(file, nullptr, false);
  auto list = document.is_object() ? document.find("bindings") : document.end();
  if (!document.is_object() || document.value("version", json{}) != formatVersion || list == document.end() ||
      !list->is_array()) {
    log::error("the DHCP bindings in " + path_ +
               " are damaged and are not used: VMs at this switch's untrusted ports are heard after their next DHCP renewal");
    return {};
  }
  std::vector<DhcpBinding> result;
  for (const auto& object : *list) {
    auto binding = fromJson(object, secondsOf(time));
    if (!binding) log::error("a DHCP binding in " + path_ + " is damaged and left out");
    if (binding && binding->seconds > 0) result.push_back(std::move(*binding));
  }
  return result;
}

Status DhcpBindingFile::save(const std::vector<DhcpBinding>& bindings, Time time) const {
  if (!keeps()) return {};
  json list = json::array();
  for (const auto& binding : bindings) list.push_back(toJson(binding, secondsOf(time)));
  auto content = json{{"version", formatVersion}, {"bindings", list}}.dump(1, ' ', false, json::error_handler_t::replace);
  if (auto written = replaceFile(path_, content); !written)
    return failure("DHCP bindings cannot be kept: " + written.error().text);
  return {};
}

Status DhcpBindingFile::check() const {
  if (!keeps()) return failure("no state directory is configured");
  auto directory = std::filesystem::path{path_}.parent_path().string();
  if (::access(directory.c_str(), W_OK | X_OK) != 0)
    return failure("DHCP bindings cannot be kept in " + directory + " (" + errnoText(errno) + ")");
  return {};
}

}  // namespace vmmig
