// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/request_handler.h"

#include <algorithm>
#include <map>

#include "common/log.h"
#include "mibs/registry.h"

namespace vmmig {

namespace {

/// Octets of a VarBind in an AgentX PDU (RFC 2741 section 5.4), with every OID written in full.
std::size_t encodedSize(const smi::VarBind& varbind) {
  constexpr std::size_t headSize = 4;
  constexpr std::size_t oidHeadSize = 4;
  std::size_t size = headSize + oidHeadSize + 4 * varbind.name.size();
  switch (varbind.value.type) {
    case smi::Type::octetString:
    case smi::Type::ipAddress:
    case smi::Type::opaque: return size + 4 + (varbind.value.octets.size() + 3) / 4 * 4;
    case smi::Type::objectId: return size + oidHeadSize + 4 * varbind.value.oid.size();
    default: return size + 8;
  }
}

smi::Value exception(smi::Type type) { return {type, 0, {}, {}}; }

}  // namespace

/// Answers one request: each row is read once, however many of its columns are asked for.
class RequestHandler::Reader {
 public:
  explicit Reader(const RequestHandler& handler) : handler_(handler) {}

  Result<smi::VarBind> get(const Oid& name);
  Result<smi::VarBind> getNext(const SearchRange& range);

 private:
  using Row = Result<std::optional<FoundRow>>;
  using Key = std::pair<const RowStore*, Oid>;
  const Row& find(RowStore& store, const AnyRow& key);
  const Row& next(RowStore& store, const Oid& after);
  Result<std::optional<smi::VarBind>> nextInColumn(const Column& column, const SearchRange& range);

  const RequestHandler& handler_;
  std::map<Key, Row> found_;
  std::map<Key, Row> next_;
};

const RequestHandler::Reader::Row& RequestHandler::Reader::find(RowStore& store, const AnyRow& key) {
  Key cached{&store, key.index()};
  auto at = found_.find(cached);
  if (at == found_.end()) at = found_.emplace(std::move(cached), handler_.rows_.find(store, key)).first;
  return at->second;
}

const RequestHandler::Reader::Row& RequestHandler::Reader::next(RowStore& store, const Oid& after) {
  Key cached{&store, after};
  auto at = next_.find(cached);
  if (at == next_.end()) at = next_.emplace(std::move(cached), handler_.rows_.next(store, after)).first;
  return at->second;
}

// RFC 3416 section 4.2.1: noSuchObject when no variable could have this prefix, noSuchInstance when there only is none now.
Result<smi::VarBind> RequestHandler::Reader::get(const Oid& name) {
  auto named = mib::resolve(name);
  auto* store = named.column ? handler_.rows_.store(*named.table) : nullptr;
  if (!store || named.column->access == Access::notAccessible) return smi::VarBind{name, exception(smi::Type::noSuchObject)};
  auto key = rowFromIndex(*named.table, named.instance);
  if (key) {
    const auto& row = find(*store, *key);
    if (!row) return failure(row.error());
    if (*row && (*row)->has(*named.column)) return smi::VarBind{name, store->value((*row)->row, *named.column)};
  }
  return smi::VarBind{name, exception(smi::Type::noSuchInstance)};
}

Result<smi::VarBind> RequestHandler::Reader::getNext(const SearchRange& range) {
  for (auto column = handler_.firstColumn(range.start); column != handler_.columns_.end(); ++column) {
    if (!range.end.empty() && column->oid >= range.end) break;
    auto answer = nextInColumn(*column, range);
    if (!answer) return failure(answer.error());
    if (!*answer) continue;
    if (!range.end.empty() && (*answer)->name >= range.end) break;
    return std::move(**answer);
  }
  return smi::VarBind{range.start, exception(smi::Type::endOfMibView)};
}

Result<std::optional<smi::VarBind>> RequestHandler::Reader::nextInColumn(const Column& column, const SearchRange& range) {
  Oid after;
  if (startsWith(range.start, column.oid)) {
    auto instance = behind(range.start, column.oid);
    if (range.include) {
      auto exact = get(range.start);
      if (!exact) return failure(exact.error());
      if (!exact->value.isException()) return std::move(*exact);
    }
    after.assign(instance.begin(), instance.end());
  }
  while (true) {
    const auto& row = next(*column.store, after);
    if (!row) return failure(row.error());
    if (!*row) return std::nullopt;
    auto index = (*row)->row.index();
    if ((*row)->has(*column.info)) return smi::VarBind{column.oid + index, column.store->value((*row)->row, *column.info)};
    after = std::move(index);
  }
}

RequestHandler::RequestHandler(std::vector<RowStore*> stores, StagedRows::Now now) : rows_(std::move(stores), std::move(now)) {
  for (const auto* table : mib::tables()) addColumns(*table);
  for (const auto* table : mib::standardTables()) addColumns(*table);
  std::sort(columns_.begin(), columns_.end(), [](const auto& a, const auto& b) { return a.oid < b.oid; });
}

void RequestHandler::addColumns(const TableInfo& table) {
  auto* store = rows_.store(table);
  if (!store) return;
  for (const auto& column : table.values())
    if (column.access != Access::notAccessible) columns_.push_back({mib::oidOf(table, column), store, &column});
}

std::vector<Oid> RequestHandler::otherSubtrees() const {
  std::vector<Oid> subtrees;
  for (const auto* table : mib::standardTables())
    if (rows_.store(*table)) subtrees.push_back(mib::oidOf(*table));
  return subtrees;
}

/// The column that `start` is in, or else the first behind it.
std::vector<RequestHandler::Column>::const_iterator RequestHandler::firstColumn(OidSpan start) const {
  auto at = std::upper_bound(columns_.begin(), columns_.end(), start,
                             [](OidSpan oid, const Column& column) { return compare(oid, column.oid) < 0; });
  if (at != columns_.begin() && startsWith(start, std::prev(at)->oid)) --at;
  return at;
}

namespace {

/// Answers each item by `answerOne`, and guards the size of the whole.
template <class Item, class AnswerOne>
RequestHandler::Answers answerAll(const std::vector<Item>& items, AnswerOne answerOne) {
  std::vector<smi::VarBind> answers;
  std::size_t size = 0;
  for (const auto& item : items) {
    auto answer = answerOne(item);
    if (!answer) {
      log::error("an SNMP request failed: " + answer.error().text);
      return tl::make_unexpected(RequestError{SnmpStatus::genErr, answers.size() + 1});
    }
    size += encodedSize(*answer);
    if (size > RequestHandler::maxAnswerSize) return tl::make_unexpected(RequestError{SnmpStatus::tooBig, 0});
    answers.push_back(std::move(*answer));
  }
  return answers;
}

}  // namespace

RequestHandler::Answers RequestHandler::get(const std::vector<Oid>& names) {
  rows_.staged().dropOld();
  Reader reader{*this};
  return answerAll(names, [&](const Oid& name) { return reader.get(name); });
}

RequestHandler::Answers RequestHandler::getNext(const std::vector<SearchRange>& ranges) {
  rows_.staged().dropOld();
  Reader reader{*this};
  return answerAll(ranges, [&](const SearchRange& range) { return reader.getNext(range); });
}

std::unique_ptr<SetTransaction> RequestHandler::set() {
  rows_.staged().dropOld();
  return std::make_unique<SetTransaction>(rows_);
}

}  // namespace vmmig
