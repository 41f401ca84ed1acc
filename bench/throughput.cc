// SPDX-License-Identifier: GPL-2.0-or-later
// How fast rows go through SNMP: fills a device row by row, reads it row by row, moves everything to a second device by chunks,
// and prints the milliseconds of each as one JSON object. bench.py runs it against real devices and the kernel's own limit.
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/measure.h"
#include "manager/at_once.h"
#include "manager/transfer_side.h"
#include "mibs/image_table.h"
#include "mibs/tcp_conn_table.h"

using namespace vmmig;

namespace {

constexpr std::uint32_t deadlineSeconds = 600;
constexpr std::size_t getsAtOnce = 8;
constexpr std::size_t setsAtOnce = 4;
const Uuid vm = *parseUuid("5f0c1f6e-2d0a-4f7e-9c57-5a1f8e2b7c90");
const InetAddress vmAddress = *parseInetAddress("10.1.0.5");

class Stopwatch {
 public:
  double milliseconds() const { return std::chrono::duration<double, std::milli>(Clock::now() - start_).count(); }

 private:
  Clock::time_point start_ = Clock::now();
};

TcpConnRow connection(std::uint32_t number) {
  TcpConnRow row;
  row.uuid = vm;
  row.localAddress = vmAddress;
  row.localPort = 80;
  row.remAddress = *parseInetAddress("192.0.2.9");
  row.remAddress.octets[2] = static_cast<std::uint8_t>(number / 50000);
  row.remPort = static_cast<std::uint16_t>(1024 + number % 50000);
  row.opener = TcpOpener::remote;
  row.state = TcpState::established;
  row.timeout = 100000;
  row.status.set(TcpConnStatus::seenReply);
  row.status.set(TcpConnStatus::assured);
  for (auto* flags : {&row.localFlags, &row.remFlags}) flags->set(TcpFlag::windowScale);
  row.localWindowScale = row.remWindowScale = {7};
  return row;
}

class Bench {
 public:
  Bench(EventLoop& loop, std::shared_ptr<Device> source, std::shared_ptr<Device> destination)
      : sourceDevice_(source),
        destinationDevice_(destination),
        source_(loop, source, vm, TransferRole::source),
        destination_(loop, destination, vm, TransferRole::destination) {}

  Task<> run(std::uint32_t rows, nlohmann::json& result) {
    VmRow vmRow;
    vmRow.uuid = vm;
    VmAddressRow address;
    address.uuid = vm;
    address.address = vmAddress;
    std::vector<VmAddressRow> addresses{address};
    need(co_await source_.introduce(vmRow, addresses), "the source does not take the VM");
    need(co_await destination_.introduce(vmRow, addresses), "the destination does not take the VM");

    std::vector<AnyRow> connections;
    for (std::uint32_t i = 0; i < rows; ++i) connections.emplace_back(connection(i));
    Stopwatch write;
    need(co_await sourceDevice_->create(std::move(connections)), "row-by-row write");
    result["rowWriteMs"] = write.milliseconds();

    Stopwatch read;
    auto found = need(co_await sourceDevice_->readAll(TableOf<TcpConnRow>::info, vm), "row-by-row read");
    result["rowReadMs"] = read.milliseconds();
    if (found.size() != rows) fail("row-by-row read: " + std::to_string(found.size()) + " rows came back");

    co_await chunks(rows, result);
  }

 private:
  Task<> chunks(std::uint32_t rows, nlohmann::json& result) {
    auto ignore = [](const TransferRow&) {};
    auto epoch = static_cast<std::uint32_t>(std::time(nullptr));
    TransferRow last;
    Stopwatch read;
    need(co_await source_.claim(epoch, TransferPolicy::require, deadlineSeconds, ignore), "track");
    need(co_await source_.reach(TransferAdmin::freeze, TransferOper::frozen, [&last](const auto& row) { last = row; }), "freeze");
    image_.resize(last.chunks);
    co_await forEachAtOnce(image_.size(), getsAtOnce, [this, epoch](std::size_t i) { return fetch(i, epoch); });
    result["chunkReadMs"] = read.milliseconds();
    result["chunks"] = last.chunks;
    result["octets"] = last.octets;
    auto sourceDigest = last.digest;

    Stopwatch write;
    need(co_await destination_.claim(epoch, TransferPolicy::require, deadlineSeconds, ignore), "prepare");
    co_await forEachAtOnce(image_.size(), setsAtOnce, [this, epoch](std::size_t i) { return store(i, epoch); });
    need(co_await destination_.reach(TransferAdmin::commit, TransferOper::committed, [&last](const auto& row) { last = row; }), "commit");
    result["chunkWriteMs"] = write.milliseconds();
    if (last.digest != sourceDigest || last.rows != rows)
      fail("commit: source and destination differ");

    need(co_await source_.reach(TransferAdmin::release, TransferOper::released, ignore), "release");
    need(co_await destination_.reach(TransferAdmin::done, TransferOper::done, ignore), "done");
  }

  ImageRow key(std::size_t i, std::uint32_t epoch) const {
    ImageRow row;
    row.uuid = vm;
    row.epoch = {epoch};
    row.number = {static_cast<std::uint32_t>(i + 1)};
    return row;
  }

  Task<> fetch(std::size_t i, std::uint32_t epoch) {
    auto row = need(co_await readRow<ImageRow>(*sourceDevice_, key(i, epoch)), "chunk GET");
    if (!row) fail("chunk GET: chunk " + std::to_string(i + 1) + " is missing");
    image_[i] = std::move(row->data.value);
  }

  Task<> store(std::size_t i, std::uint32_t epoch) {
    auto row = key(i, epoch);
    row.data.value = image_[i];
    std::vector<std::string_view> columns{"vmMigImageData"};
    need(co_await destinationDevice_->write(row, columns), "chunk SET");
  }

  std::shared_ptr<Device> sourceDevice_, destinationDevice_;
  TransferSide source_, destination_;
  std::vector<std::string> image_;
};

std::shared_ptr<Device> open(EventLoop& loop, const char* peer) {
  SessionOptions options;
  options.peer = peer;
  return std::make_shared<Device>(peer, need(SnmpSession::open(loop, options), peer));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: throughput SOURCE DESTINATION ROWS   (users and passphrases from snmp.conf)\n";
    return 2;
  }
  EventLoop loop;
  Bench bench{loop, open(loop, argv[1]), open(loop, argv[2])};
  nlohmann::json result;
  bool finished = false;
  spawn(bench.run(static_cast<std::uint32_t>(std::atoi(argv[3])), result), [&finished] { finished = true; });
  loop.runUntil([&finished] { return finished; });
  std::cout << result << '\n';
}
