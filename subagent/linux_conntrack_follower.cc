// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_follower.h"

#include <netinet/in.h>

#include "mibs/image.h"
#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

// More of them, and it is no dearer to read all rows.
constexpr std::size_t mostTouched = 65'536;

template <class Row>
bool isOfTable(std::uint8_t protocol) {
  return std::is_same_v<Row, TcpConnRow> == (protocol == IPPROTO_TCP);
}

}  // namespace

template <class Row>
Result<std::unique_ptr<RowFollower>> ConntrackFollower<Row>::begin(ConntrackEvents& events, const Vm& vm, Looks looks,
                                                                   KnownRows known) {
  std::unique_ptr<ConntrackFollower> follower{new ConntrackFollower{events, vm, std::move(looks), std::move(known)}};
  if (auto added = events.add(*follower, vm.addresses); !added) return failure(added.error());
  return follower;
}

template <class Row>
void ConntrackFollower<Row>::touched(const ConntrackEntry& entry, Touch touch) {
  if (!isOfTable<Row>(entry.wire.protocol) || lost_) return;
  auto opener = openerFor(vm_, entry.wire.tuples);
  if (!opener) return;
  Row row;
  row.uuid = vm_.uuid;
  row.zone = entry.zone;
  if constexpr (requires { row.protocol; }) row.protocol = entry.wire.protocol;
  setTuples(row, entry.wire.ends(*opener), *opener);
  AnyRow key{std::move(row)};
  auto [place, isNew] = touched_.try_emplace(image::packKey(key), Touched{key, touch});
  if (!isNew && touch == Touch::event) place->second.touch = touch;
  if (touched_.size() > mostTouched) lost("more connections changed than vmmigd can remember");
}

template <class Row>
void ConntrackFollower<Row>::lost(const std::string& why) {
  lost_ = why;
  touched_.clear();
}

/// Appends those that need no more than that, and returns the keys of the others.
template <class Row>
std::vector<AnyRow> ConntrackFollower<Row>::lookAgain(std::vector<Touched>& touched, std::vector<AnyRow>& rows) {
  std::vector<AnyRow> keys, known;
  for (auto& each : touched) {
    auto row = known_ && each.touch == Touch::packet ? known_(each.key) : std::nullopt;
    if (row)
      known.push_back(std::move(*row));
    else
      keys.push_back(std::move(each.key));
  }
  auto isLooked = looks_.again(known);
  for (std::size_t i = 0; i < known.size(); ++i) (isLooked[i] ? rows : keys).push_back(std::move(known[i]));
  return keys;
}

template <class Row>
Result<bool> ConntrackFollower<Row>::next(std::vector<AnyRow>& rows, std::vector<AnyRow>& gone) {
  events_.drain();
  // What happens from here on is told behind the reading that follows.
  if (auto why = std::exchange(lost_, std::nullopt)) return failure(*why);
  std::vector<Touched> some;
  while (!touched_.empty() && some.size() < NetlinkBatch::capacity)
    some.push_back(std::move(touched_.extract(touched_.begin()).mapped()));
  auto keys = lookAgain(some, rows);
  auto found = looks_.up(keys);
  if (!found) return failure(found.error());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if ((*found)[i])
      rows.push_back(std::move(*(*found)[i]));
    else
      gone.push_back(std::move(keys[i]));
  }
  return !touched_.empty();
}

template class ConntrackFollower<TcpConnRow>;
template class ConntrackFollower<FlowRow>;

}  // namespace vmmig
