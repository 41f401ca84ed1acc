// SPDX-License-Identifier: GPL-2.0-or-later
#include <set>

#include "subagent/name_map.h"
#include "subagent/transfer_text.h"

namespace vmmig {

namespace {

/// Those from `from` on.
Status toCommon(const NameMap& map, std::vector<AnyRow>& rows, std::size_t from) {
  for (auto i = from; i < rows.size(); ++i) {
    if (!map.concerns(rows[i].table())) continue;
    auto common = map.toCommon(std::move(rows[i]));
    if (!common) return failure(common.error());
    rows[i] = std::move(*common);
  }
  return {};
}

}  // namespace

class MappedBackEnd::Cursor final : public RowCursor {
 public:
  Cursor(std::unique_ptr<RowCursor> local, const NameMap& map) : local_(std::move(local)), map_(map) {}

  Result<bool> next(std::vector<AnyRow>& rows) override {
    auto first = rows.size();
    auto more = local_->next(rows);
    if (!more) return more;
    if (auto mapped = toCommon(map_, rows, first); !mapped) return failure(mapped.error());
    return more;
  }

 private:
  std::unique_ptr<RowCursor> local_;
  const NameMap& map_;
};

class MappedBackEnd::Follower final : public RowFollower {
 public:
  Follower(std::unique_ptr<RowFollower> local, const NameMap& map) : local_(std::move(local)), map_(map) {}

  Result<bool> next(std::vector<AnyRow>& rows, std::vector<AnyRow>& gone) override {
    auto firstRow = rows.size(), firstGone = gone.size();
    auto more = local_->next(rows, gone);
    if (!more) return more;
    if (auto mapped = toCommon(map_, rows, firstRow); !mapped) return failure(mapped.error());
    if (auto mapped = toCommon(map_, gone, firstGone); !mapped) return failure(mapped.error());
    return more;
  }

 private:
  std::unique_ptr<RowFollower> local_;
  const NameMap& map_;
};

class MappedBackEnd::Table final : public ForwardingTable {
 public:
  Table(TableBackEnd& table, const NameMap& map) : ForwardingTable(table), map_(map), isConcerned_(map.concerns(table.table())) {}

  std::unique_ptr<RowCursor> read(const Vm& vm) override {
    auto local = table_.read(map_.toLocal(vm));
    return isConcerned_ ? std::make_unique<Cursor>(std::move(local), map_) : std::move(local);
  }
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Result<std::vector<std::optional<AnyRow>>> findAll(const Vm& vm, std::span<const AnyRow> keys) override {
    return isConcerned_ ? TableBackEnd::findAll(vm, keys) : table_.findAll(map_.toLocal(vm), keys);
  }
  Result<std::vector<std::uint32_t>> count(std::span<const Vm> vms) override {
    std::vector<Vm> local;
    for (const auto& vm : vms) local.push_back(map_.toLocal(vm));
    return table_.count(local);
  }
  std::unique_ptr<RowFollower> follow(const Vm& vm, KnownRows known) override {
    auto local = table_.follow(map_.toLocal(vm), isConcerned_ ? nullptr : std::move(known));
    return local && isConcerned_ ? std::make_unique<Follower>(std::move(local), map_) : std::move(local);
  }
  Status check(const Vm& vm, const AnyRow& row) override;
  bool moves(const AnyRow& row) const override { return table_.moves(map_.toLocal(row).value_or(row)); }
  InetAddress peerOf(const AnyRow& row) const override { return table_.peerOf(map_.toLocal(row).value_or(row)); }
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override { return inBatch(&TableBackEnd::create, vm, rows); }
  Status replace(const Vm& vm, const AnyRow& row) override;
  std::vector<bool> renew(const Vm& vm, std::span<AnyRow> rows) override {
    return isConcerned_ ? TableBackEnd::renew(vm, rows) : table_.renew(map_.toLocal(vm), rows);
  }
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override { return inBatch(&TableBackEnd::remove, vm, keys); }

 private:
  using Batch = BatchResult (TableBackEnd::*)(const Vm&, std::span<const AnyRow>);
  BatchResult inBatch(Batch batch, const Vm& vm, std::span<const AnyRow> rows);

