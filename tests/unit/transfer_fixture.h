// SPDX-License-Identifier: GPL-2.0-or-later
// Two devices with the model firewall, whose agents can crash and whose firewall can fail, and what a manager does with them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/log.h"
#include "mibs/image.h"
#include "mibs/image_table.h"
#include "mibs/tcp_conn_table.h"
#include "subagent/memory_back_end.h"
#include "subagent/name_map.h"
#include "subagent/transfer_engine.h"
#include "tests/unit/fake_exchanged_tables.h"

namespace vmmig::test {

using namespace std::chrono_literals;
using Kind = Change::Kind;

inline const Uuid vmUuid{{7}};
inline const InetAddress vmAddress = parseInetAddress("10.0.0.7").value();

/// So many turns, without waiting for anything.
inline void turnLoop(EventLoop& loop, int count) {
  loop.runUntil([&] {
    loop.post([] {});
    return count-- <= 0;
  });
}

class FakeNotifier final : public Notifier {
 public:
  void send(mib::Notification notification, const AnyRow& row) override { sent.emplace_back(notification, row); }
  std::vector<std::pair<mib::Notification, AnyRow>> sent;
};

/// What goes wrong in a device from now on.
struct Faults {
  std::optional<std::size_t> createsLeft;  // then each create fails
  std::optional<std::size_t> removesLeft;
  std::set<std::uint16_t> refusedPorts;  // local ports of rows that cannot be made
  bool read = false;
  bool block = false;
  std::function<void(TcpConnRow&)> alter;  // what is made comes out otherwise
  std::function<void()> beforeCreate;
  int forgotten = 0;  // how often the table was told to forget the VM
  bool follows = true;
  bool renews = true;         // rows in place
  bool losesChanges = false;  // whoever follows
};

/// What a device was asked for.
struct Calls {
  int reads = 0;
  int finds = 0;
  std::size_t created = 0;  // rows
  std::size_t removed = 0;
  std::size_t renewed = 0;
};

class FaultyTable final : public TableBackEnd {
 public:
  FaultyTable(TableBackEnd& real, Faults& faults, Calls& calls) : real_(real), faults_(faults), calls_(calls) {}
  const TableInfo& table() const override { return real_.table(); }
  std::unique_ptr<RowCursor> read(const Vm& vm) override {
    ++calls_.reads;
    if (faults_.read) return std::make_unique<BrokenCursor>();
    return real_.read(vm);
  }
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override {
    ++calls_.finds;
    return real_.find(vm, key);
  }
  std::unique_ptr<RowFollower> follow(const Vm& vm, KnownRows known) override {
    if (!faults_.follows) return nullptr;
    return std::make_unique<FaultyFollower>(real_.follow(vm, std::move(known)), faults_);
  }
  Status check(const Vm& vm, const AnyRow& row) override {
    if (faults_.refusedPorts.contains(row.as<TcpConnRow>().localPort))
      return failure(SnmpStatus::wrongValue, "this port is refused");
    return real_.check(vm, row);
  }
  bool moves(const AnyRow& row) const override { return row.as<TcpConnRow>().state != TcpState::synSent; }
  InetAddress peerOf(const AnyRow& row) const override { return real_.peerOf(row); }
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override {
    if (faults_.beforeCreate) faults_.beforeCreate();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (auto checked = check(vm, rows[i]); !checked) return {i, checked.error()};
      if (spent(faults_.createsLeft)) return {i, Error{SnmpStatus::resourceUnavailable, "no room"}};
      auto row = rows[i];
      if (faults_.alter) faults_.alter(row.as<TcpConnRow>());
      if (auto made = real_.create(vm, {&row, 1}); made.error) return {i, made.error};
      ++calls_.created;
    }
    return {rows.size(), std::nullopt};
  }
  Status replace(const Vm& vm, const AnyRow& row) override { return real_.replace(vm, row); }
  std::vector<bool> renew(const Vm& vm, std::span<AnyRow> rows) override {
    if (!faults_.renews) return std::vector<bool>(rows.size(), false);
    calls_.renewed += rows.size();
    return real_.renew(vm, rows);
  }
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (spent(faults_.removesLeft)) return {i, Error{SnmpStatus::genErr, "the device does not answer"}};
      real_.remove(vm, keys.subspan(i, 1));
      ++calls_.removed;
    }
    return {keys.size(), std::nullopt};
  }
  void forget(const Uuid& vm) override { faults_.forgotten += vm == vmUuid; }

 private:
  struct BrokenCursor final : RowCursor {
    Result<bool> next(std::vector<AnyRow>&) override { return failure("the device does not answer"); }
  };
  class FaultyFollower final : public RowFollower {
   public:
    FaultyFollower(std::unique_ptr<RowFollower> real, Faults& faults) : real_(std::move(real)), faults_(faults) {}
    Result<bool> next(std::vector<AnyRow>& rows, std::vector<AnyRow>& gone) override {
      if (!faults_.losesChanges) return real_->next(rows, gone);
      // Nobody will ever hear of them.
      std::vector<AnyRow> lost;
      static_cast<void>(real_->next(lost, lost));
      return failure("changes were lost");
    }

   private:
    std::unique_ptr<RowFollower> real_;
    Faults& faults_;
  };
  static bool spent(std::optional<std::size_t>& left) {
    if (left && *left == 0) return true;
    if (left) --*left;
    return false;
  }
  TableBackEnd& real_;
  Faults& faults_;
  Calls& calls_;
};

