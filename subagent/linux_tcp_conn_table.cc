// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_tcp_conn_table.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <cstdlib>

#include "common/log.h"
#include "subagent/linux_conntrack_codec.h"
#include "subagent/linux_exchanged_table.h"

namespace vmmig {

namespace {

constexpr auto timeoutsAge = std::chrono::seconds{1};

}  // namespace

const TcpTimeouts& LinuxTcpConnTable::timeouts() {
  auto now = Clock::now();
  if (!timeoutsRead_ || now - *timeoutsRead_ > timeoutsAge) {
    timeouts_ = TcpTimeouts::read();
    timeoutsRead_ = now;
  }
  return timeouts_;
}

LinuxTcpConnTable::Parse LinuxTcpConnTable::parser(const Vm& vm) {
  return [vm, times = timeouts()](const nlmsghdr* message) { return rowFromMessage(message, vm, times); };
}

std::uint8_t LinuxTcpConnTable::protocol() const { return IPPROTO_TCP; }

Status LinuxTcpConnTable::checkRow(const Vm& vm, const TcpConnRow& row) const {
  if (auto status = checkTcpConn(vm, row); !status) return status;
  return checkKernelHolds(row);
}

LinuxTcpConnTable::LinuxTcpConnTable(ConntrackDevice device, EventLoop* loop, bool hasWindows)
    : LinuxConntrackTable(std::move(device)), windows_(failure("not wanted")), priming_(failure("not wanted")) {
  if (loop) learning_.emplace(*loop);
  if (!hasWindows) return;
  windows_ = LinuxTcpWindows::open();
  priming_ = LinuxTcpPriming::open();
}

std::vector<CheckRow> LinuxTcpConnTable::checks() {
  constexpr const char* remedy =
      "give vmmigd CAP_BPF, CAP_PERFMON and /dev/net/tun, and the kernel BTF; until then a forged packet "
      "can be taken for a moved connection's first";
  if (!windows_)
    return {finding("windows", Health::degraded, "sequence numbers cannot be read: " + windows_.error().text, remedy)};
  if (!priming_)
    return {finding("windows", Health::degraded, "sequence numbers cannot be set: " + priming_.error().text, remedy)};
  return {finding("windows", Health::up, "sequence numbers are read and set")};
}

Status LinuxTcpConnTable::complete(std::span<TcpConnRow> rows) { return windows_ ? windows_->read(rows) : Status{}; }

/// Only such an entry takes a segment without becoming something else.
bool LinuxTcpConnTable::isPrimable(const TcpConnRow& row) const {
  return writesWindows() && row.windowKnown && row.status.has(TcpConnStatus::seenReply) && row.status.has(TcpConnStatus::assured);
}

TcpConnRow LinuxTcpConnTable::asMade(const TcpConnRow& row) const {
  if (!isPrimable(row)) return learning_ ? LinuxWindowLearning::lenient(row) : row;
  // In another state the segments that prime would change it: it comes back behind them.
  auto made = row;
  made.state = TcpState::established;
  return made;
}

void LinuxTcpConnTable::putNew(nlmsghdr* message, const TcpConnRow& row) { putRow(message, asMade(row), timeouts()); }

void LinuxTcpConnTable::putChange(nlmsghdr* message, const TcpConnRow& before, const TcpConnRow& after) {
  putUpdate(message, before, after, timeouts());
}

bool LinuxTcpConnTable::canChange(const TcpConnRow& before, const TcpConnRow& after) const { return canUpdate(before, after); }

void LinuxTcpConnTable::made(std::span<const AnyRow> rows) {
  std::vector<TcpConnRow> primable;
  for (const auto& any : rows) {
    const auto& row = any.as<TcpConnRow>();
    if (isPrimable(row))
      primable.push_back(row);
    else if (learning_)
      learning_->begin(row);
  }
  if (!primable.empty()) prime(primable);
}

void LinuxTcpConnTable::prime(std::span<const TcpConnRow> rows) {
  auto primed = priming_->prime(rows, *windows_);
  if (!primed) log::warning("connections are made without their sequence numbers: " + primed.error().text);
  settle(rows, primed ? *primed : std::vector<bool>(rows.size(), false));
}

std::vector<bool> LinuxTcpConnTable::lookAgain(std::span<AnyRow> anyRows) {
  std::vector<bool> looked(anyRows.size(), false);
  if (!windows_) return looked;
  std::vector<TcpConnRow> rows;
  for (const auto& each : anyRows) rows.push_back(each.as<TcpConnRow>());
  auto seen = windows_->look(rows);
  if (!seen) return looked;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // One that learns is shown otherwise than it is.
    if (learning_ && learning_->knows(rows[i])) continue;
    looked[i] = takeSeen(rows[i], (*seen)[i], timeouts());
    if (looked[i]) anyRows[i] = AnyRow{std::move(rows[i])};
  }
  return looked;
}

