// SPDX-License-Identifier: GPL-2.0-or-later
// What an NMS without the packed image does: reads the TCP connections of a VM from one device as rows, and makes them on another
// one by SETs. Prints the milliseconds of each as one JSON object, and takes the rows and the VM away again.
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/measure.h"
#include "manager/transfer_side.h"
#include "mibs/tcp_conn_table.h"

using namespace vmmig;

namespace {

double since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

std::shared_ptr<Device> open(EventLoop& loop, const char* peer) {
  SessionOptions options;
  options.peer = peer;
  return std::make_shared<Device>(peer, need(SnmpSession::open(loop, options), peer));
}

struct Moved {
  Uuid uuid;
  InetAddress address;
};

Task<> introduce(Device& device, Moved vm) {
  VmRow row;
  row.uuid = vm.uuid;
  VmAddressRow address;
  address.uuid = vm.uuid;
  address.address = vm.address;
  std::vector<AnyRow> vms, addresses;
  vms.emplace_back(row);
  addresses.emplace_back(address);
  need(co_await device.create(std::move(vms)), "the VM");
  need(co_await device.create(std::move(addresses)), "its address");
}

Task<> forget(Device& device, Moved vm) {
  VmRow row;
  row.uuid = vm.uuid;
  std::vector<AnyRow> rows;
  rows.emplace_back(row);
  need(co_await device.destroy(std::move(rows)), "the VM's removal");
}

Task<> move(Device& source, Device& destination, Moved vm, nlohmann::json& result) {
  co_await introduce(source, vm);
  co_await introduce(destination, vm);
  auto begin = Clock::now();
  auto rows = need(co_await source.readAll(TableOf<TcpConnRow>::info, vm.uuid), "the read");
  result["rows"] = rows.size();
  result["readMs"] = since(begin);
  auto made = rows;
  begin = Clock::now();
  need(co_await destination.create(std::move(made)), "the write");
  result["writeMs"] = since(begin);
  need(co_await destination.destroy(std::move(rows)), "the removal");
  co_await forget(source, vm);
  co_await forget(destination, vm);
}

}  // namespace

int main(int argc, char** argv) {
  auto uuid = argc == 5 ? parseUuid(argv[3]) : std::nullopt;
  auto address = argc == 5 ? parseInetAddress(argv[4]) : std::nullopt;
  if (!uuid || !address) {
    std::cerr << "usage: row_by_row SOURCE DESTINATION VM ADDRESS   (users and passphrases from snmp.conf)\n";
    return 2;
  }
  EventLoop loop;
  auto source = open(loop, argv[1]), destination = open(loop, argv[2]);
  nlohmann::json result;
  bool finished = false;
  spawn(move(*source, *destination, {*uuid, *address}, result), [&finished] { finished = true; });
  loop.runUntil([&finished] { return finished; });
  std::cout << result << '\n';
}
