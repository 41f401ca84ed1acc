// SPDX-License-Identifier: GPL-2.0-or-later
// The packed image on its way: what the source appends when rows change, and what the destination takes in which order.
#include <algorithm>
#include <random>

#include "subagent/image_log.h"
#include "subagent/image_staging.h"
#include "subagent/transfer_clock.h"
#include "tests/unit/transfer_fixture.h"

namespace vmmig::test {
namespace {

using Admin = TransferAdmin;
using Oper = TransferOper;
using Role = TransferRole;

struct Told {
  std::set<std::uint16_t> put, removed;
  int ends = 0;
};

Told told(const std::vector<std::string>& chunks, std::size_t from = 0) {
  Told result;
  for (auto at = from; at < chunks.size(); ++at) {
    auto records = image::readChunk(vmUuid, chunks[at]);
    EXPECT_TRUE(records) << records.error().text;
    for (const auto& record : *records) {
      if (const auto* put = std::get_if<image::Put>(&record)) result.put.insert(put->row.as<TcpConnRow>().localPort);
      if (const auto* gone = std::get_if<image::Remove>(&record)) result.removed.insert(gone->key.as<TcpConnRow>().localPort);
      result.ends += std::holds_alternative<image::End>(record);
    }
  }
  return result;
}

TEST_F(TransferTest, AFreezeAppendsOnlyWhatIsNewChangedOrGone) {
  addConnections(source_, 1000, 60);
  ASSERT_TRUE(source_.claim(Role::source, 5));
  ASSERT_TRUE(until([&] { return source_.transferRow().rows == 60 && image(5).size() == source_.transferRow().chunks; }));
  turns(20);
  auto before = image(5);
  EXPECT_EQ(told(before).put.size(), 60u);
  EXPECT_EQ(told(before).ends, 0);
  source_.remove(connection(1007));
  source_.remove(connection(1008));
  auto changed = connection(1008);
  changed.seqNumber += 11;
  source_.add(changed);
  source_.add(connection(3000));
  auto refreshed = connection(1009, 5000);
  source_.remove(refreshed);
  source_.add(refreshed);
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  auto after = image(5);
  ASSERT_GT(after.size(), before.size());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin())) << "the log is append-only";
  auto last = told(after, before.size());
  EXPECT_EQ(last.put, (std::set<std::uint16_t>{1008, 1009, 3000}));
  EXPECT_EQ(last.removed, (std::set<std::uint16_t>{1007}));
  EXPECT_EQ(last.ends, 1);
  EXPECT_EQ(source_.transferRow().rows, 60u);
  ASSERT_TRUE(destination_.claim(Role::destination, 5));
  copyImage(5);
  commit(5);
  EXPECT_EQ(packed(destination_.rows()), packed(source_.rows()));
  EXPECT_EQ(destination_.transferRow().digest, source_.transferRow().digest);
}

TEST_F(TransferTest, AFreezeBeforeThePreCopyIsReadLosesNothing) {
  addConnections(source_, 1000, 60);
  ASSERT_TRUE(source_.claim(Role::source, 5));
  turns(2);
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  ASSERT_TRUE(destination_.claim(Role::destination, 5));
  copyImage(5);
  commit(5);
  EXPECT_EQ(packed(destination_.rows()), packed(source_.rows()));
}

TEST_F(TransferTest, ChunksComeInAnyOrderAndAsOftenAsTheyLike) {
  addConnections(source_, 1000, 60);
  ASSERT_TRUE(source_.claim(Role::source, 5));
  turns(20);
  for (std::uint16_t port = 1000; port < 1060; port += 7) source_.remove(connection(port));
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  auto chunks = image(5);
  std::vector<std::uint32_t> order;
  for (std::uint32_t n = 1; n <= chunks.size(); ++n) order.insert(order.end(), {n, n});
  std::mt19937 random{1};
  for (std::uint32_t epoch = 10; epoch < 20; ++epoch) {
    ASSERT_TRUE(destination_.claim(Role::destination, epoch));
    ASSERT_TRUE(reaches(destination_, Oper::prepared));
    std::shuffle(order.begin(), order.end(), random);
    for (auto n : order) ASSERT_TRUE(destination_.writeChunk(epoch, n, chunks[n - 1]));
    ASSERT_TRUE(until([&] { return destination_.transferRow().chunks == chunks.size(); }));
    EXPECT_EQ(destination_.transferRow().octets, source_.transferRow().octets);
    commit(epoch);
    EXPECT_EQ(destination_.transferRow().digest, source_.transferRow().digest);
    EXPECT_EQ(packed(destination_.rows()), packed(source_.rows()));
  }
}

