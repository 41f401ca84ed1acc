// SPDX-License-Identifier: GPL-2.0-or-later
// A destination ahead of its commit: what of the image has arrived is made on the device, in tables whose rows can be followed,
// so that the commit changes and looks at no more than what is different since. What cannot be made is left to the commit, and
// nothing is taken away that was here before.
#include <algorithm>
#include <iterator>

#include "common/log.h"
#include "subagent/transfer_destination.h"

namespace vmmig {

namespace {

using namespace std::chrono_literals;

// What the device tells of the rows is heard now and then, so that little is left to hear in the stop.
constexpr auto listenInterval = 1s;
constexpr int restAfterListening = 19;
// The first copy of an image has come to its end when nothing comes for so long; or after so long, whatever comes.
constexpr auto firstQuiet = 250ms;
constexpr auto longestDeafness = 10s;
// A chunk that is full has hundreds of rows: this part of a slice is less.
constexpr std::size_t smallPortion = 4;
// Hearing may cost a look at all rows (back end `memory`).
constexpr int slicesPerListening = 16;

/// As the image has it, but for what packets change?
bool isStanding(ImageRows::Place place) { return place->second.created && !place->second.differs; }

}  // namespace

std::string DestinationTransfer::earlyRowsPath() const { return context().stateFile.beside(".early-" + toString(row_.uuid)); }

void DestinationTransfer::startEarly() {
  auto path = earlyRowsPath();
  // After kill -9 nobody would know what to take back.
  if (path.empty()) return;
  early_ = std::make_unique<EarlyRows>(row_.uuid, rows(), path);
  for (auto* table : backEnd().tables())
    if (!table->isExchanged() && table->follow(vm_, nullptr)) early_->add(*table);
  if (early_->tables().empty()) return early_.reset();
  listensFrom_ = Clock::now() + longestDeafness;
  staging_->watch(early_.get());
  runEarly();
}

std::unique_ptr<RowFollower> DestinationTransfer::follow(TableBackEnd& table) {
  KnownRows standing = [this](const AnyRow& key) -> std::optional<AnyRow> {
    auto* place = rows().find(key);
    if (!place || !isStanding(place)) return std::nullopt;
    return rows().unpack(*place);
  };
  return table.follow(vm_, std::move(standing));
}

void DestinationTransfer::stopEarly() {
  if (earlyTimer_) loop().cancel(*earlyTimer_);
  earlyTimer_.reset();
  staging_->watch(nullptr);
  early_.reset();
}

void DestinationTransfer::runEarly() {
  if (earlyWork_ == currentWork()) return;
  earlyWork_ = currentWork();
  if (earlyTimer_) loop().cancel(*earlyTimer_);
  earlyTimer_.reset();
  start(makeEarly(currentWork()));
}

/// The first copy of the image is made without listening: each row would be told, which costs as much as making it. What comes
/// in small portions is no first copy any more.
bool DestinationTransfer::isListening() {
  auto now = Clock::now();
  bool isPortionSmall = early_->waiting() < context().limits.sliceRows / smallPortion;
  if (rows().size() > 0 && isPortionSmall) listensFrom_ = std::min(listensFrom_, now);
  return now >= listensFrom_;
}

Task<> DestinationTransfer::makeEarly(unsigned work) {
  co_await nextTurn(loop());
  if (!isCurrent(work)) co_return;
  auto began = Clock::now();
  bool isHeard = isListening();
  if (isHeard) {
    auto read = co_await readPresent(work);
    if (!isCurrent(work)) co_return;
    if (!read) noteUnreadable(read.error());
  }
  do {
    co_await makeWaiting(work);
    if (!isCurrent(work)) co_return;
  } while (early_->hasWork() && (isHeard || Clock::now() < listensFrom_));
  earlyWork_ = 0;
  if (early_->hasWork()) co_return runEarly();
  auto rest = std::max<Clock::duration>(listenInterval, restAfterListening * (Clock::now() - began));
  if (!isHeard && rows().size() > 0) rest = firstQuiet;
  earlyTimer_ = loop().after(rest, [this, work] {
    earlyTimer_.reset();
    if (!isCurrent(work)) return;
    // An image of which nothing has come yet will begin to come.
    if (rows().size() > 0) listensFrom_ = {};
    runEarly();
  });
}

Task<> DestinationTransfer::makeWaiting(unsigned work) {
  for (auto& table : early_->tables()) {
    auto made = co_await makeEarlyIn(work, table);
    if (!isCurrent(work)) co_return;
    if (!made) holdBack(table, made.error());
  }
}

void DestinationTransfer::noteUnreadable(const Error& why) {
  for (auto& table : early_->tables()) {
    if (table.isRead || table.isDeaf || std::exchange(table.isUnreadable, true)) continue;
    log::notice(label() + ": rows of " + std::string{table.table.table().name} + " wait until they can be read: " + why.text);
  }
}

void DestinationTransfer::holdBack(EarlyTable& table, const Error& why) {
  if (std::exchange(table.isHeldBack, true)) return;
  log::notice(label() + ": rows of " + std::string{table.table.table().name} + " wait for the commit: " + why.text);
}

Task<Status> DestinationTransfer::makeEarlyIn(unsigned work, EarlyTable& table) {
  for (int slices = 0; slices < slicesPerListening && table.hasWork(); ++slices) {
    auto made = removeUnwanted(table);
    if (made) made = makeEarlySlice(table);
    if (!made) holdBack(table, made.error());
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  co_return co_await listen(work, table);
}

Task<Status> DestinationTransfer::readPresent(unsigned work) {
  TableList unread;
  for (auto& table : early_->tables()) {
    if (table.isRead || table.isDeaf) continue;
    // Ahead of the reading: what changes behind it is told.
    if (!table.follower) table.follower = follow(table.table);
    if (!table.follower) {
      table.isDeaf = true;
      holdBack(table, {SnmpStatus::genErr, "they cannot be followed any more"});
      continue;
    }
    early_->beginReading(table);
    unread.push_back(&table.table.table());
  }
  if (unread.empty()) co_return Status{};
  auto reading = ++reading_;
  Visitor note = [this, reading](TableBackEnd& table, const AnyRow& row) -> Status {
    if (auto* place = early_->note(*early_->find(table.table()), row)) place->second.seenIn = reading;
    return {};
  };
  auto read = co_await forEachRowOf(work, unread, std::move(note));
  if (!isCurrent(work)) co_return Status{};
  if (!read) co_return failure(read.error().status, "the VM's rows cannot be read: " + read.error().text);
  for (const auto* each : unread) {
    auto* table = early_->find(*each);
    early_->noteUnread(*table, reading);
    table->isUnreadable = false;
  }
  co_return Status{};
}

// Of a row that went and came again, no matter in which order that is told, only what it is at the end counts.
Task<Status> DestinationTransfer::listen(unsigned work, EarlyTable& table) {
  std::vector<AnyRow> rows, gone;
  for (bool isMore = table.isRead; isMore;) {
    rows.clear();
    gone.clear();
    auto more = table.follower->next(rows, gone);
    if (!more) {
      log::notice(label() + ": all rows of " + std::string{table.table.table().name} + " are read again: " + more.error().text);
      table.isRead = false;
      co_return Status{};
    }
    for (const auto& key : gone) table.gone.insert(image::packKey(key));
    for (const auto& row : rows) {
      table.gone.erase(image::packKey(row));
      early_->note(table, row);
    }
    isMore = *more;
    if (!isMore) break;
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  while (!table.gone.empty()) early_->noteGone(table, table.gone.extract(table.gone.begin()).value());
  co_return Status{};
}

Status DestinationTransfer::removeUnwanted(EarlyTable& table) {
  auto keys = early_->someToRemove(table, context().limits.sliceRows);
  if (keys.empty()) return {};
  auto result = table.table.remove(vm_, keys);
  for (std::size_t i = 0; i < result.done; ++i) early_->removed(table, keys[i]);
  if (!result.error) return {};
  return failure("a row that was made early and is no more cannot be removed: " + result.error->text);
}

void DestinationTransfer::renewStanding(EarlyTable& table, Places& places) {
  Places standing;
  std::copy_if(places.begin(), places.end(), std::back_inserter(standing), isStanding);
  if (standing.empty()) return;
  std::erase_if(places, isStanding);
  auto rows = unpackAged(standing);
  auto renewed = table.table.renew(vm_, rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (renewed[i])
      this->rows().refresh(standing[i], rows[i], Clock::now());
    else
      places.push_back(standing[i]);
  }
}

Status DestinationTransfer::removeOlder(EarlyTable& table, const Places& places) {
  Places older;
  std::vector<AnyRow> keys;
  for (auto place : places) {
    if (!place->second.created) continue;
    older.push_back(place);
    keys.push_back(*rowOfKey(row_.uuid, place->first));
  }
  if (keys.empty()) return {};
  auto result = table.table.remove(vm_, keys);
  for (std::size_t i = 0; i < result.done; ++i) older[i]->second.created = false;
  if (!result.error) return {};
  return failure("what was made early of a row that has changed cannot be removed: " + result.error->text);
}

Status DestinationTransfer::makeEarlySlice(EarlyTable& table) {
  auto places = early_->pick(table, context().limits.sliceRows);
  renewStanding(table, places);
  auto made = early_->announce(places);
  if (made) made = removeOlder(table, places);
  if (made) {
    Refused leave = [](ImageRows::Place, const Error& error) -> Status {
      // The next ones would fare no better.
      if (error.status == SnmpStatus::resourceUnavailable) return failure(error);
      return {};
    };
    made = createSlice(places, leave);
  }
  early_->settle(table, places);
  return made;
}

Status DestinationTransfer::makeLastSlice(EarlyTable& table) {
  auto places = early_->pick(table, context().limits.sliceRows);
  renewStanding(table, places);
  if (auto removed = removeOlder(table, places); !removed) return removed;
  Refused refused = [this, &table](ImageRows::Place place, const Error& error) -> Status {
    if (!isBestEffort()) return failure(error);
    leaveOut(error.text);
    early_->drop(table, place);
    rows().erase(place);
    return {};
  };
  return createSlice(places, refused);
}

Task<Status> DestinationTransfer::bringUpToDate(unsigned work, EarlyTable& table) {
  // Once more when changes were lost meanwhile. Should that be so again: the rows are read at the end of the commit.
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto read = co_await readPresent(work);
    if (!isCurrent(work) || !read) co_return read;
    auto heard = co_await listen(work, table);
    if (!isCurrent(work) || !heard) co_return heard;
    if (table.isRead) break;
  }
  co_return Status{};
}

Task<Status> DestinationTransfer::makeRest(unsigned work, EarlyTable& table) {
  // What the commit has done so far, to this table and to others, may have taken rows along.
  auto made = co_await listen(work, table);
  if (!isCurrent(work)) co_return Status{};
  table.isClosing = true;
  table.toMake.merge(table.left);
  // Reading all of them is cheaper than hearing of most.
  if (isMany(table.toMake.size())) table.isRead = false;
  while (!table.toMake.empty()) {
    if (made = makeLastSlice(table); !made) co_return made;
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
    made = co_await listen(work, table);
    if (!isCurrent(work)) co_return Status{};
  }
  co_return Status{};
}

Task<> DestinationTransfer::finishFirstCopy(unsigned work) {
  while (early_ && early_->hasWork() && !isListening()) {
    co_await makeWaiting(work);
    if (!isCurrent(work)) co_return;
  }
}

bool DestinationTransfer::isMany(std::size_t count) {
  return count > std::max<std::size_t>(context().limits.sliceRows, rows().size() / 2);
}

bool DestinationTransfer::recoverEarly() {
  auto kept = EarlyRowsFile::read(earlyRowsPath());
  if (!kept) {
    log::error(label() + ": what was made ahead of the commit is not known: " + kept.error().text +
               "; compare the VM's rows on this device with what they should be");
    return false;
  }
  if (!*kept) return false;
  leftovers_.assign((*kept)->begin(), (*kept)->end());
  return true;
}

}  // namespace vmmig