std::vector<bool> LinuxTcpConnTable::renewSome(const Vm&, std::span<AnyRow> anyRows) {
  std::vector<bool> renewed(anyRows.size(), false);
  std::vector<TcpConnRow> rows;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < anyRows.size(); ++i) {
    const auto& row = anyRows[i].as<TcpConnRow>();
    // In another state a segment would change it; and who learns its windows shall not be told others.
    if (!isPrimable(row) || row.state != TcpState::established || (learning_ && learning_->knows(row))) continue;
    rows.push_back(row);
    places.push_back(i);
  }
  if (rows.empty()) return renewed;
  auto primed = priming_->primeAgain(rows, *windows_);
  if (!primed) {
    log::warning("connections cannot be given their sequence numbers in place: " + primed.error().text);
    return renewed;
  }
  auto isLive = setLives(rows, *primed);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    renewed[places[i]] = isLive[i];
    if (isLive[i]) anyRows[places[i]] = AnyRow{std::move(rows[i])};
  }
  return renewed;
}

/// The segments gave each the life of one that has just had a packet, which for most is what the row says.
std::vector<bool> LinuxTcpConnTable::setLives(std::span<const TcpConnRow> rows, std::span<const LinuxTcpPriming::Primed> primed) {
  std::vector<bool> set(rows.size(), false);
  std::vector<std::size_t> places;
  auto& batch = requests_.batch();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!primed[i]) continue;
    auto difference = static_cast<std::int64_t>(primed[i]->timeoutSeconds) - rows[i].timeout;
    set[i] = std::abs(difference) <= 1;
    if (set[i]) continue;
    places.push_back(i);
    auto* message = batch.begin(IPCTNL_MSG_CT_NEW, 0, familyOf(rows[i].localAddress));
    putUpdate(message, rows[i], rows[i], timeouts());
    batch.finish(message);
  }
  if (places.empty()) return set;
  auto codes = requests_.run();
  for (std::size_t i = 0; codes && i < places.size(); ++i) set[places[i]] = (*codes)[i] == 0;
  return set;
}

/// State and remaining life, which the segments have changed; and who has not become as its row says has to learn.
void LinuxTcpConnTable::settle(std::span<const TcpConnRow> rows, const std::vector<bool>& primed) {
  auto& batch = requests_.batch();
  for (const auto& row : rows) {
    auto* message = batch.begin(IPCTNL_MSG_CT_NEW, 0, familyOf(row.localAddress));
    putUpdate(message, asMade(row), row, timeouts());
    batch.finish(message);
  }
  if (auto codes = requests_.run(); !codes)
    log::warning("connections may have another state than their rows: " + codes.error().text);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (primed[i]) continue;
    log::notice("TCP connection " + toString(rows[i].localAddress) + " port " + std::to_string(rows[i].localPort) + " with " +
                toString(rows[i].remAddress) + " port " + std::to_string(rows[i].remPort) +
                " does not take its sequence numbers: the kernel learns them from the next packets");
    if (!learning_) continue;
    auto* message = batch.begin(IPCTNL_MSG_CT_NEW, 0, familyOf(rows[i].localAddress));
    putLeniency(message, LinuxWindowLearning::lenient(rows[i]));
    batch.finish(message);
    learning_->begin(rows[i]);
  }
  if (batch.size() > 0)
    if (auto codes = requests_.run(); !codes)
      log::warning("connections may be too strict for their peers: " + codes.error().text);
}

void LinuxTcpConnTable::going(const AnyRow& key) {
  if (learning_) learning_->forget(key.as<TcpConnRow>());
}

void LinuxTcpConnTable::show(TcpConnRow& row) const {
  if (learning_) learning_->conceal(row);
}

}  // namespace vmmig
