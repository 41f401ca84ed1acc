// SPDX-License-Identifier: GPL-2.0-or-later
// An SnmpSession over a map of rows: answers in the loop's next turn as an agent would, with RowStatus as far as createAndGo and
// destroy, and with faults on request.
#pragma once

#include <algorithm>
#include <functional>
#include <map>

#include "manager/snmp_session.h"
#include "mibs/registry.h"

namespace vmmig::test {

class FakeSession : public SnmpSession {
 public:
  explicit FakeSession(EventLoop& loop) : loop_(loop) {}

  // --- what the agent has
  std::map<Oid, smi::Value> objects;
  void put(const AnyRow& row) {
    auto index = row.index();
    for (const auto& column : row.table().columns)
      if (column.access != Access::notAccessible && column.subid)
        objects[mib::oidOf(row.table(), column, index)] = row.get(column);
  }
  void remove(const AnyRow& row) {
    auto index = row.index();
    for (const auto& column : row.table().columns)
      if (column.subid) objects.erase(mib::oidOf(row.table(), column, index));
  }
  template <class Row>
  std::size_t count() const {
    std::size_t rows = 0;
    auto column = mib::oidOf(TableOf<Row>::info, *TableOf<Row>::info.rowStatus());
    for (const auto& [name, value] : objects) rows += startsWith(name, column);
    return rows;
  }

  // --- faults, and what was seen
  std::size_t mostVarbinds = 1000;                        // in an answer: GETBULK is cut there, others are tooBig
  std::function<std::optional<Error>(int)> transport;     // asked for each request by its number, from 0
  std::function<SnmpStatus(const smi::VarBind&)> refuse;  // asked for each varbind of a SET
  std::function<void(int)> before;                        // before each request is answered
  std::vector<std::vector<smi::VarBind>> sets;
  std::vector<bool> isHasty;  // of each request
  int requests = 0;
  int mostUnderWay = 0;
  std::size_t largestGet = 0;  // octets of the AgentX PDU that answers a GET, as RFC 2741 section 5 has it

  Task<Result<Response>> get(std::vector<Oid> names, Haste haste) override {
    isHasty.push_back(haste && *haste);
    return answer([this, names] { return doGet(names); });
  }
  Task<Result<Response>> getNext(std::vector<Oid> names) override {
    return answer([this, names] { return doBulk(names, 1); });
  }
  Task<Result<Response>> getBulk(std::vector<Oid> names, int repetitions, Haste haste) override {
    isHasty.push_back(haste && *haste);
    return answer([this, names, repetitions] { return doBulk(names, repetitions); });
  }
  Task<Result<Response>> set(std::vector<smi::VarBind> varbinds, Haste haste) override {
    isHasty.push_back(haste && *haste);
    return answer([this, varbinds] { return doSet(varbinds); });
  }
  const std::string& peer() const override { return peer_; }

 private:
  Task<Result<Response>> answer(std::function<Response()> make) {
    int number = requests++;
    mostUnderWay = std::max(mostUnderWay, ++underWay_);
    co_await nextTurn(loop_);
    --underWay_;
    if (before) before(number);
    if (auto error = transport ? transport(number) : std::nullopt) co_return failure(*error);
    co_return make();
  }

  Response doGet(const std::vector<Oid>& names) {
    Response response;
    for (const auto& name : names) {
      auto found = objects.find(name);
      response.varbinds.push_back(
          {name, found == objects.end() ? smi::Value{smi::Type::noSuchInstance, 0, {}, {}} : found->second});
    }
    if (names.size() > mostVarbinds) return {SnmpStatus::tooBig, 0, {}};
    std::size_t octets = 0;
    for (const auto& varbind : response.varbinds) octets += 16 + 4 * varbind.name.size() + varbind.value.octets.size();
    largestGet = std::max(largestGet, octets);
    return response;
  }
  Response doBulk(std::vector<Oid> names, int repetitions) {
    Response response;
    for (int i = 0; i < repetitions; ++i)
      for (auto& name : names) {
        if (response.varbinds.size() == mostVarbinds) return response;
        auto next = objects.upper_bound(name);
        if (next == objects.end()) {
          response.varbinds.push_back({name, {smi::Type::endOfMibView, 0, {}, {}}});
        } else {
          response.varbinds.push_back({next->first, next->second});
          name = next->first;
        }
      }
    return response;
  }
  Response doSet(const std::vector<smi::VarBind>& varbinds) {
    sets.push_back(varbinds);
    for (std::size_t i = 0; i < varbinds.size(); ++i)
      if (auto status = objection(varbinds[i]); status != SnmpStatus::noError) return {status, i + 1, varbinds};
    for (const auto& varbind : varbinds) apply(varbind);
    return {SnmpStatus::noError, 0, varbinds};
  }
  SnmpStatus objection(const smi::VarBind& varbind) {
    auto name = mib::resolve(varbind.name);
    bool creates = name.column == name.table->rowStatus() && varbind.value == Codec<RowStatus>::toValue(RowStatus::createAndGo);
    if (creates && objects.contains(varbind.name)) return SnmpStatus::inconsistentValue;
    return refuse ? refuse(varbind) : SnmpStatus::noError;
  }
  void apply(const smi::VarBind& varbind) {
    auto name = mib::resolve(varbind.name);
    auto row = *rowFromIndex(*name.table, name.instance);
    bool isStatus = name.column == name.table->rowStatus();
    if (isStatus && varbind.value == Codec<RowStatus>::toValue(RowStatus::destroy)) return remove(row);
    if (isStatus) {
      // Columns of the same PDU may have come first.
      for (const auto& column : row.table().columns)
        if (column.access != Access::notAccessible && column.subid)
          objects.try_emplace(mib::oidOf(row.table(), column, row.index()), row.get(column));
      return;
    }
    objects[varbind.name] = varbind.value;
  }

  EventLoop& loop_;
  std::string peer_ = "fake";
  int underWay_ = 0;
};

/// Runs a task to its end.
template <class T>
T await(EventLoop& loop, Task<T> task) {
  std::optional<T> result;
  auto keep = [](Task<T> inner, std::optional<T>& out) -> Task<> { out.emplace(co_await inner); };
  spawn(keep(std::move(task), result));
  if (!loop.runUntil([&] { return result.has_value(); }, Clock::now() + std::chrono::seconds{20})) std::abort();
  return std::move(*result);
}

}  // namespace vmmig::test