/// The connections of another back end, and tables that are exchanged.
class FaultyBackEnd final : public BackEnd {
 public:
  explicit FaultyBackEnd(BackEnd& real) : real_(real), table_(*real.tableFor(TableOf<TcpConnRow>::info), faults, calls) {
    for (auto* table : exchanged.tables()) tables_.push_back(table);
  }
  std::string_view name() const override { return real_.name(); }
  Bits<Capability> capabilities() const override { return real_.capabilities(); }
  std::vector<CheckRow> checks() override { return real_.checks(); }
  std::optional<Refusal> exchange(const Vm&, const Exchange& exchange) override { return exchanged.exchange(exchange); }
  std::optional<Refusal> rehearse(const Vm&, const Exchange& exchange) override { return exchanged.rehearse(exchange); }
  std::uint32_t maxRows() override { return real_.maxRows(); }
  std::uint32_t rows() override { return real_.rows(); }
  std::span<TableBackEnd* const> tables() override { return tables_; }
  Status block(const Vm& vm) override { return faults.block ? Status{failure("no block")} : real_.block(vm); }
  void unblock(const Uuid& vm) override { real_.unblock(vm); }
  bool isBlocked(const Uuid& vm) const override { return real_.isBlocked(vm); }

  Faults faults;
  Calls calls;
  FakeExchangedTables exchanged;

 private:
  BackEnd& real_;
  FaultyTable table_;
  std::vector<TableBackEnd*> tables_{&table_};
};

inline TcpConnRow connection(std::uint16_t localPort, std::uint32_t seconds = 1000) {
  TcpConnRow row;
  row.uuid = vmUuid;
  row.localAddress = vmAddress;
  row.localPort = localPort;
  row.remAddress = parseInetAddress("192.0.2.9").value();
  row.remPort = 443;
  row.timeout = seconds;
  row.windowKnown = true;
  row.seqNumber = row.localMaxEnd = 1000u + localPort;
  row.ackNumber = row.remSeqNumber = row.remMaxEnd = 2000u + localPort;
  row.remAckNumber = row.seqNumber;
  row.localMaxWindow = row.remMaxWindow = 65535;
  return row;
}

inline AclRow aclEntry(const std::string& entry, const std::string& list = "authenticated") {
  AclRow row;
  row.uuid = vmUuid;
  row.list.value = list;
  row.entry.value = row.match.value = entry;
  row.timeout = row.lifetime = 600;
  row.identity.value = "alice";
  return row;
}

inline std::vector<PolicyRow> policy(const std::string& name, const std::vector<std::string>& pieces) {
  std::vector<PolicyRow> rows;
  for (const auto& text : pieces) {
    PolicyRow row;
    row.uuid = vmUuid;
    row.name.value = name;
    row.piece.value = static_cast<std::uint32_t>(rows.size()) + 1;
    row.pieces.value = static_cast<std::uint32_t>(pieces.size());
    row.text.value = text;
    rows.push_back(row);
  }
  return rows;
}

/// Everything of a row but what a clock changes.
inline std::set<std::string> packed(const std::vector<TcpConnRow>& rows) {
  std::set<std::string> result;
  for (const auto& row : rows) result.insert(image::packRow(AnyRow{row}, image::Form::canonical));
  return result;
}

class Device {
 public:
  /// `names`: its rules, when its names are not the common ones.
  Device(EventLoop& loop, std::string stateFile, Limits limits = {}, std::vector<NameRule> names = {})
      : loop_(loop), stateFile_(std::move(stateFile)), limits_(limits) {
    auto faulty = std::make_unique<FaultyBackEnd>(memory_);
    backEnd_ = faulty.get();
    front_ = std::move(faulty);
    if (!names.empty()) front_ = std::make_unique<MappedBackEnd>(std::move(front_), NameMap::make(std::move(names)).value());
    start();
    knowVm();
  }