TEST_F(TransferTest, ChunksThatWaitedAreAppliedInSlices) {
  addConnections(source_, 1000, 200);
  copyFrozen(4);
  auto chunks = image(4);
  ASSERT_GT(chunks.size(), 20u);
  ASSERT_TRUE(destination_.claim(Role::destination, 5));
  for (std::uint32_t n = 2; n <= chunks.size(); ++n) ASSERT_TRUE(destination_.writeChunk(5, n, chunks[n - 1]));
  ASSERT_TRUE(destination_.writeChunk(5, 1, chunks[0]));
  EXPECT_LE(destination_.transferRow().chunks, 2u);
  turns(3);
  EXPECT_GT(destination_.transferRow().chunks, 2u);
  EXPECT_LT(destination_.transferRow().chunks, 10u);
  // Those that came are all of them, hence the manager may go on.
  commit(5);
  EXPECT_EQ(packed(destination_.rows()), packed(source_.rows()));
  EXPECT_EQ(destination_.transferRow().chunks, chunks.size());
}

TEST_F(TransferTest, WaitingChunksThatComeToAnotherImageFailTheCommitBeforeAnythingIsMade) {
  image::ChunkWriter writer{1};
  image::Digest digest;
  digest.add(AnyRow{connection(1000)});
  writer.put(AnyRow{connection(1000)});
  writer.put(AnyRow{connection(1001)});
  writer.put(AnyRow{connection(1002)});
  writer.end(digest);
  auto chunks = writer.take();
  ASSERT_TRUE(destination_.claim(Role::destination, 5));
  for (auto n = static_cast<std::uint32_t>(chunks.size()); n > 0; --n) ASSERT_TRUE(destination_.writeChunk(5, n, chunks[n - 1]));
  ASSERT_LT(destination_.transferRow().chunks, chunks.size());
  ASSERT_TRUE(destination_.want(Admin::commit, 5));
  ASSERT_TRUE(reaches(destination_, Oper::failed));
  EXPECT_NE(destination_.transferRow().error.value.find("its end mark says 1"), std::string::npos);
  EXPECT_TRUE(destination_.rows().empty());
}

TEST_F(TransferTest, AMissingChunkIsNoCommit) {
  addConnections(source_, 1000, 60);
  copyFrozen(4);
  auto chunks = image(4);
  for (std::uint32_t missing = 1; missing <= chunks.size(); ++missing) {
    auto epoch = 10 + missing;
    ASSERT_TRUE(destination_.claim(Role::destination, epoch));
    for (std::uint32_t n = 1; n <= chunks.size(); ++n) {
      if (n == missing) continue;
      ASSERT_TRUE(destination_.writeChunk(epoch, n, chunks[n - 1]));
    }
    EXPECT_EQ(destination_.transferRow().chunks, missing - 1);
    EXPECT_FALSE(destination_.transferRow().complete);
    auto status = destination_.want(Admin::commit, epoch);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().status, SnmpStatus::inconsistentValue);
  }
}

TEST_F(TransferTest, AnImageWhoseRowsAreNotThoseOfItsEndMarkIsNoCommit) {
  image::ChunkWriter writer{1000};
  image::Digest digest;
  digest.add(AnyRow{connection(1000)});
  digest.add(AnyRow{connection(1001)});
  writer.put(AnyRow{connection(1000)});
  writer.put(AnyRow{connection(1002)});
  writer.end(digest);
  ASSERT_TRUE(destination_.claim(Role::destination, 5));
  ASSERT_TRUE(destination_.writeChunk(5, 1, writer.take().front()));
  EXPECT_TRUE(destination_.transferRow().complete);
  auto status = destination_.want(Admin::commit, 5);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::inconsistentValue);
  EXPECT_EQ(destination_.state(), Oper::prepared);
  EXPECT_TRUE(destination_.rows().empty());
}

