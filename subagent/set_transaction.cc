// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/set_transaction.h"

#include <algorithm>

#include "common/log.h"
#include "mibs/registry.h"
#include "mibs/vm_table.h"

namespace vmmig {

namespace {

/// Does the text name this descriptor, as a whole word?
bool names(std::string_view text, std::string_view descriptor) {
  const auto isWord = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  for (auto at = text.find(descriptor); at != text.npos; at = text.find(descriptor, at + 1)) {
    auto end = at + descriptor.size();
    if ((at == 0 || !isWord(text[at - 1])) && (end == text.size() || !isWord(text[end]))) return true;
  }
  return false;
}

const ColumnInfo* storageType(const TableInfo& table) {
  auto found = std::find_if(table.columns.begin(), table.columns.end(),
                            [](const auto& column) { return column.syntax == &Codec<StorageType>::syntax; });
  return found == table.columns.end() ? nullptr : &*found;
}

void addOnce(std::vector<const ColumnInfo*>& columns, const ColumnInfo* column) {
  if (std::find(columns.begin(), columns.end(), column) == columns.end()) columns.push_back(column);
}

}  // namespace

const SetTransaction::Write* SetTransaction::Draft::write(const ColumnInfo* column) const {
  auto found = std::find_if(writes.begin(), writes.end(), [column](const auto& each) { return each.column == column; });
  return found == writes.end() ? nullptr : &*found;
}

std::vector<const ColumnInfo*> SetTransaction::Draft::columns() const {
  std::vector<const ColumnInfo*> result;
  for (const auto& each : writes) result.push_back(each.column);
  return result;
}

std::optional<RequestError> SetTransaction::test(const std::vector<smi::VarBind>& varbinds) {
  for (std::size_t i = 0; i < varbinds.size(); ++i)
    if (auto error = addWrite(varbinds[i], i + 1)) return error;
  for (auto& draft : drafts_)
    if (auto error = plan(draft)) return error;
  return std::nullopt;
}

// What one varbind alone can have wrong, in the order of RFC 3416 section 4.2.5: (2) notWritable, (3) to (6) the value,
// (7) noCreation.
std::optional<RequestError> SetTransaction::addWrite(const smi::VarBind& varbind, std::size_t index) {
  auto named = mib::resolve(varbind.name);
  auto* store = named.column ? rows_.store(*named.table) : nullptr;
  if (!store || named.column->access < Access::readWrite) return RequestError{SnmpStatus::notWritable, index};
  AnyRow scratch{*named.table};
  if (auto status = scratch.set(*named.column, varbind.value); status != SnmpStatus::noError) return RequestError{status, index};
  auto key = rowFromIndex(*named.table, named.instance);
  if (!key) return RequestError{SnmpStatus::noCreation, index};

  auto [at, isNew] = draftOf_.try_emplace({store, key->index()}, drafts_.size());
  if (isNew) drafts_.push_back({store, std::move(*key), {}});
  auto& draft = drafts_[at->second];
  // What two different values for one variable come to is left to the implementation; we do not guess.
  if (const auto* before = draft.write(named.column)) {
    if (before->value == varbind.value) return std::nullopt;
    return RequestError{SnmpStatus::inconsistentValue, index};
  }
  draft.writes.push_back({named.column, varbind.value, index});
  return std::nullopt;
}

std::optional<RequestError> SetTransaction::plan(Draft& draft) {
  auto row = rows_.find(*draft.store, draft.key);
  if (!row) {
    log::error("a SET failed: " + row.error().text);
    return RequestError{SnmpStatus::genErr, draft.writes.front().varbind};
  }
  if (auto error = checkStorage(draft, *row)) return error;

  const auto& table = draft.store->table();
  StagedRow wanted{*row ? (*row)->row : draft.key, RowState::active, {}};
  if (*row && (*row)->staged) wanted.written = (*row)->staged->written;
  // A row that is active has all its columns.
  if (*row && !(*row)->staged)
    for (const auto& column : table.columns) wanted.written.push_back(&column);
  for (const auto& write : draft.writes) {
    addOnce(wanted.written, write.column);
    if (write.column != table.rowStatus()) wanted.row.set(*write.column, write.value);
  }
  auto next = nextState(draft, *row, wanted);
  if (!next) return next.error();
  return addStep(draft, *row, std::move(wanted), *next);
}

// RFC 2579, StorageType: a readOnly row cannot be changed, a permanent one not deleted, and nobody makes either: wrongValue. Rows
// that a manager makes are volatile, hence other values are wrong as well.
std::optional<RequestError> SetTransaction::checkStorage(const Draft& draft, const std::optional<FoundRow>& row) const {
  const auto* column = storageType(draft.store->table());
  if (!column) return std::nullopt;
  const auto number = [](StorageType type) { return static_cast<std::int64_t>(type); };
  auto now = row ? row->row.get(*column) : Codec<StorageType>::toValue(StorageType::volatile_);
  if (now.number == number(StorageType::readOnly)) return RequestError{SnmpStatus::notWritable, draft.writes.front().varbind};
  if (const auto* write = draft.write(column); write && write->value != now)
    return RequestError{SnmpStatus::wrongValue, write->varbind};
  const auto* status = draft.write(draft.store->table().rowStatus());
  bool leaves = status && (status->value == Codec<RowStatus>::toValue(RowStatus::destroy) ||
                           status->value == Codec<RowStatus>::toValue(RowStatus::notInService));
  if (leaves && now.number == number(StorageType::permanent)) return RequestError{SnmpStatus::wrongValue, status->varbind};
  return std::nullopt;
}

tl::expected<RowState, RequestError> SetTransaction::nextState(const Draft& draft, const std::optional<FoundRow>& row,
                                                               const StagedRow& wanted) const {
  const auto* column = draft.store->table().rowStatus();
  // Without RowStatus a write creates.
  if (!column) return RowState::active;
  const auto* write = draft.write(column);
  std::optional<RowStatus> status;
  if (write) status = static_cast<RowStatus>(write->value.number);
  auto next = nextRowState(row ? row->state : RowState::absent, status, wanted.isComplete());
  if (next) return *next;
  return tl::make_unexpected(RequestError{next.error(), write ? write->varbind : draft.writes.front().varbind});
}

bool SetTransaction::isStagedFull() const {
  auto more =
      std::count_if(steps_.begin(), steps_.end(), [](const auto& step) { return step.stagedAfter && !step.stagedBefore; });
  return rows_.staged().size() + static_cast<std::size_t>(more) >= StagedRows::maxRows;
}

std::optional<RequestError> SetTransaction::addStep(const Draft& draft, const std::optional<FoundRow>& row, StagedRow wanted,
                                                    RowState next) {
  auto now = row ? row->state : RowState::absent;
  const auto* status = draft.write(draft.store->table().rowStatus());
  Step step{draft.store, draft.key, {}, {}, {}, status ? status->varbind : draft.writes.front().varbind};
  if (row && row->staged) step.stagedBefore = *row->staged;
  if (isStaged(next)) {
    wanted.state = next;
    if (!step.stagedBefore && isStagedFull()) return RequestError{SnmpStatus::resourceUnavailable, step.varbind};
    step.stagedAfter = wanted;
  }
  if (const auto* column = draft.store->table().rowStatus())
    wanted.row.set(*column, Codec<RowStatus>::toValue(RowStatus::active));
  if (next == RowState::active && now == RowState::active)
    step.change = Change{Change::Kind::replace, row->row, wanted.row, draft.columns()};
  else if (next == RowState::active)
    step.change = Change{Change::Kind::create, std::nullopt, wanted.row, row ? wanted.written : draft.columns()};
  else if (now == RowState::active)
    step.change = Change{Change::Kind::remove, row->row, row->row, draft.columns()};

  if (step.change) {
    if (auto checked = draft.store->check(*step.change); !checked) {
      log::info("refused a SET: " + std::string{name(checked.error().status)} + ": " + checked.error().text);
      // A store says in its text which column it cannot take.
      for (const auto& write : draft.writes)
        if (names(checked.error().text, write.column->name)) return RequestError{checked.error().status, write.varbind};
      return RequestError{checked.error().status, step.varbind};
    }
  }
  steps_.push_back(std::move(step));
  return std::nullopt;
}

std::optional<RequestError> SetTransaction::commit() {
  for (; applied_ < steps_.size(); ++applied_) {
    const auto& step = steps_[applied_];
    auto applied = apply(step);
    if (applied) continue;
    log::error("a SET could not be made, and is taken back as a whole: " + applied.error().text);
    undo();
    return RequestError{SnmpStatus::commitFailed, step.varbind};
  }
  return std::nullopt;
}

std::optional<RequestError> SetTransaction::undo() {
  while (applied_ > 0) {
    auto undone = takeBack(steps_[--applied_]);
    if (undone) continue;
    undoFailed_ = true;
    log::error("a part of a failed SET could not be taken back; compare the tables with the device: " + undone.error().text);
  }
  if (undoFailed_) return RequestError{SnmpStatus::undoFailed, 0};
  return std::nullopt;
}

void SetTransaction::cleanup() {
  for (const auto& step : steps_) {
    if (!step.change) continue;
    step.store->settle(*step.change);
    bool isVms = &step.store->table() == &TableOf<VmRow>::info;
    // notInService takes a row away as well, and keeps it here.
    bool isVmGone = isVms && step.change->kind == Change::Kind::remove && !step.stagedAfter;
    if (isVmGone) rows_.staged().eraseOf(vmOf(step.change->after));
  }
}

void SetTransaction::setStaged(const Step& step, const std::optional<StagedRow>& row) {
  if (row)
    rows_.staged().put(*row);
  else
    rows_.staged().erase(step.store->table(), step.key.index());
}

Status SetTransaction::apply(const Step& step) {
  if (step.change) {
    auto applied = step.store->apply(*step.change);
    if (!applied) return applied;
  }
  setStaged(step, step.stagedAfter);
  return {};
}

Status SetTransaction::takeBack(const Step& step) {
  setStaged(step, step.stagedBefore);
  return step.change ? step.store->apply(step.change->inverse()) : Status{};
}

}  // namespace vmmig
