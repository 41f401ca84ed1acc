// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig show`: what a device holds, as tables for people or as JSON.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "manager/command.h"
#include "manager/table_printer.h"
#include "manager/vm_state.h"
#include "mibs/check_table.h"
#include "mibs/image_table.h"
#include "mibs/phase_table.h"
#include "mibs/row_json.h"
#include "mibs/tcp_conn_table.h"
#include "mibs/transfer_table.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "Without TABLE: what the device is and can do, its VMs, transfers, phases and checks; with --vm, every table that has rows "
    "of "
    "that\n"
    "VM. TABLE is a table's descriptor, or the part of it between vmMig and Table in any case: Device, Vm, VmAddress, TcpConn, "
    "Flow,\n"
    "Acl, Counter, DhcpBinding, Multicast, Policy, Expect, Transfer, Image, Phase, Check. Wide tables show their most telling "
    "columns,\n"
    "and none that is empty in every row; --all shows all, one row below the other.\n"
    "\n"
    "Examples:\n"
    "  vmmig show tcp:fw-a\n"
    "  vmmig show tcp:fw-a tcpconn --vm web1\n"
    "  vmmig show tcp:fw-a transfer --json | jq '.[].vmMigTransferOperStatus'\n";

void addOptions(po::options_description& options) {
  options.add_options()("vm", po::value<std::string>()->value_name("UUID|NAME"), "only this VM's rows")(
      "table", po::value<std::string>()->value_name("TABLE"), "only this table, as the second argument")(
      "all", "all columns, one row below the other")("json", "JSON: keys are the module's descriptors");
  addConfigOption(options);
}

/// The columns of a wide table that people look for.
struct Choice {
  std::string_view table;
  std::vector<std::string_view> columns;
};

const std::vector<Choice>& choices() {
  static const std::vector<Choice> all{
      {"vmMigTcpConnTable",
       {"vmMigTcpConnZone", "vmMigTcpConnLocalAddress", "vmMigTcpConnLocalPort", "vmMigTcpConnRemAddress", "vmMigTcpConnRemPort",
        "vmMigTcpConnState", "vmMigTcpConnOpener", "vmMigTcpConnStatus", "vmMigTcpConnTimeout", "vmMigTcpConnSeqNumber",
        "vmMigTcpConnAckNumber", "vmMigTcpConnNatLocalAddress", "vmMigTcpConnNatLocalPort", "vmMigTcpConnMark"}},
      {"vmMigTransferTable",
       {"vmMigVmUuid", "vmMigTransferRole", "vmMigTransferEpoch", "vmMigTransferAdminStatus", "vmMigTransferOperStatus",
        "vmMigTransferPolicy", "vmMigTransferDeadline", "vmMigTransferRows", "vmMigTransferMissing", "vmMigTransferChunks",
        "vmMigTransferError"}},
      {"vmMigPhaseTable",
       {"vmMigVmUuid", "vmMigPhaseVmName", "vmMigPhase", "vmMigPhaseSequence", "vmMigPhaseTime", "vmMigPhaseSourceHost",
        "vmMigPhaseDestinationHost", "vmMigPhaseHoldStatus", "vmMigPhaseHoldDeadline", "vmMigPhaseHoldPolicy",
        "vmMigPhaseError"}},
  };
  return all;
}

/// In a wide table what is the same as in a fresh row everywhere says nothing.
bool isTelling(const TableInfo& table, const ColumnInfo& column, const std::vector<AnyRow>& rows) {
  constexpr std::size_t narrow = 8;
  if (isAddressType(column) || isHighHalf(table, column)) return false;
  auto at = static_cast<std::size_t>(&column - table.columns.data());
  if (table.columns.size() <= narrow || at < table.indexCount) return true;
  AnyRow fresh{table};
  const auto* high = table.column(std::string{column.name} + "High");
  return std::any_of(rows.begin(), rows.end(), [&](const AnyRow& row) {
    return !column.equal(row.data(), fresh.data()) || (high && !high->equal(row.data(), fresh.data()));
  });
}

std::vector<const ColumnInfo*> columnsFor(const TableInfo& table, const std::vector<AnyRow>& rows) {
  std::vector<const ColumnInfo*> columns;
  auto choice = std::find_if(choices().begin(), choices().end(), [&](const auto& each) { return each.table == table.name; });
  if (choice == choices().end()) {
    for (const auto& column : table.columns)
      if (isTelling(table, column, rows)) columns.push_back(&column);
  } else {
    for (auto name : choice->columns) columns.push_back(table.column(name));
  }
  return columns;
}

void printTable(const TableInfo& table, const std::vector<AnyRow>& rows) {
  auto columns = columnsFor(table, rows);
  std::vector<std::string> headings;
  for (const auto* column : columns) headings.push_back(headingOf(table, *column));
  TablePrinter printer{headings};
  for (const auto& row : rows) {
    std::vector<std::string> cells;
    for (const auto* column : columns) cells.push_back(cellOf(*column, row));
    printer.add(cells);
  }
  printer.print(std::cout);
}

void printAll(const AnyRow& row) {
  std::size_t widest = 0;
  for (const auto& column : row.table().columns) widest = std::max(widest, column.name.size());
  for (const auto& column : row.table().columns)
    if (!isHighHalf(row.table(), column))
      std::cout << column.name << std::string(widest - column.name.size() + 2, ' ') << printable(cellOf(column, row)) << '\n';
  std::cout << '\n';
}