TEST_F(TransferTest, AChunkWithAnotherContentUnderItsNumberIsRefused) {
  addConnections(source_, 1000, 20);
  copyFrozen(5);
  auto chunks = image(5);
  auto status = destination_.writeChunk(5, 1, chunks[1]);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::inconsistentValue);
  commit(5);
  EXPECT_TRUE(destination_.writeChunk(5, 1, chunks[0])) << "the same again changes nothing";
  EXPECT_FALSE(destination_.writeChunk(5, 1, chunks[1])) << "not after the commit either";
  EXPECT_FALSE(destination_.writeChunk(5, static_cast<std::uint32_t>(chunks.size()) + 1, chunks[0]));
  EXPECT_EQ(destination_.chunk(5, 1), chunks[0]);
}

TEST_F(TransferTest, AChunkAtASourceIsNotWritable) {
  claimBoth(5);
  auto status = source_.writeChunk(5, 1, "x");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::notWritable);
}

TEST_F(TransferTest, AChunkOfNoTransferOrBeyondAllBoundsHasNoPlace) {
  addConnections(source_, 1000, 5);
  auto unknown = destination_.writeChunk(5, 1, "x");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().status, SnmpStatus::inconsistentName);
  copyFrozen(5);
  auto data = image(5).front();
  for (std::uint32_t epoch : {4u, 6u})
    EXPECT_EQ(destination_.writeChunk(epoch, 1, data).error().status, SnmpStatus::inconsistentName);
  EXPECT_EQ(destination_.writeChunk(5, 0xffffffff, data).error().status, SnmpStatus::inconsistentName);
}

TEST_F(TransferTest, NoDamagedChunkIsTakenOrHarms) {
  addConnections(source_, 1000, 5);
  ASSERT_TRUE(source_.claim(Role::source, 5));
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  auto good = image(5);
  ASSERT_TRUE(destination_.claim(Role::destination, 5));
  for (std::size_t at = 0; at < good.front().size(); ++at) {
    auto cut = destination_.writeChunk(5, 1, good.front().substr(0, at));
    ASSERT_FALSE(cut);
    auto status = cut.error().status;
    EXPECT_TRUE(status == SnmpStatus::wrongEncoding || status == SnmpStatus::wrongValue) << static_cast<int>(status);
  }
  // One flipped octet may still be a chunk, of other rows: then the end mark does not agree.
  std::uint32_t epoch = 10;
  for (std::size_t at = 0; at < good.front().size(); ++at) {
    ASSERT_TRUE(destination_.claim(Role::destination, ++epoch));
    auto bad = good.front();
    bad[at] = static_cast<char>(bad[at] ^ 0x41);
    if (!destination_.writeChunk(epoch, 1, bad)) continue;
    for (std::uint32_t n = 2; n <= good.size(); ++n) destination_.writeChunk(epoch, n, good[n - 1]);
    auto committed = destination_.want(Admin::commit, epoch);
    if (!committed) continue;
    // Only what the digest leaves to the clocks may differ.
    ASSERT_TRUE(reaches(destination_, Oper::committed));
    EXPECT_EQ(packed(destination_.rows()), packed(source_.rows()));
    ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    ASSERT_TRUE(reaches(destination_, Oper::aborted));
  }
}

TEST_F(TransferTest, ARowOfAnotherVmsAddressIsRefused) {
  auto foreign = connection(1000);
  foreign.localAddress = parseInetAddress("10.0.0.8").value();
  image::ChunkWriter writer{1000};
  writer.put(AnyRow{foreign});
  writer.flush();
  ASSERT_TRUE(destination_.claim(Role::destination, 5));
  EXPECT_FALSE(destination_.writeChunk(5, 1, writer.take().front()));
}

