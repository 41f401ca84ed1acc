// SPDX-License-Identifier: GPL-2.0-or-later
// Following a VM's connections and flows on the kernel: what real traffic, conntrack(8) and the passing of time do to them is
// told, and what is told comes to what a reading of all rows shows.
#include <gtest/gtest.h>

#include "mibs/image.h"
#include "subagent/linux_back_end.h"
#include "tests/unit/back_end_contract_rows.h"
#include "tests/unit/firewall_lab.h"

namespace vmmig {
namespace {

const Vm vm5 = makeVm(5);

using Rows = std::map<std::string, AnyRow>;

/// A device in the lab's firewall, and what its follower of one table has told.
class Following {
 public:
  Following(const NetworkNamespace& firewall, const TableInfo& info) : firewall_(firewall) {
    firewall_.enter();
    device_ = makeLinuxBackEnd();
    table_ = device_->tableFor(info);
    follower_ = table_->follow(vm5, [this](const AnyRow& key) {
      auto told = told_.find(image::packKey(key));
      return told == told_.end() ? std::nullopt : std::optional{told->second};
    });
    if (!follower_) throw std::runtime_error("the table cannot be followed");
  }

  Rows read() {
    firewall_.enter();
    std::vector<AnyRow> rows;
    auto cursor = table_->read(vm5);
    for (;;) {
      auto more = cursor->next(rows);
      if (!more) ADD_FAILURE() << more.error().text;
      if (!more || !*more) break;
    }
    Rows result;
    for (auto& row : rows) result.emplace(image::packKey(row), row);
    return result;
  }
  /// Takes what has changed; how many rows were told of.
  std::size_t update() {
    firewall_.enter();
    std::vector<AnyRow> rows, gone;
    for (bool isMore = true; isMore;) {
      auto more = follower_->next(rows, gone);
      if (!more) ADD_FAILURE() << more.error().text;
      isMore = more && *more;
    }
    for (const auto& row : rows) told_.insert_or_assign(image::packKey(row), row);
    for (const auto& key : gone) told_.erase(image::packKey(key));
    return rows.size() + gone.size();
  }
  bool agrees() {
    auto present = read();
    return std::equal(present.begin(), present.end(), told_.begin(), told_.end(), [](const auto& a, const auto& b) {
      return a.first == b.first && a.second.equals(b.second, Carry::exact) && a.second.equals(b.second, Carry::traffic);
    });
  }
  /// Told at once what a reading shows: nothing has to be waited for when the traffic is over.
  testing::AssertionResult isToldAll() {
    update();
    if (agrees()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << told_.size() << " rows are told, " << read().size() << " are there";
  }

  bool isAcknowledged() {
    auto row = read().begin()->second.as<TcpConnRow>();
    return row.seqNumber == row.remAckNumber && row.remSeqNumber == row.ackNumber;
  }
  TcpConnRow told() const { return told_.begin()->second.as<TcpConnRow>(); }
  TableBackEnd& table() { return *table_; }
  BackEnd& device() { return *device_; }
  void stop() { follower_.reset(); }

 private:
  const NetworkNamespace& firewall_;
  std::unique_ptr<BackEnd> device_;
  TableBackEnd* table_;
  std::unique_ptr<RowFollower> follower_;
  Rows told_;
};

class FollowedConnection : public testing::TestWithParam<Path> {
 protected:
  TcpPair open() { return openPair(lab_, GetParam()); }
  FirewallLab lab_;
  Following following_{lab_.firewall, TableOf<TcpConnRow>::info};
};

TEST_P(FollowedConnection, IsToldWhenItBeginsWhenItCarriesDataAndWhenItEnds) {
  EXPECT_EQ(following_.update(), 0u);
  auto pair = open();
  EXPECT_TRUE(following_.isToldAll());
  ASSERT_EQ(following_.read().size(), 1u);
  EXPECT_EQ(following_.update(), 0u) << "nothing has happened since";

  auto before = following_.read().begin()->second.as<TcpConnRow>();
  ASSERT_TRUE(pair.exchange(200000));
  ASSERT_TRUE(eventually([&] { return following_.isAcknowledged(); })) << "the last packets";
  EXPECT_TRUE(following_.isToldAll());
  auto after = following_.read().begin()->second.as<TcpConnRow>();
  EXPECT_NE(before.seqNumber, after.seqNumber) << "data moves the window, which no event tells";
  EXPECT_NEAR(following_.told().timeout, after.timeout, 2) << "and so does it the remaining life";
  EXPECT_NEAR(following_.told().idleTime, after.idleTime, 2);

  shutdown(pair.client.get(), SHUT_WR);
  shutdown(pair.server.get(), SHUT_WR);
  EXPECT_TRUE(eventually([&] { return following_.read().begin()->second.as<TcpConnRow>().state == TcpState::timeWait; }));
  EXPECT_TRUE(following_.isToldAll());
}

TEST_P(FollowedConnection, IsToldWhenSomebodyDeletesOrMarksIt) {
  auto pair = open();
  EXPECT_TRUE(following_.isToldAll());
  lab_.firewall.run("for family in ipv4 ipv6; do conntrack -U -f $family -p tcp -m 7; done > /dev/null 2>&1; true");
  EXPECT_TRUE(following_.isToldAll());
  EXPECT_EQ(following_.read().begin()->second.as<TcpConnRow>().mark, 7u);
  lab_.firewall.run("for family in ipv4 ipv6; do conntrack -D -f $family -p tcp; done > /dev/null 2>&1; true");
  EXPECT_TRUE(following_.isToldAll());
  EXPECT_TRUE(following_.read().empty());
}

TEST_P(FollowedConnection, IsNotToldOfOthers) {
  auto pair = open();
  auto other = makeVm(5);
  other.addresses = {parseInetAddress("10.0.0.77").value()};
  lab_.firewall.enter();
  auto follower = following_.table().follow(other, nullptr);
  ASSERT_TRUE(follower);
  ASSERT_TRUE(pair.exchange(1000));
  lab_.firewall.enter();
  std::vector<AnyRow> rows, gone;
  EXPECT_FALSE(follower->next(rows, gone).value());
  EXPECT_TRUE(rows.empty() && gone.empty());
}

TEST_P(FollowedConnection, IsBlockedBehindItsTranslationToo) {
  auto pair = open();
  lab_.firewall.enter();
  following_.device().prepareBlock(vm5);
  // Listed when the block was prepared, or come since: both are stopped.
  const auto& path = GetParam();
  std::optional<TcpPair> later;
  if (path.isOpenedByVm) later.emplace(lab_.vm, lab_.peer, path.to, path.listenAt);
  lab_.firewall.enter();
  auto blocked = following_.device().block(vm5);
  ASSERT_TRUE(blocked) << blocked.error().text;
  ASSERT_TRUE(eventually([&] { return following_.device().isSettled(vm5.uuid); }));
  ASSERT_TRUE(following_.isToldAll());
  EXPECT_FALSE(pair.exchange(1000, std::chrono::milliseconds{100}));
  if (later) EXPECT_FALSE(later->exchange(1000, std::chrono::milliseconds{100}));
  lab_.firewall.enter();
  EXPECT_EQ(following_.update(), 0u) << "no packet has changed anything";
  following_.device().unblock(vm5.uuid);
  EXPECT_TRUE(pair.exchange(1000)) << "sent again, and through";
}

INSTANTIATE_TEST_SUITE_P(Paths, FollowedConnection, testing::ValuesIn(paths),
                         [](const auto& info) { return std::string{info.param.name}; });

TEST(FollowedRows, ThatAreMadeHereAreTold) {
  FirewallLab lab;
  Following following{lab.firewall, TableOf<TcpConnRow>::info};
  std::vector<AnyRow> rows;
  for (std::uint16_t port = 1; port <= 300; ++port) {
    auto row = makeRow(vm5, port);
    rows.emplace_back(row);
  }
  lab.firewall.enter();
  auto made = following.table().create(vm5, rows);
  ASSERT_FALSE(made.error) << made.error->text;
  EXPECT_TRUE(following.isToldAll());
  EXPECT_EQ(following.read().size(), rows.size());
  ASSERT_FALSE(following.table().remove(vm5, std::span{rows}.first(100)).error);
  EXPECT_TRUE(following.isToldAll());
  EXPECT_EQ(following.read().size(), rows.size() - 100);
}

TEST(FollowedRows, OfOtherProtocolsAreTold) {
  FirewallLab lab;
  Following following{lab.firewall, TableOf<FlowRow>::info};
  lab.vm.run("ping -c 1 -W 5 192.0.2.9 > /dev/null && ping -c 1 -W 5 2001:db8::9 > /dev/null");
  EXPECT_TRUE(following.isToldAll());
  EXPECT_GE(following.read().size(), 2u);
  lab.firewall.run("conntrack -F > /dev/null 2>&1");
  EXPECT_TRUE(following.isToldAll());
}

TEST(FollowedRows, AreReadAnewWhenMoreHappenedThanCouldBeFollowed) {
  FirewallLab lab;
  Following following{lab.firewall, TableOf<TcpConnRow>::info};
  lab.firewall.enter();
  auto follower = following.table().follow(vm5, nullptr);
  ASSERT_TRUE(follower);
  // Twice the follower's memory.
  std::vector<AnyRow> rows;
  for (std::uint32_t i = 0; i < 70'000; ++i) {
    auto row = makeRow(vm5, static_cast<std::uint16_t>(1 + i % 50'000));
    row.remPort = static_cast<std::uint16_t>(2000 + i / 50'000);
    rows.emplace_back(row);
  }
  ASSERT_FALSE(following.table().create(vm5, rows).error);
  std::vector<AnyRow> changed, gone;
  auto next = follower->next(changed, gone);
  ASSERT_FALSE(next);
  EXPECT_NE(next.error().text.find("more"), std::string::npos) << next.error().text;
  EXPECT_TRUE(follower->next(changed, gone)) << "it goes on";
}

}  // namespace
}  // namespace vmmig