  const NameMap& map_;
  bool isConcerned_;  // do its columns hold names that a rule is about?
};

Result<std::optional<AnyRow>> MappedBackEnd::Table::find(const Vm& vm, const AnyRow& key) {
  auto local = map_.toLocal(key);
  // No row can have that name.
  if (!local) return std::nullopt;
  auto found = table_.find(map_.toLocal(vm), *local);
  if (!found || !*found) return found;
  auto common = map_.toCommon(std::move(**found));
  if (!common) return failure(common.error());
  // Another name of the same row, by which nothing shows it.
  if (common->index() != key.index()) return std::nullopt;
  return std::optional<AnyRow>{std::move(*common)};
}

Status MappedBackEnd::Table::check(const Vm& vm, const AnyRow& row) {
  auto local = map_.toLocal(row);
  if (!local) return failure(local.error());
  auto back = map_.toCommon(*local);
  for (const auto& column : row.table().columns)
    if (column.names != Names::none && (!back || !column.equal(back->data(), row.data())))
      return failure(SnmpStatus::inconsistentName, std::string{column.name} + " of " + describe(row) +
                                                       " says what has another common name on this device: see the map lines "
                                                       "of its vmmigd.conf");
  return table_.check(map_.toLocal(vm), *local);
}

Status MappedBackEnd::Table::replace(const Vm& vm, const AnyRow& row) {
  auto local = map_.toLocal(row);
  if (!local) return failure(local.error());
  return table_.replace(map_.toLocal(vm), *local);
}

BatchResult MappedBackEnd::Table::inBatch(Batch batch, const Vm& vm, std::span<const AnyRow> rows) {
  if (!isConcerned_) return (table_.*batch)(map_.toLocal(vm), rows);
  std::vector<AnyRow> local;
  std::optional<Error> error;
  for (const auto& row : rows) {
    auto mapped = map_.toLocal(row);
    if (!mapped) error = mapped.error();
    if (!mapped) break;
    local.push_back(std::move(*mapped));
  }
  auto result = (table_.*batch)(map_.toLocal(vm), local);
  if (!result.error) result.error = error;
  return result;
}

MappedBackEnd::MappedBackEnd(std::unique_ptr<BackEnd> backEnd, NameMap map)
    : ForwardingBackEnd(std::move(backEnd)), map_(std::move(map)) {
  for (auto* table : backEnd_->tables()) tables_.push_back(owned_.emplace_back(std::make_unique<Table>(*table, map_)).get());
}

MappedBackEnd::~MappedBackEnd() = default;

MappedBackEnd::Local MappedBackEnd::toLocal(const Exchange& exchange) const {
  Local local;
  auto take = [this, &local](std::span<const AnyRow> rows, std::vector<AnyRow>& into, bool isCreated) {
    std::set<std::pair<std::uint32_t, Oid>> seen;
    for (std::size_t i = 0; i < rows.size() && !local.refusal; ++i) {
      auto at = isCreated ? std::optional{i} : std::nullopt;
      auto row = map_.toLocal(rows[i]);
      if (!row)
        local.refusal = Refusal{row.error(), at};
      else if (!seen.insert({row->table().subid, row->index()}).second)
        local.refusal = Refusal{Error{SnmpStatus::inconsistentName,
                                      describe(rows[i]) + " is the same as another row on this device, where both are " +
                                          describe(*row) + ": see the map lines of its vmmigd.conf"},
                                at};
      else
        into.push_back(std::move(*row));
    }
  };
  take(exchange.remove, local.remove, false);
  take(exchange.create, local.create, true);
  return local;
}

std::unique_ptr<RowCursor> MappedBackEnd::read(const Vm& vm, std::span<const TableInfo* const> tables) {
  return std::make_unique<Cursor>(backEnd_->read(map_.toLocal(vm), tables), map_);
}

std::optional<Refusal> MappedBackEnd::exchange(const Vm& vm, const Exchange& exchange) {
  auto local = toLocal(exchange);
  if (local.refusal) return local.refusal;
  return backEnd_->exchange(map_.toLocal(vm), {local.remove, local.create, exchange.isUndo});
}

std::optional<Refusal> MappedBackEnd::rehearse(const Vm& vm, const Exchange& exchange) {
  auto local = toLocal(exchange);
  if (local.refusal) return local.refusal;
  return backEnd_->rehearse(map_.toLocal(vm), {local.remove, local.create, exchange.isUndo});
}

}  // namespace vmmig
