// SPDX-License-Identifier: GPL-2.0-or-later
// What a destination has made of an image ahead of its commit, and what is left to do: the sets that the image's changes and the
// device's tales move rows between. It changes nothing on the device itself (transfer_early.cc does).
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "subagent/back_end.h"
#include "subagent/early_rows_file.h"
#include "subagent/image_staging.h"

namespace vmmig {

/// A table that is followed. A row of the image is ours when ImageRows::Entry::created says so; one that is ours and in none of
/// these sets stands on the device as the image has it.
struct EarlyTable {
  using Place = ImageRows::Place;
  using Places = std::unordered_set<Place>;
  using Keys = std::set<std::string>;

  explicit EarlyTable(TableBackEnd& t) : table(t) {}
  bool hasWork() const { return !isHeldBack && !isUnreadable && (!toMake.empty() || !toRemove.empty()); }

  TableBackEnd& table;
  std::unique_ptr<RowFollower> follower;  // from the first reading on
  bool isRead = false;                    // it has a follower, and `others` is what its tales come on top of
  bool isHeldBack = false;                // nothing more is made ahead of the commit
  bool isUnreadable = false;              // nor is it before a reading succeeds
  bool isDeaf = false;                    // it cannot be followed any more: the commit reads all of it
  bool isClosing = false;                 // the commit makes the last: what goes from here on is missed

  Places toMake;  // the device does not have it, or has an older one of ours
  Places left;    // could not be made, or did not stay as it was made: the commit's business
  Places unseen;  // made, and nobody has told how it came out
  Keys toRemove;  // ours, and no more in the image
  Keys others;    // the VM's, and not ours
  Keys gone;      // told to have gone, while more is told
};

class EarlyRows final : public ImageWatcher {
 public:
  using Place = EarlyTable::Place;

  /// `path`: where what is ours is kept for a restart.
  EarlyRows(const Uuid& vm, ImageRows& rows, const std::string& path) : vm_(vm), rows_(rows), file_(path) {}

  /// One that can be followed.
  void add(TableBackEnd& table) { tables_.emplace_back(table); }
  std::deque<EarlyTable>& tables() { return tables_; }
  EarlyTable* find(const TableInfo& table);
  bool hasWork() const;
  /// Rows that are to be made.
  std::size_t waiting() const;
  /// Was anything made that an undo would have to look for?
  bool hasMade() const { return file_.exists(); }
  bool isOurs(const AnyRow& row);

  // What the image says.
  void onPut(Place place) override;
  void onErase(Place place) override;

  // What the device says.
  /// The image's row under this key, when it has one.
  Place note(EarlyTable& table, const AnyRow& row);
  /// `key`: image::packKey.
  void noteGone(EarlyTable& table, const std::string& key);
  /// A reading begins, under this number, and has come to its end.
  void beginReading(EarlyTable& table);
  void noteUnread(EarlyTable& table, std::uint32_t reading);

  // What is done.
  /// The next of toMake, at most so many, without those that another's row stands in the way of.
  std::vector<Place> pick(EarlyTable& table, std::size_t most);
  /// Before they are made.
  Status announce(const std::vector<Place>& places);
  /// Behind it: those that were not made are left to the commit.
  void settle(EarlyTable& table, const std::vector<Place>& places);
  std::vector<AnyRow> someToRemove(EarlyTable& table, std::size_t most) const;
  void removed(EarlyTable& table, const AnyRow& key);
  /// The image's row is given up.
  void drop(EarlyTable& table, Place place);
  /// A restart would not find what is ours from here on.
  Status close() { return file_.remove(); }

 private:
  void flush();
  EarlyTable::Keys ours() const;

  Uuid vm_;
  ImageRows& rows_;
  EarlyRowsFile file_;
  std::deque<EarlyTable> tables_;
};

}  // namespace vmmig
