// SPDX-License-Identifier: GPL-2.0-or-later
// Rows by table, as the manager counts them in the chunks that it carries.
#include <gtest/gtest.h>

#include "manager/image_census.h"
#include "mibs/image.h"
#include "mibs/multicast_table.h"
#include "mibs/tcp_conn_table.h"

namespace vmmig {
namespace {

using Counts = std::map<std::string, std::uint32_t>;

AnyRow connection(std::uint16_t port) {
  TcpConnRow row;
  row.localPort = port;
  return row;
}
AnyRow group(std::uint16_t vlan) {
  MulticastRow row;
  row.vlan = {vlan};
  return row;
}

std::vector<std::string> chunksOf(const std::vector<AnyRow>& put, const std::vector<AnyRow>& removed = {}) {
  image::ChunkWriter writer{60};
  for (const auto& row : put) writer.put(row);
  for (const auto& row : removed) writer.remove(row);
  writer.flush();
  return writer.take();
}

TEST(ImageCensus, rowsAreCountedByTable) {
  auto chunks = chunksOf({connection(1), connection(2), group(3), connection(4)});
  ASSERT_GT(chunks.size(), 1u);
  ImageCensus census;
  std::uint32_t number = 0;
  for (const auto& chunk : chunks) census.add(++number, chunk);
  EXPECT_EQ(census.rows(), (Counts{{"vmMigTcpConnTable", 3}, {"vmMigMulticastTable", 1}}));
}

TEST(ImageCensus, whatChangesCountsOnceAndWhatGoesNotAtAll) {
  ImageCensus census;
  std::uint32_t number = 0;
  for (const auto& chunk : chunksOf({connection(1), connection(2), connection(1), group(3)}, {connection(2), group(3)}))
    census.add(++number, chunk);
  EXPECT_EQ(census.rows(), (Counts{{"vmMigTcpConnTable", 1}}));
}

TEST(ImageCensus, chunksMayComeInAnyOrder) {
  auto chunks = chunksOf({connection(1), connection(2)}, {connection(1), connection(2)});
  auto again = chunksOf({connection(2)});
  chunks.insert(chunks.end(), again.begin(), again.end());
  ImageCensus census;
  for (auto number = chunks.size(); number > 0; --number) census.add(static_cast<std::uint32_t>(number), chunks[number - 1]);
  EXPECT_EQ(census.rows(), (Counts{{"vmMigTcpConnTable", 1}}));
}

TEST(ImageCensus, behindAGapNothingIsCounted) {
  ImageCensus census;
  census.add(2, chunksOf({connection(1)}).front());
  EXPECT_EQ(census.rows(), Counts{});
  census.add(1, chunksOf({connection(7)}).front());
  EXPECT_EQ(census.rows(), (Counts{{"vmMigTcpConnTable", 2}}));
}

TEST(ImageCensus, whatIsPostponedIsCountedWhenAsked) {
  ImageCensus census;
  census.postpone();
  census.add(1, chunksOf({connection(1)}).front());
  EXPECT_EQ(census.rows(), (Counts{{"vmMigTcpConnTable", 1}}));
}

TEST(ImageCensus, whatIsNoImageTellsNothing) {
  ImageCensus census;
  census.add(1, chunksOf({connection(1)}).front());
  census.add(2, "\x01\x01\x07rubbish");
  census.add(3, chunksOf({connection(2)}).front());
  EXPECT_EQ(census.rows(), Counts{});
}

}  // namespace
}  // namespace vmmig