  TransferEngine& engine() { return *agent_->engine; }
  VmRegistry& registry() { return agent_->registry; }
  FaultyBackEnd& backEnd() { return *backEnd_; }
  Faults& faults() { return backEnd_->faults; }
  Calls& calls() { return backEnd_->calls; }
  FakeExchangedTables& exchanged() { return backEnd_->exchanged; }
  std::vector<TcpConnRow> rows() { return memory_.firewall().rowsOf(vm()); }
  Vm vm() const { return {vmUuid, "web1", {vmAddress}}; }
  void add(const TcpConnRow& row) { ASSERT_TRUE(memory_.firewall().insert(row)); }
  void remove(const TcpConnRow& row) { memory_.firewall().erase(row); }
  void add(const std::vector<PolicyRow>& pieces) {
    for (const auto& piece : pieces) exchanged().add(piece);
  }
  /// Everything of the rows of the tables that are exchanged but what a clock changes.
  std::set<std::string> exchangedRows() {
    std::set<std::string> result;
    for (const auto& [key, row] : exchanged().rows)
      result.insert(std::string{row.table().name} + image::packRow(row, image::Form::canonical));
    return result;
  }
  void knowVm() {
    VmRow row;
    row.uuid = vmUuid;
    row.name.value = "web1";
    registry().put(row);
    VmAddressRow address;
    address.uuid = vmUuid;
    address.address = vmAddress;
    registry().put(address);
  }

  /// kill -9: what the agent was doing stops, and its block of traffic goes with it.
  void crash() {
    agent_.reset();
    memory_.unblock(vmUuid);
    turnLoop(loop_, 3);
  }
  void restart() {
    crash();
    start([] {});
  }
  /// As vmmigd starts: `configure` is what its configuration does to the registry.
  void start(const std::function<void()>& configure) {
    start();
    configure();
    engine().recover();
  }

  /// As the agent's handler does it.
  static Status set(RowStore& store, const AnyRow& wanted, const std::vector<std::string_view>& columns) {
    auto before = store.find(wanted).value();
    Change change{before ? Kind::replace : Kind::create, before, before ? *before : wanted, {}};
    for (auto name : columns) {
      const auto* column = store.table().column(name);
      change.written.push_back(column);
      EXPECT_EQ(change.after.set(*column, wanted.get(*column)), SnmpStatus::noError);
    }
    return run(store, change);
  }
  static Status run(RowStore& store, const Change& change) {
    if (auto checked = store.check(change); !checked) return checked;
    if (auto applied = store.apply(change); !applied) return applied;
    store.settle(change);
    return {};
  }

  Status claim(TransferRole role, std::uint32_t epoch, std::uint32_t deadlineSeconds = 60,
               TransferPolicy policy = TransferPolicy::require) {
    TransferRow row;
    row.uuid = vmUuid;
    row.role = role;
    row.epoch.value = epoch;
    row.adminStatus = role == TransferRole::source ? TransferAdmin::track : TransferAdmin::prepare;
    row.policy = policy;
    row.deadline.value = deadlineSeconds;
    return set(
        engine().transferStore(), AnyRow{row},
        {"vmMigTransferRole", "vmMigTransferEpoch", "vmMigTransferAdminStatus", "vmMigTransferPolicy", "vmMigTransferDeadline"});
  }
  Status want(TransferAdmin wanted, std::uint32_t epoch) {
    TransferRow row;
    row.uuid = vmUuid;
    row.epoch.value = epoch;
    row.adminStatus = wanted;
    return set(engine().transferStore(), AnyRow{row}, {"vmMigTransferEpoch", "vmMigTransferAdminStatus"});
  }
  Status destroy() {
    auto now = transferRow();
    return run(engine().transferStore(), Change{Kind::remove, AnyRow{now}, AnyRow{now}, {}});
  }
  TransferRow transferRow() {
    TransferRow key;
    key.uuid = vmUuid;
    auto row = engine().transferStore().find(AnyRow{key}).value();
    return row ? row->as<TransferRow>() : TransferRow{};
  }
  TransferOper state() { return transferRow().operStatus; }

  std::optional<std::string> chunk(std::uint32_t epoch, std::uint32_t number) {
    auto row = engine().imageStore().find(AnyRow{ImageRow{vmUuid, {epoch}, {number}, {}}}).value();
    if (!row) return std::nullopt;
    return row->as<ImageRow>().data.value;
  }
  Status writeChunk(std::uint32_t epoch, std::uint32_t number, std::string data) {
    return set(engine().imageStore(), AnyRow{ImageRow{vmUuid, {epoch}, {number}, {std::move(data)}}}, {"vmMigImageData"});
  }

