// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_policy_table.h"

#include <net/if.h>

#include <algorithm>

#include "subagent/linux_child.h"
#include "subagent/linux_tc_words.h"

namespace vmmig {

namespace {

std::string joined(const TcLines& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

}  // namespace

class LinuxPolicyTable::RowByRow {
 public:
  explicit RowByRow(LinuxPolicyTable& table) : table_(table) { table_.isRowByRow_ = true; }
  ~RowByRow() { table_.isRowByRow_ = false; }
  RowByRow(const RowByRow&) = delete;
  RowByRow& operator=(const RowByRow&) = delete;

 private:
  LinuxPolicyTable& table_;
};

LinuxPolicyTable::LinuxPolicyTable(Nft& nft, std::vector<PolicySource> sources) : LinuxExchangedTable(nft) {
  for (auto& line : sources) {
    auto order = static_cast<std::uint32_t>(sources_.size() + 1);
    sources_.push_back(std::make_unique<Source>(nft, std::move(line), order));
  }
}

LinuxPolicyTable::Source* LinuxPolicyTable::sourceOf(const std::string& name) {
  auto found = std::find_if(sources_.begin(), sources_.end(), [&](const auto& each) { return each->line.name == name; });
  return found == sources_.end() ? nullptr : found->get();
}

std::string LinuxPolicyTable::subjectOf(const Source& source, const Vm& vm) const {
  return "policy " + source.line.name + " of VM " + vm.label();
}

/// What is in force. A VM without a name has no chain of its own, and one without a port here no QoS.
Result<std::optional<std::string>> LinuxPolicyTable::textOf(Source& source, const Vm& vm) const {
  if (source.line.kind == PolicyKind::acl) return vm.name.empty() ? std::optional<std::string>{} : source.chain.read(vm);
  if (!isPortName(vm.port) || if_nametoindex(vm.port.c_str()) == 0) return std::nullopt;
  auto lines = readQos(vm.port);
  if (!lines) return failure(lines.error());
  return lines->empty() ? std::nullopt : std::optional{joined(*lines)};
}

Result<PolicyPieces> LinuxPolicyTable::piecesOf(Source& source, const Vm& vm) {
  auto text = textOf(source, vm);
  if (!text) return failure(text.error().status, subjectOf(source, vm) + ": " + text.error().text);
  if (!*text) {
    auto kept = pending_.find({vm.uuid, source.line.name});
    return kept == pending_.end() ? PolicyPieces{} : kept->second;
  }
  keep({vm.uuid, source.line.name}, {});  // somebody else has put one in force
  PolicyPieces pieces;
  auto texts = policyPieces(**text);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    PolicyRow row;
    row.uuid = vm.uuid;
    row.name.value = source.line.name;
    row.piece.value = static_cast<std::uint32_t>(i + 1);
    row.kind = source.line.kind;
    row.order = source.order;
    row.pieces.value = static_cast<std::uint32_t>(texts.size());
    row.text.value = texts[i];
    pieces[row.piece] = std::move(row);
  }
  if (pieces.size() > 1024 || (*text)->size() > maxPolicyText)
    return failure(subjectOf(source, vm) + " is longer than " + std::to_string(maxPolicyText) + " octets: it cannot be carried");
  return pieces;
}

Result<std::vector<AnyRow>> LinuxPolicyTable::rowsOf(const Vm& vm) {
  std::vector<AnyRow> rows;
  for (auto& source : sources_) {
    auto pieces = piecesOf(*source, vm);
    if (!pieces) return failure(pieces.error());
    for (auto& [number, row] : *pieces) rows.emplace_back(std::move(row));
  }
  return rows;
}

std::unique_ptr<RowCursor> LinuxPolicyTable::read(const Vm& vm) {
  return readAtOnce([this, vm] { return rowsOf(vm); });
}

Result<std::optional<AnyRow>> LinuxPolicyTable::find(const Vm& vm, const AnyRow& key) {
  const auto& wanted = key.as<PolicyRow>();
  auto* source = wanted.uuid == vm.uuid ? sourceOf(wanted.name.value) : nullptr;
  if (!source) return std::nullopt;
  auto pieces = piecesOf(*source, vm);
  if (!pieces) return failure(pieces.error());
  auto found = pieces->find(wanted.piece);
  return found == pieces->end() ? std::nullopt : std::optional<AnyRow>{std::move(found->second)};
}

bool LinuxPolicyTable::moves(const AnyRow& row) const {
  const auto& policy = row.as<PolicyRow>();
  return !pending_.contains({policy.uuid, policy.name.value});
}

Status LinuxPolicyTable::check(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<PolicyRow>();
  if (row.uuid != vm.uuid) return failure(SnmpStatus::inconsistentName, "vmMigVmUuid is not that of VM " + vm.label());
  auto* source = sourceOf(row.name.value);
  if (!source)
    return failure(SnmpStatus::inconsistentName, "vmMigPolicyName " + row.name.value +
                                                     " is not known here: add a line policy = " + row.name.value +
                                                     ",... to vmmigd.conf, or map = policy,LOCAL," + row.name.value);
  if (row.kind != source->line.kind)
    return failure(SnmpStatus::inconsistentValue, "vmMigPolicyKind of " + subjectOf(*source, vm) + " is another one here");
  if (auto status = checkPolicy(&row, vm.addresses); !status) return status;
  if (source->line.kind == PolicyKind::acl && vm.name.empty())
    return failure(SnmpStatus::inconsistentValue,
                   "VM " + vm.label() + " has no name here, which its chain needs: set vmMigVmName");
  if (source->line.kind == PolicyKind::acl) return {};
  if (vm.port.empty()) return failure(SnmpStatus::inconsistentValue, "VM " + vm.label() + " has no port here: set vmMigVmPort");
  if (!isPortName(vm.port) || if_nametoindex(vm.port.c_str()) == 0)
    return failure(SnmpStatus::inconsistentValue, "port " + vm.port + " of VM " + vm.label() +
                                                      " does not exist here: create it, or add map = port,LOCAL," + vm.port +
                                                      " to vmmigd.conf");
  return {};
}

void LinuxPolicyTable::keep(const Key& key, PolicyPieces pieces) {
  if (pieces.empty())
    pending_.erase(key);
  else
    pending_[key] = std::move(pieces);
}

BatchResult LinuxPolicyTable::create(const Vm& vm, std::span<const AnyRow> rows) {
  RowByRow one{*this};
  return LinuxExchangedTable::create(vm, rows);
}

Status LinuxPolicyTable::replace(const Vm& vm, const AnyRow& row) {
  RowByRow one{*this};
  return LinuxExchangedTable::replace(vm, row);
}

BatchResult LinuxPolicyTable::remove(const Vm& vm, std::span<const AnyRow> keys) {
  RowByRow one{*this};
  return LinuxExchangedTable::remove(vm, keys);
}

void LinuxPolicyTable::checkMaps(Source& source, std::vector<CheckRow>& rows) {
  auto name = "policy " + source.line.name;
  if (!source.chain.hasTable()) {
    auto table = source.line.chain.family + " " + source.line.chain.table;
    rows.push_back(finding(name, Health::degraded, "table " + table + " does not exist", "load the ruleset of this device"));
    return;
  }
  for (const auto& [map, fault] : source.chain.checkMaps())
    if (!fault.empty()) {
      auto in = source.line.chain.family + " " + source.line.chain.table + " " + map;
      rows.push_back(
          finding(name, Health::degraded, fault,
                  "make it: nft add map " + in + " '{ type ipv4_addr : verdict; }' (or ipv6_addr), and a rule with vmap"));
      return;
    }
  rows.push_back(finding(name, Health::up, "its table and its maps are there"));
}

std::vector<CheckRow> LinuxPolicyTable::checks() {
  std::vector<CheckRow> rows;
  for (auto& source : sources_) {
    auto name = "policy " + source->line.name;
    if (source->line.kind == PolicyKind::acl)
      checkMaps(*source, rows);
    else if (pathOfProgram("tc").empty())
      rows.push_back(finding(name, Health::degraded, "tc(8) is not installed", "install the package iproute2"));
    else
      rows.push_back(finding(name, Health::up, "tc(8) is there"));
  }
  for (const auto& [key, pieces] : pending_)
    rows.push_back(finding(
        "pieces of " + key.second + " of VM " + toString(key.first), Health::degraded,
        "policy " + key.second + " of VM " + toString(key.first) + " is not in force: missing are pieces " + missingOf(pieces),
        "create them, or destroy the others"));
  return rows;
}

}  // namespace vmmig
