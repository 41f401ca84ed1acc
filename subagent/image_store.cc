// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/image_store.h"

#include "common/log.h"

namespace vmmig {

namespace {

/// The greatest chunk number that is not behind `after` in a walk over the chunks under `prefix` (VM and epoch): 0 when all are.
/// Nothing when none is.
std::optional<std::uint32_t> numberBefore(const Oid& prefix, OidSpan after) {
  if (!startsWith(after, prefix)) {
    if (compare(after, prefix) < 0) return 0;
    return std::nullopt;
  }
  auto rest = behind(after, prefix);
  return rest.empty() ? 0 : rest.front();
}

}  // namespace

Transfer* ImageStore::transferOf(const ImageRow& row) const {
  auto* transfer = engine_.find(row.uuid);
  return transfer && transfer->row().epoch == row.epoch ? transfer : nullptr;
}

Result<std::optional<AnyRow>> ImageStore::find(const AnyRow& key) {
  auto row = key.as<ImageRow>();
  const auto* transfer = transferOf(row);
  const auto* data = transfer ? transfer->chunk(row.number) : nullptr;
  if (!data) return std::optional<AnyRow>{};
  row.data.value = *data;
  return std::optional<AnyRow>{std::move(row)};
}

Result<std::optional<AnyRow>> ImageStore::next(OidSpan after) {
  for (const auto& [index, transfer] : engine_.transfers()) {
    auto shown = transfer->row();
    auto number = numberBefore(index + shown.epoch.value, after);
    if (!number) continue;
    auto next = transfer->nextChunk(*number);
    if (!next) continue;
    ImageRow row{shown.uuid, shown.epoch, {*next}, {*transfer->chunk(*next)}};
    return std::optional<AnyRow>{std::move(row)};
  }
  return std::optional<AnyRow>{};
}

Status ImageStore::check(const Change& change) {
  const auto& row = change.after.as<ImageRow>();
  auto number = std::to_string(row.number);
  if (change.kind == Change::Kind::remove) return failure(SnmpStatus::notWritable, "chunk " + number + " cannot be deleted");
  auto* transfer = transferOf(row);
  if (!transfer)
    return failure(SnmpStatus::inconsistentName, "vmMigImageData of chunk " + number + " is refused: VM " +
                                                     engine_.registry().get(row.uuid).label() + " has no transfer of epoch " +
                                                     std::to_string(row.epoch) + " here; claim the VM first");
  return transfer->checkChunk(row.number, row.data.value);
}

void ImageStore::settle(const Change& change) {
  const auto& row = change.after.as<ImageRow>();
  if (auto* transfer = transferOf(row)) transfer->takeChunk(row.number, row.data.value);
}

}  // namespace vmmig