TEST_F(TransferTest, AWalkSeesEachTransferAndEachChunkOnceInOrder) {
  addConnections(source_, 1000, 60);
  copyFrozen(5);
  auto& store = source_.engine().imageStore();
  Oid at;
  std::uint32_t number = 0;
  while (auto row = store.next(at).value()) {
    EXPECT_EQ(row->as<ImageRow>().number, ++number);
    auto index = row->index();
    EXPECT_LT(at, index);
    at = index;
  }
  EXPECT_GT(number, 5u);
  EXPECT_EQ(number, source_.transferRow().chunks);
  Oid between = AnyRow{ImageRow{vmUuid, {5}, {3}, {}}}.index() + 0u;
  EXPECT_EQ(store.next(between).value()->as<ImageRow>().number, 4u);
  EXPECT_EQ(store.next(Oid{vmUuid.octets[0]}).value()->as<ImageRow>().number, 1u);
  EXPECT_FALSE(store.next(AnyRow{ImageRow{vmUuid, {6}, {1}, {}}}.index()).value());
  auto& transfers = source_.engine().transferStore();
  auto first = transfers.next({}).value();
  ASSERT_TRUE(first);
  EXPECT_FALSE(transfers.next(first->index()).value());
}

TEST(ImageStaging, RefusesMoreThanItsLimits) {
  TransferLimits limits;
  limits.maxRows = 3;
  limits.maxOctets = 400;
  limits.maxChunks = 5;
  ImageStaging staging{vmUuid, limits};
  auto chunkOf = [](std::initializer_list<std::uint16_t> ports) {
    image::ChunkWriter writer{10'000};
    for (auto port : ports) writer.put(AnyRow{connection(port)});
    writer.flush();
    return writer.take().front();
  };
  EXPECT_EQ(staging.check(1, chunkOf({1, 2, 3, 4})).error().status, SnmpStatus::resourceUnavailable);
  auto first = chunkOf({1, 2});
  ASSERT_TRUE(staging.check(1, first));
  staging.take(1, first, Clock::now());
  EXPECT_EQ(staging.check(2, chunkOf({3, 4})).error().status, SnmpStatus::resourceUnavailable);
  EXPECT_EQ(staging.check(2, std::string(400, 'x')).error().status, SnmpStatus::resourceUnavailable);
  EXPECT_EQ(staging.check(6, chunkOf({3})).error().status, SnmpStatus::inconsistentName);
  EXPECT_TRUE(staging.check(2, chunkOf({3})));
}

TEST(ImageStaging, TakesOneEndMarkInTheLastChunkOnly) {
  TransferLimits limits;
  auto chunk = [](bool end, std::uint16_t port) {
    image::ChunkWriter writer{10'000};
    writer.put(AnyRow{connection(port)});
    if (end) writer.end(image::Digest{});
    writer.flush();
    return writer.take().front();
  };
  ImageStaging staging{vmUuid, limits};
  staging.take(3, chunk(true, 3), Clock::now());
  EXPECT_EQ(staging.check(2, chunk(true, 2)).error().status, SnmpStatus::inconsistentValue);
  EXPECT_EQ(staging.check(4, chunk(false, 4)).error().status, SnmpStatus::inconsistentValue);
  ImageStaging other{vmUuid, limits};
  other.take(3, chunk(false, 3), Clock::now());
  EXPECT_EQ(other.check(2, chunk(true, 2)).error().status, SnmpStatus::inconsistentValue);
}

TEST(ImageLog, SaysWhenAVmHasMoreThanItsLimits) {
  TransferLimits limits;
  limits.maxRows = 2;
  ImageLog log{vmUuid, limits};
  ASSERT_TRUE(log.observe(AnyRow{connection(1)}, Clock::now()));
  ASSERT_TRUE(log.observe(AnyRow{connection(2)}, Clock::now()));
  auto third = log.observe(AnyRow{connection(3)}, Clock::now());
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().status, SnmpStatus::resourceUnavailable);
  EXPECT_TRUE(log.observe(AnyRow{connection(2)}, Clock::now()));
}

TEST(ImageLog, WhatIsNotReadAgainOfSeveralTablesIsGone) {
  TransferLimits limits;
  ImageLog log{vmUuid, limits};
  auto now = Clock::now();
  for (std::uint16_t port : {1, 2, 3}) ASSERT_TRUE(log.observe(AnyRow{connection(port)}, now));
  for (const char* entry : {"a", "b", "c"}) ASSERT_TRUE(log.observe(AnyRow{aclEntry(entry)}, now));
  for (const auto& row : policy("p", {"one"})) ASSERT_TRUE(log.observe(AnyRow{row}, now));
  std::array tables{&TableOf<TcpConnRow>::info, &TableOf<AclRow>::info};
  for (bool isThrough : {false, true}) {
    log.beginReading(tables);
    ASSERT_TRUE(log.observe(AnyRow{connection(2)}, now));
    ASSERT_TRUE(log.observe(AnyRow{aclEntry("b")}, now));
    // A sweep that is given up begins anew, across the tables' border.
    if (!isThrough) EXPECT_TRUE(log.removeGone(1));
  }
  int calls = 1;
  while (log.removeGone(1)) ++calls;
  EXPECT_GT(calls, 2);
  EXPECT_EQ(log.digest().rows(), 3u);
  EXPECT_TRUE(log.find(AnyRow{connection(2)}));
  EXPECT_TRUE(log.find(AnyRow{aclEntry("b")}));
  EXPECT_TRUE(log.find(AnyRow{policy("p", {"one"}).front()})) << "that table was not read";
}

TEST(ImageLog, TellsOfClocksOnlyWhenMoreThanTimeHasPassed) {
  TransferLimits limits;
  ImageLog log{vmUuid, limits};
  auto start = Clock::now();
  std::array tables{&TableOf<TcpConnRow>::info};
  auto row = connection(1, 1000);
  auto toldBy = [&](std::uint32_t timeout, std::uint32_t idle, Clock::duration later) {
    row.timeout = timeout;
    row.idleTime = idle;
    log.beginReading(tables);
    EXPECT_TRUE(log.observe(AnyRow{row}, start + later));
    auto before = log.chunks().size();
    EXPECT_TRUE(log.flush());
    return log.chunks().size() > before;
  };
  EXPECT_TRUE(toldBy(1000, 0, 0s));
  EXPECT_FALSE(toldBy(1000, 0, 1s));
  EXPECT_FALSE(toldBy(980, 20, 20s));
  EXPECT_FALSE(toldBy(978, 0, 20s)) << "within the tolerance, and an idle time that is not counted";
  EXPECT_TRUE(toldBy(1000, 0, 20s)) << "refreshed";
  EXPECT_FALSE(toldBy(990, 10, 30s)) << "measured from when it was told last";
  EXPECT_TRUE(toldBy(100, 10, 31s)) << "shortened";
}

TEST(TransferClock, RowsAgeWithoutEnding) {
  auto row = AnyRow{connection(1, 100)};
  age(row, 30s);
  EXPECT_EQ(row.as<TcpConnRow>().timeout, 70u);
  EXPECT_EQ(row.as<TcpConnRow>().idleTime, 30u);
  age(row, 1000s);
  EXPECT_EQ(row.as<TcpConnRow>().timeout, 1u);
  EXPECT_EQ(remainingLifeSeconds(row), 1);
}

TEST(TransferClock, WhatHasNoEndDoesNotAgeAndIsEqualOnlyToItself) {
  auto row = aclEntry("10.0.0.7");
  row.timeout = forEver;
  AnyRow eternal{row}, aged{row};
  age(aged, 1000s);
  EXPECT_EQ(aged.as<AclRow>().timeout, forEver);
  EXPECT_EQ(remainingLifeSeconds(eternal), std::nullopt);
  EXPECT_TRUE(explainedByTime(eternal, aged, 1000s));
  for (auto other : {0u, 600u, forEver - 1}) {
    row.timeout = other;
    EXPECT_FALSE(explainedByTime(eternal, AnyRow{row}, 0s)) << other;
    EXPECT_FALSE(explainedByTime(AnyRow{row}, eternal, 0s)) << other;
  }
}

}  // namespace
}  // namespace vmmig::test
