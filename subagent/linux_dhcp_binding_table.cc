// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_dhcp_binding_table.h"

#include <algorithm>

#include "common/log.h"
#include "subagent/linux_dhcp_text.h"

namespace vmmig {

namespace {

constexpr std::chrono::milliseconds untilSaved{500};

std::string subjectOf(const DhcpBinding& binding) { return "DHCP binding of " + describe(binding); }

DhcpBinding bindingOf(const DhcpBindingRow& row) {
  return {static_cast<std::uint16_t>(row.vlan.value), row.macAddress.value, row.address, row.port.value, row.leaseTime};
}

DhcpBindingRow rowOf(const Vm& vm, const DhcpBinding& binding) {
  DhcpBindingRow row;
  row.uuid = vm.uuid;
  row.vlan.value = binding.vlan;
  row.macAddress.value = binding.macAddress;
  row.address = binding.address;
  row.port.value = binding.port;
  row.leaseTime = binding.seconds;
  return row;
}

bool isOf(const Vm& vm, const DhcpBinding& binding) {
  return vm.owns(binding.address) ||
         std::find(vm.macAddresses.begin(), vm.macAddresses.end(), binding.macAddress) != vm.macAddresses.end();
}

Refusal refusal(SnmpStatus status, std::string text, std::optional<std::size_t> created = {}) {
  return {{status, std::move(text)}, created};
}

}  // namespace

LinuxDhcpBindingTable::LinuxDhcpBindingTable(Nft& nft, Setup setup)
    : LinuxExchangedTable(nft), setup_(std::move(setup)), guard_(nft, setup_.configured), file_(setup_.stateDirectory) {
  start();
  if (!setup_.loop) return;
  snooper_ = std::make_unique<LinuxDhcpSnooper>(*setup_.loop, [this](const auto& change) { learned(change); });
  watch_ = std::make_unique<LinkWatch>(*setup_.loop, [this] { follow(); });
  follow();
}

LinuxDhcpBindingTable::~LinuxDhcpBindingTable() {
  if (saving_) setup_.loop->cancel(*saving_);
  if (auto saved = save(); !saved) log::error(saved.error().text);
}

/// What the kernel still has is newer than the file.
void LinuxDhcpBindingTable::start() {
  auto bridges = readBridges();
  isStarted_ = bridges.has_value();
  // Whatever stands stays: without the ports' names it would cut off all that is exempt.
  if (!bridges) return log::error(fault_ = bridges.error().text);
  bridges_ = std::move(*bridges);
  bool isAnew = !guard_.stands();
  auto kept = isAnew ? file_.load(std::chrono::system_clock::now()) : std::vector<DhcpBinding>{};
  auto status = guard_.ensure(bridges_, kept);
  fault_ = status ? "" : status.error().text;
  if (!status)
    log::error(fault_);
  else if (!kept.empty())
    log::notice("this switch starts anew with " + std::to_string(kept.size()) + " DHCP bindings that it had");
}

std::vector<LinuxDhcpSnooper::Port> LinuxDhcpBindingTable::ports() const {
  std::vector<LinuxDhcpSnooper::Port> result;
  for (const auto& port : bridges_.ports) {
    bool isTrusted = guard_.isTrusted(port);
    if (isTrusted || guard_.guards(port)) result.push_back({port, isTrusted});
  }
  return result;
}

void LinuxDhcpBindingTable::follow() {
  if (!isStarted_) start();
  if (!isStarted_) return;
  auto bridges = readBridges();
  if (!bridges) return log::error(fault_ = bridges.error().text);
  bridges_ = std::move(*bridges);
  auto status = guard_.follow(bridges_);
  fault_ = status ? "" : status.error().text;
  if (!status) log::error(fault_);
  snooper_->listen(ports());
}

void LinuxDhcpBindingTable::learned(const DhcpLearner::Change& change) {
  if (setup_.isBlocked && setup_.isBlocked(change.binding.macAddress, change.binding.address)) return;
  // `nft flush ruleset`, which reloading a firewall does, takes the guard away.
  if (!guard_.stands()) start();
  auto status = change.isEnd ? guard_.end(change.binding) : guard_.bind(change.binding);
  if (!status) {
    log::error(status.error().text);
    return;
  }
  log::info(subjectOf(change.binding) + (change.isEnd ? " ended" : ": " + std::to_string(change.binding.seconds) + " s"));
  saveSoon();
}

void LinuxDhcpBindingTable::saveSoon() {
  isDirty_ = true;
  if (!setup_.loop || saving_) return;
  saving_ = setup_.loop->after(untilSaved, [this] {
    saving_.reset();
    if (auto saved = save(); !saved) log::error(saved.error().text);
  });
}

Status LinuxDhcpBindingTable::save() {
  if (!isDirty_) return {};
  auto bindings = guard_.bindings();
  auto saved = bindings ? file_.save(*bindings, std::chrono::system_clock::now()) : Status{failure(bindings.error())};
  fileFault_ = saved ? "" : saved.error().text;
  isDirty_ = !saved;
  return saved;
}

std::unique_ptr<RowCursor> LinuxDhcpBindingTable::read(const Vm& vm) {
  return readAtOnce([this, vm]() -> Result<std::vector<AnyRow>> {
    auto bindings = guard_.bindings();
    if (!bindings) return failure(bindings.error());
    std::map<Oid, AnyRow> rows;  // an operator may have put one client at two ports; it is one row
    for (const auto& binding : *bindings) {
      if (!isOf(vm, binding)) continue;
      AnyRow row{rowOf(vm, binding)};
      auto index = row.index();
      rows.insert_or_assign(std::move(index), std::move(row));
    }
    std::vector<AnyRow> list;
    for (auto& [index, row] : rows) list.push_back(std::move(row));
    return list;
  });
}

Result<std::optional<AnyRow>> LinuxDhcpBindingTable::find(const Vm& vm, const AnyRow& key) {
  std::vector<AnyRow> rows;
  auto more = read(vm)->next(rows);
  if (!more) return failure(more.error());
  auto index = key.index();
  for (auto& row : rows)
    if (row.index() == index) return std::optional{std::move(row)};
  return std::optional<AnyRow>{};
}

Status LinuxDhcpBindingTable::checkPort(const std::string& name) const {
  const auto* port = bridges_.port(name);
  if (port && guard_.guards(*port)) return {};
  std::string guarded, bridges;
  for (const auto& each : bridges_.ports)
    if (guard_.guards(each)) guarded += (guarded.empty() ? "" : ", ") + each.name;
  for (const auto& each : guard_.configured()) bridges += (bridges.empty() ? "" : ", ") + each.bridge;
  return failure(SnmpStatus::inconsistentValue,
                 "vmMigDhcpBindingPort: '" + name + "' is no untrusted port of a bridge with dhcp-snooping (" + bridges +
                     "; its are: " + (guarded.empty() ? "none" : guarded) +
                     "); where the same port has another name here, say map = port," +
                     (guarded.empty() ? "LOCAL" : guarded.substr(0, guarded.find(','))) + "," + name + " in vmmigd.conf");
}

Status LinuxDhcpBindingTable::check(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<DhcpBindingRow>();
  if (auto fits = table().check(&row, vm.addresses); !fits) return fits;
  auto binding = bindingOf(row);
  if (!isOf(vm, binding))
    return failure(SnmpStatus::inconsistentName, "vmMigDhcpBindingAddress: neither " + toString(row.address) + " nor " +
                                                     macText(row.macAddress.value) + " is an address of VM " + vm.label());
  // A bridge that came after the last event was read is one of the device all the same.
  if (!setup_.loop)
    if (auto bridges = readBridges()) bridges_ = std::move(*bridges);
  return checkPort(row.port.value);
}

std::optional<Refusal> LinuxDhcpBindingTable::stage(NftTransaction& transaction, const Vm& vm, const ExchangePart& part) {
  using Step = NftTransaction::Step;
  auto present = guard_.bindings();
  if (!present) return Refusal{present.error(), std::nullopt};
  for (const auto* row : part.remove) {
    auto binding = bindingOf(row->as<DhcpBindingRow>());
    // Wherever the client is by now: a renewal may have found it at another port since it was read.
    for (const auto& each : *present)
      if (each.isSameAs(binding)) transaction.add(Step::dropElements, LinuxSourceGuard::deleteCommand(each));
    std::erase_if(*present, [&](const auto& each) { return each.isSameAs(binding); });
  }
  for (const auto& [row, number] : part.create) {
    auto binding = bindingOf(row->as<DhcpBindingRow>());
    if (auto checked = check(vm, *row); !checked) return Refusal{checked.error(), number};
    bool isThere = std::any_of(present->begin(), present->end(), [&](const auto& each) { return each.isSameAs(binding); });
    if (isThere) return refusal(SnmpStatus::inconsistentName, "The " + subjectOf(binding) + " exists already", number);
    if (binding.seconds == 0) continue;  // the lease has ended on the way
    transaction.add(Step::addElements, LinuxSourceGuard::addCommand(binding), number, subjectOf(binding));
  }
  if (!part.rehearsal) saveSoon();
  return std::nullopt;
}

CheckRow LinuxDhcpBindingTable::checkBridge(const DhcpSnooping& configured) const {
  const auto& bridge = configured.bridge;
  const auto degraded = [&](const std::string& text, const std::string& remedy) {
    return finding("dhcpSnooping " + bridge, Health::degraded, text, remedy);
  };
  const std::string line = "mend the line dhcp-snooping in vmmigd.conf";
  if (!bridges_.has(bridge)) return degraded("there is no bridge " + bridge, "make it, or " + line);
  for (const auto& name : configured.trustedPorts) {
    const auto* port = bridges_.port(name);
    if (!port || port->bridge != bridge)
      return degraded("the trusted port " + name + " is no port of " + bridge + ": DHCP servers behind it are not heard",
                      "ip link set " + name + " master " + bridge + ", or " + line);
  }
  std::size_t count = 0;
  for (const auto& port : bridges_.ports) {
    if (port.bridge != bridge) continue;
    ++count;
    if (snooper_ && snooper_->deaf().contains(port.name))
      return degraded("DHCP at port " + port.name + " is not heard: " + snooper_->deaf().at(port.name),
                      "give vmmigd CAP_NET_RAW (AmbientCapabilities in its unit), or raise its limit of open files");
  }
  return finding("dhcpSnooping " + bridge, Health::up, "DHCP is snooped at " + std::to_string(count) + " ports", "");
}

std::vector<CheckRow> LinuxDhcpBindingTable::checks() {
  std::vector<CheckRow> rows;
  for (const auto& configured : guard_.configured()) rows.push_back(checkBridge(configured));
  const auto add = [&](const std::string& name, const std::string& fault, const std::string& well, const std::string& remedy) {
    rows.push_back(fault.empty() ? finding(name, Health::up, well, "") : finding(name, Health::degraded, fault, remedy));
  };
  auto fault =
      fault_.empty() && !guard_.stands() ? std::string{"the table `bridge vmmig` is gone: no source is checked"} : fault_;
  if (setup_.loop && fault.empty() && !watch_->isOpen()) fault = "ports that come and go are not followed";
  add("sourceGuard", fault, "sources are checked at all ports that are not trusted",
      "see the log of vmmigd; restarting it makes the table `bridge vmmig` anew");
  auto writable = file_.check();
  add("dhcpBindingFile", fileFault_.empty() && !writable ? writable.error().text : fileFault_,
      "DHCP bindings survive a restart of this device", "make the state directory writable for vmmigd");
  return rows;
}

}  // namespace vmmig
