// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/state_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/log.h"
#include "common/replace_file.h"
#include "mibs/registry.h"
#include "mibs/row_json.h"

namespace vmmig {

namespace {

using nlohmann::json;
constexpr int formatVersion = 1;

json toJson(const Uuid& vm, const FormerRows& former) {
  json tables = json::object();
  for (const auto& row : former.rows) tables[std::string{row.table().name}].push_back(toJson(row));
  return {{"vm", toString(vm)}, {"readTime", former.readTime.value}, {"tables", std::move(tables)}};
}

Result<std::pair<Uuid, FormerRows>> formerFromJson(const json& object) {
  auto field = [&object](const char* name) { return object.is_object() ? object.value(name, json{}) : json{}; };
  auto vm = field("vm"), time = field("readTime"), tables = field("tables");
  auto uuid = vm.is_string() ? parseUuid(vm.get<std::string>()) : std::nullopt;
  if (!uuid || !time.is_number_unsigned() || !tables.is_object()) return failure("they have no vm, readTime or tables");
  FormerRows former{{time.get<std::uint64_t>()}, {}};
  for (const auto& [name, rows] : tables.items()) {
    const auto* table = mib::table(name);
    if (!table || !rows.is_array()) return failure(name + " is no table");
    for (const auto& each : rows) {
      auto row = rowFromJson(*table, each);
      if (!row) return failure(name + ": " + row.error().text);
      if (vmOf(*row) != *uuid) return failure(name + " has a row of another VM");
      former.rows.push_back(std::move(*row));
    }
  }
  return std::pair{*uuid, std::move(former)};
}

}  // namespace

StateFile::StateFile(std::string path) : path_(std::move(path)) {
  if (!path_.empty()) load();
}

void StateFile::load() {
  std::ifstream file{path_, std::ios::binary};
  if (!file) {
    if (errno != ENOENT)
      log::error("The state file " + path_ + " cannot be read (" + std::strerror(errno) + "); starting without it");
    return;
  }
  std::ostringstream text;
  text << file.rdbuf();
  if (!parse(text.str())) keepAside("it is damaged");
}

bool StateFile::parse(const std::string& text) {
  auto document = json::parse(text, nullptr, false);
  if (!document.is_object()) return false;
  auto version = document.find("version");
  auto tables = document.find("tables");
  if (version == document.end() || *version != formatVersion || tables == document.end() || !tables->is_object()) return false;
  bool whole = parseTables(*tables);
  auto former = document.find("formerRows");
  return (former == document.end() || parseFormer(*former)) && whole;
}

bool StateFile::parseTables(const json& tables) {
  bool whole = true;
  for (const auto& [name, rows] : tables.items()) {
    const auto* table = mib::table(name);
    if (!table || !rows.is_array()) {
      whole = false;
      continue;
    }
    for (const auto& object : rows) {
      auto row = rowFromJson(*table, object);
      if (row)
        put(*row);
      else
        log::error("The state file " + path_ + " has a row of " + name + " that cannot be used: " + row.error().text);
      whole = whole && row.has_value();
    }
  }
  return whole;
}

bool StateFile::parseFormer(const json& list) {
  if (!list.is_array()) return false;
  bool whole = true;
  for (const auto& object : list) {
    auto former = formerFromJson(object);
    // Half of them would be restored as if they were all.
    if (former)
      former_.insert_or_assign(former->first, std::move(former->second));
    else
      log::error("The state file " + path_ + " has former rows of a VM that cannot be used: " + former.error().text);
    whole = whole && former.has_value();
  }
  return whole;
}

void StateFile::keepAside(const std::string& why) {
  auto aside = path_ + ".damaged";
  std::error_code error;
  std::filesystem::copy_file(path_, aside, std::filesystem::copy_options::overwrite_existing, error);
  log::error("The state file " + path_ + " is not used as a whole: " + why + "; " +
             (error ? "it could not be kept aside (" + error.message() + ")" : "a copy is kept as " + aside) +
             ". Check each VM's rows on this device by hand");
}

std::vector<AnyRow> StateFile::rows(const TableInfo& table) const {
  std::vector<AnyRow> result;
  if (auto found = tables_.find(&table); found != tables_.end())
    for (const auto& [index, row] : found->second) result.push_back(row);
  return result;
}

void StateFile::put(const AnyRow& row) { tables_[&row.table()].insert_or_assign(row.index(), row); }

void StateFile::remove(const AnyRow& key) { tables_[&key.table()].erase(key.index()); }

void StateFile::putVms(const VmRegistry& registry) {
  tables_[&TableOf<VmRow>::info].clear();
  tables_[&TableOf<VmAddressRow>::info].clear();
  for (const auto& [uuid, row] : registry.vms()) put(AnyRow{row});
  for (const auto& [index, row] : registry.addresses()) put(AnyRow{row});
}

const FormerRows* StateFile::former(const Uuid& vm) const {
  auto found = former_.find(vm);
  return found == former_.end() ? nullptr : &found->second;
}

void StateFile::putFormer(const Uuid& vm, FormerRows former) { former_.insert_or_assign(vm, std::move(former)); }

void StateFile::removeFormer(const Uuid& vm) { former_.erase(vm); }

Status StateFile::save() {
  if (path_.empty()) return {};
  json tables = json::object();
  for (const auto& [table, rows] : tables_) {
    auto& array = tables[std::string{table->name}] = json::array();
    for (const auto& [index, row] : rows) array.push_back(toJson(row));
  }
  json former = json::array();
  for (const auto& [vm, rows] : former_) former.push_back(toJson(vm, rows));
  json document{{"version", formatVersion}, {"tables", std::move(tables)}, {"formerRows", std::move(former)}};
  // Text of peers is UTF-8 when it arrives over SNMP; a back end's may not be, and must not end the process.
  auto text = document.dump(1, ' ', false, json::error_handler_t::replace);
  // A power cut takes along what the kernel held of all this, hence it need not wait for the disk in the middle of a stop.
  if (auto written = replaceFile(path_, text, 0600, Survives::kill); !written) return failure("The state file " + written.error().text);
  return {};
}

}  // namespace vmmig