std::string lowered(std::string_view text) {
  std::string lower{text};
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

Result<const TableInfo*> tableNamed(const std::string& wanted) {
  std::string names;
  for (const auto* table : mib::tables()) {
    std::string name{table->name};
    auto brief = name.substr(5, name.size() - (name.ends_with("Table") ? 10 : 5));
    if (lowered(wanted) == lowered(name) || lowered(wanted) == lowered(brief)) return table;
    names += (names.empty() ? "" : ", ") + brief;
  }
  return failure(SnmpStatus::badValue, "there is no table \"" + wanted + "\"; there are " + names);
}

Task<Result<std::optional<Uuid>>> wantedVm(const Invocation& invocation, Device& device) {
  std::optional<Uuid> vm;
  if (!invocation.has("vm")) co_return vm;
  auto found = co_await findVm(device, invocation.text("vm"));
  if (!found) co_return failure(found.error());
  vm = *found;
  // A UUID is taken as it is: a mistyped one would look like a VM without any state.
  VmRow known;
  PhaseRow phase;
  TransferRow transfer;
  known.uuid = phase.uuid = transfer.uuid = *vm;
  std::vector<AnyRow> keys{known, phase, transfer};
  for (auto& key : keys) {
    auto row = co_await device.read(key);
    if (!row) co_return failure(row.error());
    if (*row) co_return vm;
  }
  co_return failure(SnmpStatus::noSuchName,
                    device.name() + " does not know the VM " + toString(*vm) + " (`vmmig show` lists them)");
}

using Rows = std::vector<std::pair<const TableInfo*, std::vector<AnyRow>>>;

Error noAgent(const std::string& device) {
  return {SnmpStatus::genErr,
          device +
              ": its SNMP agent answers, but has no VM-MIGRATION-MIB. Does vmmigd run there, connected to snmpd's "
              "AgentX socket, and may this SNMP user read it?"};
}

Task<Result<Rows>> readTables(const Invocation& invocation, std::vector<const TableInfo*> tables) {
  auto device = invocation.device(invocation.arguments[0]);
  if (!device) co_return failure(device.error());
  auto scalars = co_await (*device)->read(AnyRow{TableOf<DeviceScalars>::info});
  if (!scalars) co_return failure(scalars.error());
  if (!*scalars) co_return failure(noAgent((*device)->name()));
  auto vm = co_await wantedVm(invocation, **device);
  if (!vm) co_return failure(vm.error());
  Rows all;
  for (const auto* table : tables) {
    std::vector<AnyRow> single{**scalars};
    if (table->isScalars()) {
      all.emplace_back(table, std::move(single));
      continue;
    }
    bool isOfVms = table != &TableOf<CheckRow>::info;
    std::optional<Uuid> of;
    if (isOfVms) of = *vm;
    auto rows = co_await (*device)->readAll(*table, of);
    if (!rows) co_return failure(rows.error());
    all.emplace_back(table, std::move(*rows));
  }
  co_return all;
}

nlohmann::json jsonOf(const TableInfo& table, const std::vector<AnyRow>& rows) {
  if (table.isScalars()) return toJson(rows.front());
  auto array = nlohmann::json::array();
  for (const auto& row : rows) array.push_back(toJson(row));
  return array;
}

void printOverview(const Rows& all) {
  for (const auto& [table, rows] : all) {
    if (table->isScalars()) {
      printAll(rows.front());
    } else if (!rows.empty()) {
      std::cout << table->name << '\n';
      printTable(*table, rows);
      std::cout << '\n';
    }
  }
}

void print(const Invocation& invocation, const TableInfo& table, const std::vector<AnyRow>& rows) {
  if (table.isScalars() || invocation.has("all"))
    for (const auto& row : rows) printAll(row);
  else
    printTable(table, rows);
}

/// All but the image, whose chunks are for machines.
std::vector<const TableInfo*> tablesOfVms() {
  std::vector<const TableInfo*> tables;
  for (const auto* table : mib::tables())
    if (!table->isScalars() && table != &TableOf<CheckRow>::info && table != &TableOf<ImageRow>::info) tables.push_back(table);
  return tables;
}

Task<ExitCode> run(Invocation invocation) {
  std::vector<const TableInfo*> tables;
  auto wanted = invocation.arguments.size() < 2 ? invocation.text("table") : invocation.arguments[1];
  bool overview = wanted.empty();
  if (overview && invocation.has("vm")) {
    tables = tablesOfVms();
  } else if (overview) {
    tables = {&TableOf<DeviceScalars>::info, &TableOf<VmRow>::info, &TableOf<TransferRow>::info, &TableOf<PhaseRow>::info,
              &TableOf<CheckRow>::info};
  } else {
    auto table = tableNamed(wanted);
    if (!table) co_return complain(exitCodeOf(table.error()), table.error().text);
    tables = {*table};
  }
  auto all = co_await readTables(invocation, tables);
  if (!all) co_return complain(exitCodeOf(all.error()), all.error().text);
  if (invocation.has("json")) {
    nlohmann::json root = nlohmann::json::object();
    for (const auto& [table, rows] : *all) root[std::string{table->name}] = jsonOf(*table, rows);
    std::cout << (overview ? root : root.front()).dump(1) << '\n';
  } else if (overview) {
    printOverview(*all);
  } else {
    print(invocation, *tables.front(), all->front().second);
  }
  std::cout.flush();
  co_return std::cout ? ExitCode::ok : complain(ExitCode::usage, "cannot write to standard output");
}

}  // namespace

const Command& showCommand() {
  static const Command command{"show", "Show what a device holds", {"DEVICE", "[TABLE]"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig
