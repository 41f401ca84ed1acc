// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_table.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>

#include "common/log.h"
#include "subagent/linux_conntrack_codec.h"
#include "subagent/linux_conntrack_cursor.h"

namespace vmmig {

namespace {

constexpr auto timeoutsAge = std::chrono::seconds{1};

std::string describe(const Vm& vm, const TcpConnRow& row) {
  return "TCP connection " + toString(row.localAddress) + " port " + std::to_string(row.localPort) + " with " +
         toString(row.remAddress) + " port " + std::to_string(row.remPort) + " of VM " + vm.label();
}

int familyOf(const TcpConnRow& row) { return familyOf(row.localAddress); }

void addRemoval(NetlinkBatch& batch, const TcpConnRow& key) {
  auto* message = batch.begin(IPCTNL_MSG_CT_DELETE, 0, familyOf(key));
  putKey(message, key);
  batch.finish(message);
}

BatchResult failedAt(std::size_t done, Error error) { return {done, std::move(error)}; }

}  // namespace

const TableInfo& LinuxTcpConnTable::table() const { return TableOf<TcpConnRow>::info; }

Result<NetlinkSocket*> LinuxTcpConnTable::socket() {
  if (!socket_) {
    auto opened = NetlinkSocket::open();
    if (!opened) return failure(opened.error());
    socket_ = std::move(*opened);
  }
  return &*socket_;
}

Error LinuxTcpConnTable::lost(Error error) {
  socket_.reset();
  return error;
}

Result<std::vector<int>> LinuxTcpConnTable::runBatch() {
  auto netlink = socket();
  if (!netlink) {
    batch_.clear();
    return failure(netlink.error());
  }
  auto codes = batch_.run(**netlink);
  if (!codes) return failure(lost(codes.error()));
  return codes;
}

const TcpTimeouts& LinuxTcpConnTable::timeouts() {
  auto now = Clock::now();
  if (!timeoutsRead_ || now - *timeoutsRead_ > timeoutsAge) {
    timeouts_ = TcpTimeouts::read();
    timeoutsRead_ = now;
  }
  return timeouts_;
}

std::unique_ptr<RowCursor> LinuxTcpConnTable::read(const Vm& vm) {
  return std::make_unique<ConntrackCursor>(vm, timeouts(), StatusFilter{}, learning_ ? &*learning_ : nullptr);
}

Result<std::optional<AnyRow>> LinuxTcpConnTable::find(const Vm& vm, const AnyRow& key) {
  auto netlink = socket();
  if (!netlink) return failure(netlink.error());
  const auto& wanted = key.as<TcpConnRow>();
  bool canBe =
      vm.owns(wanted.localAddress) && wanted.remAddress.type == wanted.localAddress.type && wanted.remAddress.isConsistent();
  if (!canBe) return std::nullopt;
  alignas(nlmsghdr) char buffer[conntrackMessageSize];
  auto* request = beginConntrackMessage(buffer, IPCTNL_MSG_CT_GET, NLM_F_ACK, familyOf(wanted));
  putKey(request, wanted);
  if (auto sent = (*netlink)->send({buffer, request->nlmsg_len}); !sent) return failure(lost(sent.error()));
  std::optional<AnyRow> result;
  for (;;) {
    auto answer = (*netlink)->receive();
    if (!answer) return failure(lost(answer.error()));
    int left = static_cast<int>(answer->size());
    for (auto* m = reinterpret_cast<const nlmsghdr*>(answer->data()); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
      if (m->nlmsg_type == NLMSG_ERROR) {
        auto code = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(m))->error;
        if (code == 0 || code == ENOENT) return result;
        return failure("cannot look up " + describe(vm, wanted) + ": " + errnoText(code));
      }
      auto row = rowFromMessage(m, vm, timeouts());
      if (!row) return failure(row.error());
      // The same entry seen from the other end is another row's.
      if (!*row || AnyRow{**row}.index() != key.index()) continue;
      if (learning_) learning_->conceal(**row);
      result = std::move(**row);
    }
  }
}

Status LinuxTcpConnTable::check(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<TcpConnRow>();
  if (auto status = checkTcpConn(vm, row); !status) return status;
  if (auto status = checkKernelHolds(row); !status) return status;
  if (!row.labels.value.empty() && !device_.keepsLabels())
    return failure(
        SnmpStatus::inconsistentValue,
        "vmMigTcpConnLabels: the kernel keeps labels only where an nftables rule uses them, and vmmigd could not make its "
        "own: see vmMigHealthText");
  return {};
}

bool LinuxTcpConnTable::moves(const AnyRow& row) const { return row.as<TcpConnRow>().state != TcpState::synSent; }

InetAddress LinuxTcpConnTable::peerOf(const AnyRow& row) const { return row.as<TcpConnRow>().remAddress; }

BatchResult LinuxTcpConnTable::create(const Vm& vm, std::span<const AnyRow> rows) {
  std::size_t done = 0;
  while (done < rows.size()) {
    auto used = device_.rows(), most = device_.maxRows();
    std::size_t room = most > used ? most - used : 0;
    // Beyond nf_conntrack_max the kernel would throw out connections of others that are not assured.
    if (room == 0)
      return failedAt(done, {SnmpStatus::resourceUnavailable,
                             "no room for " + describe(vm, rows[done].as<TcpConnRow>()) + ": all " + std::to_string(most) +
                                 " entries of this device are in use; raise net.netfilter.nf_conntrack_max"});
    auto some = rows.subspan(done, std::min({rows.size() - done, room, NetlinkBatch::capacity}));
    auto result = createSome(vm, some);
    done += result.done;
    if (result.error) return failedAt(done, std::move(*result.error));
  }
  return {done, std::nullopt};
}

BatchResult LinuxTcpConnTable::createSome(const Vm& vm, std::span<const AnyRow> rows) {
  std::optional<Error> refusal;
  for (const auto& row : rows) {
    if (auto status = check(vm, row); !status) {
      refusal = status.error();
      break;
    }
    const auto& conn = row.as<TcpConnRow>();
    auto* message = batch_.begin(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, familyOf(conn));
    putRow(message, learning_ ? LinuxWindowLearning::lenient(conn) : conn, timeouts());
    batch_.finish(message);
  }
  auto codes = runBatch();
  if (!codes) return failedAt(0, codes.error());
  auto failed = std::find_if(codes->begin(), codes->end(), [](int code) { return code != 0; });
  auto done = static_cast<std::size_t>(failed - codes->begin());
  if (learning_)
    for (const auto& row : rows.first(done)) learning_->begin(row.as<TcpConnRow>());
  if (failed == codes->end()) return {done, std::move(refusal)};
  // The kernel went on behind the row that failed: take those back.
  for (auto i = done + 1; i < codes->size(); ++i)
    if ((*codes)[i] == 0) addRemoval(batch_, rows[i].as<TcpConnRow>());
  if (auto undone = runBatch(); !undone) log::error("after a failed creation: " + undone.error().text);
  return failedAt(done, createError(vm, rows[done].as<TcpConnRow>(), *failed));
}

Error LinuxTcpConnTable::createError(const Vm& vm, const TcpConnRow& row, int code) const {
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
        return {SnmpStatus::inconsistentValue, "vmMigTcpConnHelper: the kernel knows no helper \"" + row.helper.value +
                                                   "\" for TCP (" + what + "): load its module nf_conntrack_" + row.helper.value};
      return {SnmpStatus::inconsistentValue,
              "the kernel cannot hold " + what + ": " + errnoText(code) +
                  (row.natLocalAddress.isSet() || row.natRemAddress.isSet() ? "; load nf_nat" : "")};
    case EPERM: return {SnmpStatus::resourceUnavailable, "may not create " + what + ": vmmigd needs CAP_NET_ADMIN"};
    default: return {SnmpStatus::inconsistentValue, "the kernel refuses " + what + ": " + errnoText(code)};
  }
}

Status LinuxTcpConnTable::update(const Vm& vm, const TcpConnRow& before, const TcpConnRow& after) {
  auto* message = batch_.begin(IPCTNL_MSG_CT_NEW, 0, familyOf(after));
  putUpdate(message, before, after, timeouts());
  batch_.finish(message);
  auto codes = runBatch();
  if (!codes) return failure(codes.error());
  if (codes->front() == 0) return {};
  return failure("the kernel does not update " + describe(vm, after) + ": " + errnoText(codes->front()));
}

Status LinuxTcpConnTable::replace(const Vm& vm, const AnyRow& row) {
  if (auto status = check(vm, row); !status) return status;
  auto found = find(vm, row);
  if (!found) return failure(found.error());
  const auto& after = row.as<TcpConnRow>();
  if (!*found) return failure(SnmpStatus::inconsistentName, describe(vm, after) + " is not tracked (any more)");
  const auto& before = (*found)->as<TcpConnRow>();
  if (canUpdate(before, after) && update(vm, before, after)) return {};
  auto removed = remove(vm, {&row, 1});
  if (removed.error) return failure(std::move(*removed.error));
  auto created = create(vm, {&row, 1});
  if (!created.error) return {};
  if (auto restored = create(vm, {&**found, 1}); restored.error) log::error("after a failed change: " + restored.error->text);
  return failure(std::move(*created.error));
}

BatchResult LinuxTcpConnTable::remove(const Vm& vm, std::span<const AnyRow> keys) {
  std::size_t done = 0;
  while (done < keys.size()) {
    auto some = keys.subspan(done, std::min(keys.size() - done, NetlinkBatch::capacity));
    for (const auto& key : some) {
      addRemoval(batch_, key.as<TcpConnRow>());
      if (learning_) learning_->forget(key.as<TcpConnRow>());
    }
    auto codes = runBatch();
    if (!codes) return failedAt(done, codes.error());
    for (std::size_t i = 0; i < codes->size(); ++i) {
      auto code = (*codes)[i];
      if (code != 0 && code != ENOENT)
        return failedAt(done + i,
                        {SnmpStatus::genErr, "cannot delete " + describe(vm, some[i].as<TcpConnRow>()) + ": " + errnoText(code)});
    }
    done += some.size();
  }
  return {done, std::nullopt};
}

Result<std::vector<Tuple>> LinuxTcpConnTable::translatedInboundOf(const Vm& vm) {
  std::vector<Tuple> result;
  // Entries with one of the two kinds of translation, each once.
  for (auto filter : {StatusFilter{IPS_SRC_NAT, IPS_SRC_NAT}, StatusFilter{IPS_DST_NAT, IPS_NAT_MASK}}) {
    ConntrackCursor cursor{vm, timeouts(), filter};
    std::vector<TcpConnRow> rows;
    for (;;) {
      auto more = cursor.next(rows);
      if (!more) return failure(more.error());
      if (!*more) break;
    }
    for (const auto& row : rows)
      if (auto tuple = translatedInbound(row)) result.push_back(*tuple);
  }
  return result;
}

}  // namespace vmmig
