// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/fake_agent.h"

#include <algorithm>

namespace vmmig {

class FakeAgent::Session final : public SnmpSession {
 public:
  explicit Session(FakeAgent& agent) : agent_(agent) {}
  const std::string& peer() const override { return agent_.name_; }

  Task<Result<Response>> get(std::vector<Oid> names, Haste haste) override {
    return request("get", std::move(haste), [this, names] { return agent_.get(names); });
  }
  Task<Result<Response>> getNext(std::vector<Oid> names) override {
    return request("getNext", nullptr, [this, names] { return agent_.getNext(names, 1); });
  }
  Task<Result<Response>> getBulk(std::vector<Oid> names, int maxRepetitions, Haste haste) override {
    return request("getBulk", std::move(haste), [this, names, maxRepetitions] { return agent_.getNext(names, maxRepetitions); });
  }
  Task<Result<Response>> set(std::vector<smi::VarBind> varbinds, Haste haste) override {
    return request("set " + agent_.describe(varbinds), std::move(haste), [this, varbinds] { return agent_.set(varbinds); });
  }

 private:
  /// The answer comes a millisecond later, so that requests overlap.
  Task<Result<Response>> request(std::string what, Haste haste, std::function<Response()> act) {
    if (haste && *haste) agent_.hasty.insert(what);
    agent_.mostUnderWay = std::max(agent_.mostUnderWay, ++agent_.requestsUnderWay);
    co_await sleepFor(agent_.loop_, std::chrono::milliseconds{1});
    auto answer = agent_.answer(what, act);
    --agent_.requestsUnderWay;
    co_return answer;
  }
  FakeAgent& agent_;
};

FakeAgent::FakeAgent(EventLoop& loop, std::string name) : loop_(loop), name_(std::move(name)) {
  DeviceScalars scalars;
  for (auto capability : {Capability::tcpConn, Capability::image, Capability::block, Capability::phase, Capability::hold})
    scalars.capabilities.set(capability);
  scalars.maxChunkSize = 1000;
  put(scalars);
}

std::shared_ptr<Device> FakeAgent::device() { return std::make_shared<Device>(name_, std::make_unique<Session>(*this)); }

void FakeAgent::makeVm(const Uuid& vm, std::uint16_t count) {
  VmRow row;
  row.uuid = vm;
  row.name.value = "web1";
  put(row);
  VmAddressRow address;
  address.uuid = vm;
  address.address = *parseInetAddress("10.0.0.5");
  put(address);
  for (std::uint16_t port = 1; port <= count; ++port) connect(vm, port);
}

void FakeAgent::connect(const Uuid& vm, std::uint16_t port) {
  TcpConnRow row;
  row.uuid = vm;
  row.localAddress = *parseInetAddress("10.0.0.5");
  row.localPort = 22;
  row.remAddress = *parseInetAddress("192.0.2.7");
  row.remPort = port;
  row.timeout = 300;
  put(row);
}

Result<Response> FakeAgent::answer(const std::string& what, const std::function<Response()>& act) {
  requests.insert(what);
  auto is = fault(what);
  if (is == Fault::dead) return failure(name_ + ": no answer");
  if (is == Fault::refuse) return Response{SnmpStatus::inconsistentValue, 1, {}};
  auto response = act();
  if (is == Fault::silentAfter) return failure(name_ + ": no answer");
  return response;
}

std::string FakeAgent::describe(const std::vector<smi::VarBind>& varbinds) const {
  auto name = mib::resolve(varbinds.front().name);
  if (name.table == &TableOf<ImageRow>::info) return "chunk";
  for (const auto& varbind : varbinds) {
    auto column = mib::resolve(varbind.name).column;
    for (const auto& label :
         column && column->name == "vmMigTransferAdminStatus" ? Labels<TransferAdmin>::labels : std::span<const Label>{})
      if (label.number == varbind.value.number) return std::string{label.name};
    for (const auto& label :
         column && column->name == "vmMigPhaseAction" ? Labels<PhaseAction>::labels : std::span<const Label>{})
      if (label.number == varbind.value.number) return "hold " + std::string{label.name};
  }
  return std::string{name.table->name};
}

Response FakeAgent::get(const std::vector<Oid>& names) {
  Response response;
  for (const auto& oid : names) {
    auto name = mib::resolve(oid);
    smi::Value value{smi::Type::noSuchInstance, 0, {}, {}};
    if (name.column) {
      const auto& table = tables_[name.table];
      auto row = table.find(Oid{name.instance.begin(), name.instance.end()});
      if (row != table.end()) value = row->second.get(*name.column);
    }
    response.varbinds.push_back({oid, std::move(value)});
  }
  return response;
}

smi::VarBind FakeAgent::next(OidSpan name) const {
  auto found = nextIn(mib::tables(), name);
  // Those of other modules are all ahead of ours, in any order.
  for (const auto* table : mib::standardTables())
    if (auto other = nextIn({&table, 1}, name); compare(other.name, name) > 0 && compare(other.name, found.name) < 0)
      found = std::move(other);
  return found;
}

smi::VarBind FakeAgent::nextIn(std::span<const TableInfo* const> tables, OidSpan name) const {
  for (const auto* table : tables) {
    auto rows = tables_.find(table);
    if (rows == tables_.end() || rows->second.empty()) continue;
    for (const auto& column : table->values()) {
      auto prefix = mib::oidOf(*table, column);
      auto row = rows->second.begin();
      if (startsWith(name, prefix)) {
        auto rest = behind(name, prefix);
        row = rows->second.upper_bound(Oid{rest.begin(), rest.end()});
      } else if (compare(prefix, name) < 0) {
        continue;
      }
      if (row != rows->second.end()) return {prefix + row->first, row->second.get(column)};
    }
  }
  return {{name.begin(), name.end()}, {smi::Type::endOfMibView, 0, {}, {}}};
}

Response FakeAgent::getNext(const std::vector<Oid>& names, int repetitions) {
  Response response;
  auto last = names;
  for (int repetition = 0; repetition < repetitions; ++repetition)
    for (auto& name : last) {
      response.varbinds.push_back(next(name));
      name = response.varbinds.back().name;
    }
  return response;
}

Response FakeAgent::set(const std::vector<smi::VarBind>& varbinds) {
  std::map<std::pair<const TableInfo*, Oid>, std::vector<smi::VarBind>> rows;
  for (const auto& varbind : varbinds) {
    auto name = mib::resolve(varbind.name);
    rows[{name.table, Oid{name.instance.begin(), name.instance.end()}}].push_back(varbind);
  }
  for (const auto& [key, of] : rows)
    if (auto status = apply(*key.first, key.second, of); status != SnmpStatus::noError) return {status, 1, {}};
  return {SnmpStatus::noError, 0, varbinds};
}

SnmpStatus FakeAgent::apply(const TableInfo& info, const Oid& index, const std::vector<smi::VarBind>& varbinds) {
  auto& table = tables_[&info];
  auto found = table.find(index);
  auto row = found == table.end() ? *rowFromIndex(info, index) : found->second;
  auto oldEpoch = &info == &TableOf<TransferRow>::info ? row.as<TransferRow>().epoch.value : 0;
  for (const auto& varbind : varbinds) {
    const auto& column = *mib::resolve(varbind.name).column;
    if (column.syntax == &Codec<RowStatus>::syntax) {
      auto wanted = static_cast<RowStatus>(varbind.value.number);
      if (wanted == RowStatus::createAndGo && found != table.end()) return SnmpStatus::inconsistentValue;
      if (wanted == RowStatus::destroy) {
        table.erase(index);
        return SnmpStatus::noError;
      }
      continue;
    }
    if (auto status = row.set(column, varbind.value); status != SnmpStatus::noError) return status;
  }
  if (&info == &TableOf<TransferRow>::info) {
    auto& transfer = row.as<TransferRow>();
    if (transfer.epoch < oldEpoch) return SnmpStatus::inconsistentValue;
    transferWritten(transfer, oldEpoch);
  }
  if (&info == &TableOf<PhaseRow>::info) phaseWritten(row.as<PhaseRow>());
  table.insert_or_assign(index, row);
  return SnmpStatus::noError;
}

void FakeAgent::phaseWritten(PhaseRow& row) {
  auto action = std::exchange(row.action, PhaseAction::none);
  if (action == PhaseAction::none || row.holdStatus != HoldStatus::held) return;
  row.holdStatus = action == PhaseAction::release ? HoldStatus::released : HoldStatus::cancelled;
  ++row.sequence;
  tell(action == PhaseAction::release ? "hold released" : "hold cancelled");
}

// --- a simple transfer -------------------------------------------------------------------------------------------------

void FakeAgent::transferWritten(TransferRow& row, std::uint32_t oldEpoch) {
  auto vm = row.uuid;
  if (row.epoch > oldEpoch) {
    bool isSource = row.adminStatus == TransferAdmin::track;
    TransferRow fresh;
    fresh.uuid = vm;
    fresh.epoch = row.epoch;
    fresh.role = row.role;
    fresh.adminStatus = row.adminStatus;
    fresh.policy = row.policy;
    fresh.deadline = row.deadline;
    fresh.operStatus = isSource ? TransferOper::tracking : TransferOper::prepared;
    row = fresh;
    std::erase_if(tables_[&TableOf<ImageRow>::info],
                  [&](const auto& entry) { return entry.second.template as<ImageRow>().uuid == vm; });
    if (!isSource) return;
    image::ChunkWriter writer{chunkSize};
    for (const auto& row : moving()) writer.put(row);
    writer.flush();
    addChunks(row, writer.take());
    return;
  }
  auto later = [&](TransferOper meanwhile, std::function<void()> act) {
    row.operStatus = meanwhile;
    loop_.after(std::chrono::milliseconds{3}, std::move(act));
  };
  switch (row.adminStatus) {
    case TransferAdmin::freeze:
      if (row.operStatus == TransferOper::tracking) later(TransferOper::freezing, [this, vm] { freeze(vm); });
      break;
    case TransferAdmin::commit:
      if (row.operStatus == TransferOper::prepared) later(TransferOper::committing, [this, vm] { commit(vm); });
      break;
    case TransferAdmin::release:
      if (row.operStatus == TransferOper::released) break;
      clearMoving();
      isBlocked = false;
      row.operStatus = TransferOper::released;
      tell("released");
      break;
    case TransferAdmin::done:
      row.operStatus = TransferOper::done;
      tell("done");
      break;
    case TransferAdmin::abort: undo(row, TransferOper::aborted); break;
    default: break;
  }
}

void FakeAgent::addChunks(TransferRow& row, std::vector<std::string> chunks) {
  for (auto& chunk : chunks) {
    row.octets += static_cast<std::uint32_t>(chunk.size());
    ImageRow image{.uuid = row.uuid, .epoch = row.epoch, .number = {++row.chunks}, .data = {std::move(chunk)}};
    put(image);
  }
}

std::vector<AnyRow> FakeAgent::moving() const {
  std::vector<AnyRow> all;
  for (const auto& [info, table] : tables_)
    if (info->moves)
      for (const auto& [index, row] : table) all.push_back(row);
  return all;
}

void FakeAgent::clearMoving() {
  for (auto& [info, table] : tables_)
    if (info->moves) table.clear();
}

void FakeAgent::freeze(const Uuid& vm) {
  TransferRow key;
  key.uuid = vm;
  auto* row = find(key);
  if (!row || row->operStatus != TransferOper::freezing) return;
  isBlocked = true;
  image::Digest digest;
  image::ChunkWriter writer{chunkSize};
  for (const auto& each : moving()) {
    digest.add(each);
    writer.put(each);  // all again: a put of what is there changes nothing
  }
  writer.end(digest);
  writer.flush();
  addChunks(*row, writer.take());
  row->rows = digest.rows();
  row->digest.value = digest.octets();
  row->complete = true;
  row->blockedTime.value = row->lastReadTime.value = 1;
  row->operStatus = TransferOper::frozen;
  tell("frozen");
}

void FakeAgent::commit(const Uuid& vm) {
  TransferRow key;
  key.uuid = vm;
  auto* row = find(key);
  if (!row || row->operStatus != TransferOper::committing) return;
  for (const auto& chunk : rows<ImageRow>()) {
    auto records = image::readChunk(vm, chunk.data.value);
    if (!records) continue;
    for (const auto& record : *records)
      if (const auto* made = std::get_if<image::Put>(&record)) put(made->row);
  }
  if (corruptCommit) tables_[&TableOf<TcpConnRow>::info].erase(tables_[&TableOf<TcpConnRow>::info].begin());
  image::Digest digest;
  for (const auto& each : moving()) digest.add(each);
  row->rows = digest.rows();
  row->digest.value = digest.octets();
  row->operStatus = TransferOper::committed;
  tell("committed");
}

void FakeAgent::undo(TransferRow& row, TransferOper oper) {
  isBlocked = false;
  if (row.role == TransferRole::destination) clearMoving();
  row.operStatus = oper;
  tell("aborted");
}

}  // namespace vmmig
