// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/qmp_identity.h"

#include <array>
#include <cctype>

namespace vmmig {

namespace {

using nlohmann::json;

/// vmMigPhaseMacAddresses has room for so many.
constexpr std::size_t maxMacs = 252 / 6;
/// Devices that are asked for a MAC address; of each kind, with and without an id.
constexpr std::size_t maxDevices = 256;

const std::array<std::string, 2> deviceLists = {"/machine/peripheral", "/machine/peripheral-anon"};

/// "02:00:00:00:00:05" as 6 octets; empty when it is none.
std::string parseMac(const std::string& text) {
  if (text.size() != 17) return {};
  std::string octets;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    bool isPair = std::isxdigit(static_cast<unsigned char>(text[i])) && std::isxdigit(static_cast<unsigned char>(text[i + 1]));
    if (!isPair || (i + 2 < text.size() && text[i + 2] != ':')) return {};
    octets += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return octets;
}

}  // namespace

QmpIdentity::Commands QmpIdentity::begin() {
  auto commands = refresh();
  auto more = asked({{"query-uuid"}, {"query-name"}});
  commands.insert(commands.begin(), more.begin(), more.end());
  return commands;
}

QmpIdentity::Commands QmpIdentity::refresh() {
  if (open_ > 0) return {};
  found_.clear();
  askedFilters_ = false;
  Commands commands;
  for (const auto& path : deviceLists) commands.push_back({"qom-list", {{"path", path}}});
  return asked(std::move(commands));
}

QmpIdentity::Commands QmpIdentity::asked(Commands commands) {
  open_ += commands.size();
  return commands;
}

QmpIdentity::Commands QmpIdentity::take(const QmpCommand& command, const QmpAnswer& answer) {
  const auto& what = command.execute;
  bool isOurs =
      what == "query-uuid" || what == "query-name" || what == "qom-list" || what == "qom-get" || what == "query-rx-filter";
  if (!isOurs || open_ == 0) return {};
  --open_;
  Commands next;
  if (answer) {
    if (what == "query-uuid") uuid_ = parseUuid(textOf(*answer, "UUID")).value_or(Uuid{});
    if (what == "query-name") name_ = textOf(*answer, "name");
    if (what == "qom-list") next = cards(textOf(command.arguments, "path"), *answer);
    if (what == "qom-get" && answer->is_string()) addMac(answer->get<std::string>());
    if (what == "query-rx-filter") takeFilters(*answer);
  }
  // Cards that the board has of itself have no place in those lists; some of them have filters.
  if (next.empty() && open_ == 0 && found_.empty() && !std::exchange(askedFilters_, true)) return asked({{"query-rx-filter"}});
  if (next.empty() && open_ == 0) macs_ = found_;
  return asked(std::move(next));
}

/// Which of them are network cards, their property tells: no list of types would stay complete.
QmpIdentity::Commands QmpIdentity::cards(const std::string& path, const json& devices) {
  Commands commands;
  if (!devices.is_array()) return commands;
  for (const auto& device : devices) {
    auto name = textOf(device, "name");
    if (name.empty() || !textOf(device, "type").starts_with("child<") || commands.size() == maxDevices) continue;
    commands.push_back({"qom-get", {{"path", path + "/" + name}, {"property", "mac"}}});
  }
  return commands;
}

void QmpIdentity::takeFilters(const json& filters) {
  if (!filters.is_array()) return;
  for (const auto& filter : filters) addMac(textOf(filter, "main-mac"));
}

void QmpIdentity::addMac(const std::string& text) {
  if (auto octets = parseMac(text); !octets.empty() && found_.size() < maxMacs) found_.insert(octets);
}

std::string QmpIdentity::macAddresses() const {
  std::string all;
  for (const auto& mac : macs_) all += mac;
  return all;
}

std::string QmpIdentity::label() const {
  auto uuid = toString(uuid_);
  return "VM " + (name_.empty() ? uuid : name_ + " (" + uuid + ")");
}

}  // namespace vmmig
