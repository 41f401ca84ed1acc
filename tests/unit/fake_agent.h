// SPDX-License-Identifier: GPL-2.0-or-later
// A device or a hypervisor's host in memory behind the SnmpSession interface, for tests of the manager: answers GET, GETNEXT,
// GETBULK and SET from plain maps, plays a simple transfer, and fails where a test tells it to.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>

#include "manager/device.h"
#include "mibs/image.h"
#include "mibs/image_table.h"
#include "mibs/phase_table.h"
#include "mibs/tcp_conn_table.h"
#include "mibs/transfer_table.h"
#include "mibs/vm_address_table.h"
#include "mibs/vm_table.h"

namespace vmmig {

class FakeAgent {
 public:
  FakeAgent(EventLoop& loop, std::string name);

  /// The manager's end.
  std::shared_ptr<Device> device();

  void put(AnyRow row) { tables_[&row.table()].insert_or_assign(row.index(), row); }
  template <class Row>
  std::vector<Row> rows() const {
    std::vector<Row> result;
    if (auto found = tables_.find(&TableOf<Row>::info); found != tables_.end())
      for (const auto& [index, row] : found->second) result.push_back(row.template as<Row>());
    return result;
  }
  template <class Row>
  Row* find(const Row& key) {
    auto& table = tables_[&TableOf<Row>::info];
    auto found = table.find(AnyRow{key}.index());
    return found == table.end() ? nullptr : &found->second.template as<Row>();
  }
  /// Makes a VM with `count` connections.
  void makeVm(const Uuid& vm, std::uint16_t count);
  void connect(const Uuid& vm, std::uint16_t port);

  // --- what a test injects
  enum class Fault { none, dead, silentAfter, refuse };
  /// Called before each request with what it is, such as "set freeze", "get", "set chunk": dead: no answer and no effect;
  /// silentAfter: the effect and no answer; refuse: inconsistentValue.
  std::function<Fault(const std::string& request)> fault = [](const std::string&) { return Fault::none; };
  std::set<std::string> requests;  // all that were made
  std::set<std::string> hasty;     // of them, those in haste
  int requestsUnderWay = 0, mostUnderWay = 0;
  std::size_t chunkSize = 400;
  bool corruptCommit = false;  // one row fewer than it should have
  bool isBlocked = false;
  /// The order in which things happened at all agents of a test.
  std::shared_ptr<std::vector<std::string>> story = std::make_shared<std::vector<std::string>>();

 private:
  class Session;
  using Table = std::map<Oid, AnyRow>;

  Result<Response> answer(const std::string& what, const std::function<Response()>& act);
  Response get(const std::vector<Oid>& names);
  Response getNext(const std::vector<Oid>& names, int repetitions);
  Response set(const std::vector<smi::VarBind>& varbinds);
  std::string describe(const std::vector<smi::VarBind>& varbinds) const;
  smi::VarBind next(OidSpan name) const;
  smi::VarBind nextIn(std::span<const TableInfo* const> tables, OidSpan name) const;
  SnmpStatus apply(const TableInfo& table, const Oid& index, const std::vector<smi::VarBind>& varbinds);
  void transferWritten(TransferRow& row, std::uint32_t oldEpoch);
  void phaseWritten(PhaseRow& row);
  /// Rows of every table that moves.
  std::vector<AnyRow> moving() const;
  void clearMoving();
  void freeze(const Uuid& vm);
  void commit(const Uuid& vm);
  void undo(TransferRow& row, TransferOper oper);
  void addChunks(TransferRow& row, std::vector<std::string> chunks);
  void tell(const std::string& what) { story->push_back(name_ + " " + what); }

  EventLoop& loop_;
  std::string name_;
  std::map<const TableInfo*, Table> tables_;
};

}  // namespace vmmig
