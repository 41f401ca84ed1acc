// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/vm_state.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "manager/table_printer.h"
#include "mibs/row_json.h"
#include "mibs/vm_address_table.h"

namespace vmmig {

namespace {

using nlohmann::json;

constexpr const char* formatName = "vmmig-export";
constexpr int formatVersion = 1;

std::string timeNow() {
  std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

json toArray(const std::vector<AnyRow>& rows, const TableInfo& table) {
  json array = json::array();
  for (const auto& row : rows)
    if (&row.table() == &table) array.push_back(toJson(row));
  return array;
}

Status appendRows(std::vector<AnyRow>& rows, const TableInfo& table, const json& array, const Uuid& vm) {
  if (!array.is_array()) return failure(std::string{table.name} + " must be a list of rows");
  for (std::size_t i = 0; i < array.size(); ++i) {
    auto where = std::string{table.name} + "[" + std::to_string(i) + "]: ";
    auto row = rowFromJson(table, array[i]);
    if (!row) return failure(where + row.error().text);
    if (vmOf(*row) != vm)
      return failure(where + "the row is of VM " + toString(vmOf(*row)) + ", not of the file's " + toString(vm));
    rows.push_back(std::move(*row));
  }
  return {};
}

Status checkHead(const json& root) {
  if (!root.is_object() || root.value("format", json{}) != formatName) return failure("this is no file of `vmmig export`");
  if (root.value("version", json{}) != formatVersion)
    return failure("the file has another version than " + std::to_string(formatVersion) + ": export it again with this vmmig");
  for (const char* key : {"vm", "addresses", "tables"})
    if (!root.contains(key)) return failure(std::string{"\""} + key + "\" is missing");
  if (!root["tables"].is_object()) return failure("\"tables\" must be an object");
  return {};
}

std::map<Oid, const AnyRow*> byOid(const std::vector<AnyRow>& addresses, const std::vector<AnyRow>& rows) {
  std::map<Oid, const AnyRow*> sorted;
  for (const auto* list : {&addresses, &rows})
    for (const auto& row : *list) sorted[Oid{row.table().subid} + row.index()] = &row;
  return sorted;
}

std::string labelOf(const AnyRow& row) {
  std::string table{row.table().name};
  if (table.starts_with("vmMig")) table.erase(0, 5);
  if (table.ends_with("Table")) table.resize(table.size() - 5);
  return table + " " + rowLabel(row);
}

bool same(const ColumnInfo& column, const AnyRow& left, const AnyRow& right, std::int64_t clockTolerance) {
  if (column.carry == Carry::local || column.equal(left.data(), right.data())) return true;
  if (column.carry != Carry::clock) return false;
  auto a = left.get(column).number, b = right.get(column).number;
  return a != forEver && b != forEver && std::llabs(a - b) <= clockTolerance;
}

void compareRows(const AnyRow& left, const AnyRow& right, std::int64_t clockTolerance, std::vector<std::string>& lines) {
  std::string text;
  for (const auto& column : left.table().values()) {
    if (same(column, left, right, clockTolerance)) continue;
    text += (text.empty() ? " " : ", ") + headingOf(left.table(), column) + " " + displayValue(column, left) + " -> " +
            displayValue(column, right);
  }
  if (!text.empty()) lines.push_back("! " + labelOf(left) + ":" + text);
}

}  // namespace

Task<Result<Uuid>> findVm(Device& device, std::string uuidOrName) {
  if (auto uuid = parseUuid(uuidOrName)) co_return *uuid;
  auto rows = co_await device.readAll(TableOf<VmRow>::info, std::nullopt);
  if (!rows) co_return failure(rows.error());
  std::vector<Uuid> found;
  for (const auto& row : *rows)
    if (row.as<VmRow>().name.value == uuidOrName) found.push_back(row.as<VmRow>().uuid);
  if (found.size() == 1) co_return found.front();
  if (found.empty())
    co_return failure(SnmpStatus::noSuchName,
                      device.name() + " knows no VM named \"" + uuidOrName + "\" (`vmmig show` lists them)");
  co_return failure(SnmpStatus::badValue, device.name() + " knows several VMs named \"" + uuidOrName + "\": give the UUID");
}

Task<Result<VmState>> readVmState(Device& device, Uuid vm) {
  VmState state;
  VmRow key;
  key.uuid = vm;
  auto row = co_await device.read(key);
  if (!row) co_return failure(row.error());
  if (!*row) co_return failure(SnmpStatus::noSuchName, device.name() + " does not know the VM " + toString(vm));
  state.vm = (*row)->as<VmRow>();
  auto addresses = co_await device.readAll(TableOf<VmAddressRow>::info, vm);
  if (!addresses) co_return failure(addresses.error());
  state.addresses = std::move(*addresses);
  for (const auto* table : mib::tables()) {
    if (!table->moves) continue;
    auto rows = co_await device.readAll(*table, vm);
    if (!rows) co_return failure(rows.error());
    std::move(rows->begin(), rows->end(), std::back_inserter(state.rows));
  }
  co_return state;
}

json toJson(const VmState& state, const std::string& device) {
  json tables = json::object();
  for (const auto* table : mib::tables())
    if (table->moves) tables[std::string{table->name}] = toArray(state.rows, *table);
  return {{"format", formatName},
          {"version", formatVersion},
          {"device", device},
          {"time", timeNow()},
          {"vm", toJson(AnyRow{state.vm})},
          {"addresses", toArray(state.addresses, TableOf<VmAddressRow>::info)},
          {"tables", std::move(tables)}};
}

Result<VmState> vmStateFromText(const std::string& text) {
  auto root = json::parse(text, nullptr, false);
  if (root.is_discarded()) return failure("this is no JSON");
  if (auto status = checkHead(root); !status) return failure(status.error());
  auto vm = rowFromJson(TableOf<VmRow>::info, root["vm"]);
  if (!vm) return failure("vm: " + vm.error().text);
  VmState state;
  state.vm = vm->as<VmRow>();
  auto status = appendRows(state.addresses, TableOf<VmAddressRow>::info, root["addresses"], state.vm.uuid);
  if (!status) return failure(status.error());
  for (const auto& [name, rows] : root["tables"].items()) {
    const auto* table = mib::table(std::string_view{name});
    if (!table || !table->moves) return failure("\"" + printable(name) + "\" is no table that this vmmig can move");
    if (status = appendRows(state.rows, *table, rows, state.vm.uuid); !status) return failure(status.error());
  }
  if (byOid(state.addresses, state.rows).size() != state.addresses.size() + state.rows.size())
    return failure("a row is in the file twice");
  return state;
}

Result<VmState> readVmStateFile(const std::string& file) {
  // A directory can be opened, and reads as empty.
  if (std::filesystem::is_directory(file)) return failure(file + " is a directory, and no file of `vmmig export`");
  std::ifstream in{file, std::ios::binary};
  if (!in) return failure("cannot read " + file + ": " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  auto state = vmStateFromText(text.str());
  if (!state) return failure(file + ": " + state.error().text);
  return state;
}

std::vector<std::string> differences(const VmState& left, const VmState& right, std::int64_t clockTolerance) {
  std::vector<std::string> lines;
  auto lefts = byOid(left.addresses, left.rows), rights = byOid(right.addresses, right.rows);
  for (const auto& [oid, row] : lefts) {
    auto found = rights.find(oid);
    if (found == rights.end())
      lines.push_back("- " + labelOf(*row));
    else
      compareRows(*row, *found->second, clockTolerance, lines);
  }
  for (const auto& [oid, row] : rights)
    if (!lefts.contains(oid)) lines.push_back("+ " + labelOf(*row));
  return lines;
}

}  // namespace vmmig
