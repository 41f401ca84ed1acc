// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_table.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>

#include "common/log.h"
#include "subagent/linux_conntrack_codec.h"
#include "subagent/linux_exchanged_table.h"

namespace vmmig {

namespace {

template <class Row>
int familyOf(const Row& row) {
  return familyOf(row.localAddress);
}

BatchResult failedAt(std::size_t done, Error error) { return {done, std::move(error)}; }

}  // namespace

template <class Row>
std::unique_ptr<ConntrackReader> LinuxConntrackTable<Row>::reader(const Vm& vm) {
  auto parseAndShow = [this, parse = parser(vm)](const nlmsghdr* message) -> Result<std::optional<Row>> {
    auto row = parse(message);
    if (row && *row) show(**row);
    return row;
  };
  auto fillIn = [this](std::span<Row> rows) { return complete(rows); };
  return std::make_unique<ConntrackReaderOf<Row>>(std::move(parseAndShow), std::move(fillIn));
}

template <class Row>
std::unique_ptr<RowCursor> LinuxConntrackTable<Row>::read(const Vm& vm) {
  ConntrackCursor::Readers readers;
  readers.push_back(reader(vm));
  return std::make_unique<ConntrackCursor>(vm, protocol(), device_.rows(), std::move(readers));
}

template <class Row>
Result<std::optional<Row>> LinuxConntrackTable<Row>::findAsMade(const Vm& vm, const Row& key) {
  bool canBe = vm.owns(key.localAddress) && key.remAddress.type == key.localAddress.type && key.remAddress.isConsistent();
  if (!canBe) return std::nullopt;
  alignas(nlmsghdr) char buffer[conntrackMessageSize];
  auto* request = beginConntrackMessage(buffer, IPCTNL_MSG_CT_GET, NLM_F_ACK, familyOf(key));
  putKey(request, key);
  std::optional<Row> result;
  auto index = AnyRow{key}.index();
  auto code = requests_.get(request, [&, parse = parser(vm)](const nlmsghdr* message) -> Status {
    auto row = parse(message);
    if (!row) return failure(row.error());
    // The same entry seen from the other end is another row's.
    if (*row && AnyRow{**row}.index() == index) result = std::move(*row);
    return {};
  });
  if (!code) return failure(code.error());
  if (*code == 0 || *code == ENOENT) return result;
  return failure("cannot look up " + describe(vm, key) + ": " + errnoText(*code));
}

template <class Row>
Result<std::optional<AnyRow>> LinuxConntrackTable<Row>::find(const Vm& vm, const AnyRow& key) {
  auto row = findAsMade(vm, key.as<Row>());
  if (!row) return failure(row.error());
  if (!*row) return std::nullopt;
  show(**row);
  if (auto completed = complete({&**row, 1}); !completed) return failure(completed.error());
  return AnyRow{std::move(**row)};
}

template <class Row>
Result<std::vector<std::optional<AnyRow>>> LinuxConntrackTable<Row>::findAll(const Vm& vm, std::span<const AnyRow> keys) {
  std::vector<std::optional<AnyRow>> result;
  for (std::size_t from = 0; from < keys.size(); from = result.size()) {
    auto some = findSome(vm, keys.subspan(from, std::min(keys.size() - from, NetlinkBatch::capacity)));
    if (!some) return some;
    std::move(some->begin(), some->end(), std::back_inserter(result));
  }
  return result;
}

template <class Row>
Result<std::vector<std::optional<AnyRow>>> LinuxConntrackTable<Row>::findSome(const Vm& vm, std::span<const AnyRow> keys) {
  auto& batch = requests_.batch();
  for (const auto& key : keys) {
    auto* request = batch.begin(IPCTNL_MSG_CT_GET, 0, familyOf(key.as<Row>()));
    putKey(request, key.as<Row>());
    batch.finish(request);
  }
  std::vector<Row> present;
  std::vector<std::size_t> places;
  Status taken;
  auto asked = requests_.ask([&, parse = parser(vm)](std::size_t at, const nlmsghdr* answer, int error) {
    if (!answer && error != ENOENT && taken)
      taken = failure("cannot look up " + describe(vm, keys[at].as<Row>()) + ": " + errnoText(error));
    if (!answer) return;
    auto row = parse(answer);
    if (!row && taken) taken = failure(row.error());
    // The same entry seen from the other end is another row's.
    if (!row || !*row || !isSameKey(**row, keys[at].as<Row>())) return;
    show(**row);
    present.push_back(std::move(**row));
    places.push_back(at);
  });
  if (!asked) return failure(asked.error());
  if (!taken) return failure(taken.error());
  if (auto completed = complete(present); !completed) return failure(completed.error());
  std::vector<std::optional<AnyRow>> result(keys.size());
  for (std::size_t i = 0; i < places.size(); ++i) result[places[i]] = AnyRow{std::move(present[i])};
  return result;
}

template <class Row>
Result<std::vector<std::uint32_t>> LinuxConntrackTable<Row>::count(std::span<const Vm> vms) {
  std::vector<std::uint32_t> counts(vms.size());
  std::multimap<InetAddress, std::size_t> owners;
  for (std::size_t i = 0; i < vms.size(); ++i)
    for (const auto& address : vms[i].addresses) owners.emplace(address, i);
  if (owners.empty()) return counts;
  ConntrackDump dump{"connections"};
  if (auto started = dump.start(DumpFilter{}); !started) return failure(started.error());
  TakeMessage take = [&](const nlmsghdr* message) -> Status {
    auto wire = wireTuplesOf(Attributes{message});
    if ((wire.protocol == IPPROTO_TCP) != std::is_same_v<Row, TcpConnRow>) return {};
    // As openerFor() has it; an entry between two addresses of a VM is one row.
    auto [opener, openersEnd] = owners.equal_range(wire.tuples.original.source.address);
    for (auto at = opener; at != openersEnd; ++at) ++counts[at->second];
    auto [other, othersEnd] = owners.equal_range(wire.tuples.reply.source.address);
    for (auto at = other; at != othersEnd; ++at)
      if (!vms[at->second].owns(wire.tuples.original.source.address)) ++counts[at->second];
    return {};
  };
  for (bool isMore = true; isMore;) {
    auto more = dump.next(take);
    if (!more) return failure(more.error());
    isMore = *more;
  }
  return counts;
}

template <class Row>
std::unique_ptr<RowFollower> LinuxConntrackTable<Row>::follow(const Vm& vm, KnownRows known) {
  if (!device_.events) return nullptr;
  typename ConntrackFollower<Row>::Looks looks{[this, vm](std::span<const AnyRow> keys) { return findAll(vm, keys); },
                                               [this](std::span<AnyRow> rows) { return lookAgain(rows); }};
  auto follower = ConntrackFollower<Row>::begin(*device_.events, vm, std::move(looks), std::move(known));
  if (follower) return std::move(*follower);
  log::notice("VM " + vm.label() + " cannot be followed, and its connections are read in the stop: " + follower.error().text);
  return nullptr;
}

template <class Row>
Status LinuxConntrackTable<Row>::check(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<Row>();
  if (auto status = checkRow(vm, row); !status) return status;
  if (!row.labels.value.empty() && !device_.keepsLabels())
    return failure(SnmpStatus::inconsistentValue,
                   columnPrefix<Row>() +
                       "Labels: the kernel keeps labels only where an nftables rule uses them, and "
                       "vmmigd could not make its own: see vmMigHealthText");
  return {};
}

template <class Row>
BatchResult LinuxConntrackTable<Row>::create(const Vm& vm, std::span<const AnyRow> rows) {
  std::size_t done = 0;
  while (done < rows.size()) {
    auto used = device_.rows(), most = device_.maxRows();
    std::size_t room = most > used ? most - used : 0;
    // Beyond nf_conntrack_max the kernel would throw out connections of others that are not assured.
    if (room == 0)
      return failedAt(done, {SnmpStatus::resourceUnavailable,
                             "no room for " + describe(vm, rows[done].as<Row>()) + ": all " + std::to_string(most) +
                                 " entries of this device are in use; raise net.netfilter.nf_conntrack_max"});
    auto some = rows.subspan(done, std::min({rows.size() - done, room, NetlinkBatch::capacity}));
    auto result = createSome(vm, some);
    done += result.done;
    if (result.error) return failedAt(done, std::move(*result.error));
  }
  return {done, std::nullopt};
}

template <class Row>
void LinuxConntrackTable<Row>::addCreation(NetlinkBatch& batch, const AnyRow& any) {
  const auto& row = any.as<Row>();
  auto* message = batch.begin(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, familyOf(row));
  putNew(message, row);
  batch.finish(message);
}

template <class Row>
void LinuxConntrackTable<Row>::addRemoval(NetlinkBatch& batch, const AnyRow& any) {
  const auto& key = any.as<Row>();
  auto* message = batch.begin(IPCTNL_MSG_CT_DELETE, 0, familyOf(key));
  putKey(message, key);
  batch.finish(message);
}

template <class Row>
Result<bool> LinuxConntrackTable<Row>::standsAsMade(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<Row>();
  auto found = findAsMade(vm, row);
  if (!found) return failure(found.error());
  return *found && AnyRow{std::move(**found)}.equals(AnyRow{asMade(row)}, Carry::exact);
}

template <class Row>
Error LinuxConntrackTable<Row>::createError(const Vm& vm, const AnyRow& any, int code) const {
  const auto& row = any.as<Row>();
  auto what = describe(vm, row);
  switch (code) {
    case EEXIST:
      return {SnmpStatus::inconsistentName,
              what +
                  " exists already, or another connection has one of its addresses and ports: delete "
                  "that one first (conntrack -L shows it)"};
    case ENOMEM:
      return {SnmpStatus::resourceUnavailable, "the kernel has no room for " + what + ": raise net.netfilter.nf_conntrack_max"};
    case EOPNOTSUPP:
      if (!row.helper.value.empty())
        return {SnmpStatus::inconsistentValue, columnPrefix<Row>() + "Helper: the kernel knows no helper \"" + row.helper.value +
                                                   "\" for " + what + ": load its module nf_conntrack_" + row.helper.value};
      return {SnmpStatus::inconsistentValue,
              "the kernel cannot hold " + what + ": " + errnoText(code) +
                  (row.natLocalAddress.isSet() || row.natRemAddress.isSet() ? "; load nf_nat" : "")};
    case EPERM: return {SnmpStatus::resourceUnavailable, "may not create " + what + ": vmmigd needs CAP_NET_ADMIN"};
    default: return {SnmpStatus::inconsistentValue, "the kernel refuses " + what + ": " + errnoText(code)};
  }
}

template <class Row>
Status LinuxConntrackTable<Row>::update(const Vm& vm, const Row& before, const Row& after) {
  Result<std::vector<int>> codes;
  // Done twice is done once, hence after a lost answer it is asked for again.
  for (int tries = 0; tries < 2; ++tries) {
    auto& batch = requests_.batch();
    auto* message = batch.begin(IPCTNL_MSG_CT_NEW, 0, familyOf(after));
    putChange(message, before, after);
    batch.finish(message);
    codes = requests_.run();
    if (codes) break;
  }
  if (!codes) return failure(codes.error());
  if (codes->front() == 0) return {};
  return failure("the kernel does not update " + describe(vm, after) + ": " + errnoText(codes->front()));
}

template <class Row>
Status LinuxConntrackTable<Row>::replace(const Vm& vm, const AnyRow& row) {
  if (auto status = check(vm, row); !status) return status;
  auto found = find(vm, row);
  if (!found) return failure(found.error());
  const auto& after = row.as<Row>();
  if (!*found) return failure(SnmpStatus::inconsistentName, describe(vm, after) + " is not tracked (any more)");
  const auto& before = (*found)->template as<Row>();
  if (canChange(before, after) && update(vm, before, after)) return {};
  auto removed = remove(vm, {&row, 1});
  if (removed.error) return failure(std::move(*removed.error));
  auto created = create(vm, {&row, 1});
  if (!created.error) return {};
  if (auto restored = create(vm, {&**found, 1}); restored.error) log::error("after a failed change: " + restored.error->text);
  return failure(std::move(*created.error));
}

template <class Row>
std::vector<bool> LinuxConntrackTable<Row>::renew(const Vm& vm, std::span<AnyRow> rows) {
  std::vector<bool> renewed;
  for (std::size_t from = 0; from < rows.size(); from = renewed.size()) {
    auto some = renewSome(vm, rows.subspan(from, std::min(rows.size() - from, NetlinkBatch::capacity)));
    renewed.insert(renewed.end(), some.begin(), some.end());
  }
  return renewed;
}

template <class Row>
std::vector<bool> LinuxConntrackTable<Row>::renewSome(const Vm& vm, std::span<AnyRow> rows) {
  std::vector<bool> renewed(rows.size(), false);
  auto& batch = requests_.batch();
  for (const auto& row : rows) {
    auto* message = batch.begin(IPCTNL_MSG_CT_NEW, 0, familyOf(row.as<Row>()));
    putChange(message, row.as<Row>(), row.as<Row>());
    batch.finish(message);
  }
  if (!requests_.run()) return renewed;
  auto found = findSome(vm, rows);
  if (!found) return renewed;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    renewed[i] = (*found)[i] && (*found)[i]->equals(rows[i], Carry::exact);
    if (renewed[i]) rows[i] = std::move(*(*found)[i]);
  }
  return renewed;
}

template class LinuxConntrackTable<TcpConnRow>;
template class LinuxConntrackTable<FlowRow>;

}  // namespace vmmig