  FakeNotifier notifier;

 private:
  struct Agent {
    Agent(EventLoop& loop, BackEnd& backEnd, Notifier& notifier, const std::string& path, Limits limits)
        : file(path), engine(std::make_unique<TransferEngine>(loop, registry, backEnd, notifier, file, limits)) {}
    VmRegistry registry;
    StateFile file;
    std::unique_ptr<TransferEngine> engine;
  };
  void start() { agent_ = std::make_unique<Agent>(loop_, *front_, notifier, stateFile_, limits_); }

  EventLoop& loop_;
  MemoryBackEnd memory_;
  std::unique_ptr<BackEnd> front_;
  FaultyBackEnd* backEnd_ = nullptr;
  std::string stateFile_;
  Limits limits_;
  std::unique_ptr<Agent> agent_;
};

class TransferTest : public testing::Test {
 protected:
  explicit TransferTest(const std::vector<NameRule>& sourceNames = {}, const std::vector<NameRule>& destinationNames = {})
      : source_(loop_, directory_ + "/source.json", smallLimits(), sourceNames),
        destination_(loop_, directory_ + "/destination.json", smallLimits(), destinationNames) {
    log::setLevel(log::Level::error);
    std::filesystem::create_directories(directory_);
  }
  ~TransferTest() override {
    source_.crash();
    destination_.crash();
    std::filesystem::remove_all(directory_);
  }

  static Limits smallLimits() {
    Limits limits;
    limits.chunkOctets = 512;
    limits.sliceRows = 16;
    return limits;
  }

  /// Also sees what no event tells.
  bool until(const std::function<bool()>& done, Clock::duration longest = 10s) {
    for (auto end = Clock::now() + longest; Clock::now() < end;)
      if (loop_.runUntil(done, Clock::now() + 5ms)) return true;
    return false;
  }
  bool reaches(Device& device, TransferOper wanted) {
    until([&] { return device.state() == wanted || isFinal(device.state()); });
    EXPECT_EQ(device.state(), wanted) << device.transferRow().error.value;
    return device.state() == wanted;
  }
  void turns(int count) { turnLoop(loop_, count); }
  void turnFor(Clock::duration time) {
    until([] { return false; }, time);
  }

  void addConnections(Device& device, std::uint16_t from, std::uint16_t count) {
    for (std::uint16_t i = 0; i < count; ++i) device.add(connection(static_cast<std::uint16_t>(from + i)));
  }
  void claimBoth(std::uint32_t epoch, std::uint32_t deadlineSeconds = 60, TransferPolicy policy = TransferPolicy::require) {
    ASSERT_TRUE(source_.claim(TransferRole::source, epoch, deadlineSeconds, policy));
    ASSERT_TRUE(destination_.claim(TransferRole::destination, epoch, deadlineSeconds, policy));
    ASSERT_TRUE(reaches(destination_, TransferOper::prepared));
  }
  std::vector<std::string> image(std::uint32_t epoch) {
    std::vector<std::string> chunks;
    while (auto data = source_.chunk(epoch, static_cast<std::uint32_t>(chunks.size()) + 1)) chunks.push_back(*data);
    return chunks;
  }
  void copyImage(std::uint32_t epoch) {
    std::uint32_t number = 0;
    for (const auto& data : image(epoch)) {
      auto written = destination_.writeChunk(epoch, ++number, data);
      ASSERT_TRUE(written) << written.error().text;
    }
  }
  /// Up to a destination that could commit.
  void copyFrozen(std::uint32_t epoch, std::uint32_t deadlineSeconds = 60, TransferPolicy policy = TransferPolicy::require) {
    claimBoth(epoch, deadlineSeconds, policy);
    ASSERT_TRUE(source_.want(TransferAdmin::freeze, epoch));
    ASSERT_TRUE(reaches(source_, TransferOper::frozen));
    copyImage(epoch);
  }
  void commit(std::uint32_t epoch) {
    auto wanted = destination_.want(TransferAdmin::commit, epoch);
    ASSERT_TRUE(wanted) << wanted.error().text;
    ASSERT_TRUE(reaches(destination_, TransferOper::committed));
  }

  std::string directory_ = testing::TempDir() + "vmmig-transfer-" + std::to_string(::getpid());
  EventLoop loop_;
  Device source_;
  Device destination_;
};

}  // namespace vmmig::test
