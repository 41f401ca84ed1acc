// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/row_copier.h"

#include <algorithm>

#include "mibs/tcp_conn_table.h"

namespace vmmig {

namespace {

// Rows that a PDU takes are Device's business; this bounds what one refused row costs with bestEffort.
constexpr std::size_t batchSize = 64;
// A row with so little life left dies on the way; the devices' own transfers leave it out too.
constexpr std::int64_t dyingSeconds = 3;

/// The bare SYN is sent again, and a copied row of it hangs.
bool movesWithVm(const AnyRow& row) {
  return &row.table() != &TableOf<TcpConnRow>::info || row.as<TcpConnRow>().state != TcpState::synSent;
}

/// Seconds until a clock ends the row; what has no end is the longest. Idle times count up, and end nothing.
std::int64_t lifeOf(const AnyRow& row) {
  std::int64_t least = forEver;
  for (const auto& column : row.table().values())
    if (column.carry == Carry::clock && !column.name.ends_with("IdleTime")) least = std::min(least, row.get(column).number);
  return least;
}

}  // namespace

Task<Status> RowCopier::read(TransferRow frozen) {
  auto rows = co_await readMoving(source_, vm_);
  if (!rows) co_return failure(rows.error());
  rows_ = std::move(*rows);
  std::erase_if(rows_, [](const AnyRow& row) { return !movesWithVm(row); });
  std::stable_sort(rows_.begin(), rows_.end(), [](const AnyRow& a, const AnyRow& b) { return lifeOf(a) > lifeOf(b); });
  auto dying = std::find_if(rows_.begin(), rows_.end(), [](const AnyRow& row) { return lifeOf(row) <= dyingSeconds; });
  auto kept = static_cast<std::size_t>(dying - rows_.begin());
  // Life went on since the source's last read: what it counted in is not left out here.
  if (kept < frozen.rows) kept = std::min<std::size_t>(frozen.rows, rows_.size());
  rows_.erase(rows_.begin() + static_cast<std::ptrdiff_t>(kept), rows_.end());
  co_return Status{};
}

Task<Result<TransferRow>> RowCopier::commit(TransferPolicy policy) {
  auto stale = co_await readMoving(destination_, vm_);
  if (!stale) co_return failure(stale.error());
  stale_ = std::move(*stale);
  touched_ = true;
  if (!stale_.empty()) {
    auto destroyed = co_await destination_.destroyInOrder(stale_);
    if (!destroyed) co_return failure(destroyed.error());
  }
  auto created = co_await createAll(policy);
  if (!created) co_return failure(created.error());
  auto there = co_await readMoving(destination_, vm_);
  if (!there) co_return failure(there.error());
  image::Digest digest;
  for (const auto& row : *there)
    if (movesWithVm(row)) digest.add(row);
  TransferRow committed;
  committed.uuid = vm_;
  committed.role = TransferRole::destination;
  committed.operStatus = TransferOper::committed;
  committed.rows = digest.rows();
  committed.missing = missing_;
  committed.error.value = refused_;
  committed.digest.value = digest.octets();
  co_return committed;
}

Task<Status> RowCopier::undo() {
  if (!touched_) co_return Status{};
  auto there = co_await readMoving(destination_, vm_);
  if (!there) co_return failure(there.error());
  if (!there->empty()) {
    auto destroyed = co_await destination_.destroyInOrder(std::move(*there));
    if (!destroyed) co_return destroyed;
  }
  if (!stale_.empty()) {
    auto restored = co_await destination_.createInOrder(stale_);
    if (!restored) co_return restored;
  }
  touched_ = false;
  co_return Status{};
}

std::map<std::string, std::uint32_t> RowCopier::rowsByTable() const {
  std::map<std::string, std::uint32_t> result;
  for (const auto& row : rows_) ++result[std::string{row.table().name}];
  return result;
}

Task<Result<std::vector<AnyRow>>> RowCopier::readMoving(Device& device, Uuid vm) {
  std::vector<AnyRow> all;
  for (const auto* table : mib::tables()) {
    if (!table->moves) continue;
    auto rows = co_await device.readAll(*table, vm);
    if (!rows) co_return failure(rows.error());
    std::move(rows->begin(), rows->end(), std::back_inserter(all));
  }
  co_return all;
}

Task<Status> RowCopier::createAll(TransferPolicy policy) {
  if (policy == TransferPolicy::require) {
    if (rows_.empty()) co_return Status{};
    co_return co_await destination_.createInOrder(rows_);
  }
  sortForCreation(rows_);
  for (std::size_t at = 0; at < rows_.size(); at += batchSize) {
    auto end = std::min(rows_.size(), at + batchSize);
    std::vector<AnyRow> batch(rows_.begin() + static_cast<std::ptrdiff_t>(at), rows_.begin() + static_cast<std::ptrdiff_t>(end));
    auto created = co_await destination_.createInOrder(batch);
    if (created) continue;
    if (created.error().status == SnmpStatus::genErr) co_return created;
    auto status = co_await createOneByOne(std::move(batch));
    if (!status) co_return status;
  }
  co_return Status{};
}

/// Counts those that the device refuses; no answer is an error.
Task<Status> RowCopier::createOneByOne(std::vector<AnyRow> rows) {
  for (auto& row : rows) {
    std::vector<AnyRow> one;
    one.push_back(std::move(row));
    auto created = co_await destination_.create(std::move(one));
    if (created) continue;
    if (created.error().status == SnmpStatus::genErr) co_return created;
    if (missing_++ == 0) refused_ = created.error().text;
  }
  co_return Status{};
}

}  // namespace vmmig
