// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/doctor.h"

#include "manager/counted.h"
#include "mibs/labels.h"

namespace vmmig::doctor {

namespace {

// What stands for a table of rows that move with a VM.
constexpr Capability tableCapabilities[] = {Capability::tcpConn, Capability::flow,        Capability::acl,
                                            Capability::counter, Capability::dhcpBinding, Capability::multicast,
                                            Capability::policy,  Capability::expect};

Task<> keep(std::shared_ptr<Examination> examination) { co_await examination->run(); }

}  // namespace

std::string_view name(Level level) {
  static constexpr std::string_view names[] = {"ok", "warning", "fault"};
  return names[static_cast<std::size_t>(level)];
}

void Examination::add(std::string check, Level level, std::string text, std::string remedy) {
  if (!isOver_) findings_.push_back({std::move(check), level, std::move(text), std::move(remedy)});
}

void Examination::timeIsUp() {
  fault("time", "the examination took too long; what is not listed was not looked at",
        "look for a device or a link that is overloaded, or give it more time (--deadline)");
  if (!scalars_) isReached_ = false;
  isOver_ = true;
}

Task<> Examination::run() {
  co_await checkReachability();
  if (!isReached_) co_return;
  checkSecurity();
  co_await checkAgent();
  if (!scalars_) co_return;
  co_await checkWriting();
  checkCapabilities();
  checkCapacity();
  co_await checkClock();
  co_await checkItself();
  co_await checkSnmpd();
  co_await checkInforms();
  co_await checkMessageSize();
}

/// The examination lives on where a request is still under way when the time is up; nobody listens to it any more.
Task<> examineWithin(EventLoop& loop, std::shared_ptr<Examination> examination, Clock::duration limit) {
  EventLoop::TimerId timer = 0;
  bool isDone = co_await Completion<bool>([&](Completion<bool>::Finish finish) {
    auto decided = std::make_shared<bool>(false);
    auto decide = [decided, finish](bool done) {
      if (!std::exchange(*decided, true)) finish(done);
    };
    timer = loop.after(limit, [decide] { decide(false); });
    // In a turn of its own: it may end at once.
    loop.post([examination, decide] { spawn(keep(examination), [decide] { decide(true); }); });
  });
  loop.cancel(timer);
  if (!isDone) examination->timeIsUp();
}

std::vector<Finding> comparePair(const std::string& source, const DeviceScalars& from, const std::string& destination,
                                 const DeviceScalars& to) {
  std::vector<Finding> findings;
  auto pair = source + " to " + destination;
  for (auto capability : tableCapabilities) {
    if (!from.capabilities.has(capability) || to.capabilities.has(capability)) continue;
    auto table = labelOf(capability);
    findings.push_back({pair, Level::warning,
                        source + " keeps " + table + " state and " + destination + " does not: it stays behind",
                        "name it in vmmigd.conf of " + destination + ", or expect migrations to be refused or incomplete"});
  }
  bool haveImages = from.capabilities.has(Capability::image) && to.capabilities.has(Capability::image);
  if (!haveImages)
    findings.push_back({pair, Level::warning, "one of them takes no packed image: rows are moved one by one, inside the stop",
                        "update vmmigd where vmMigCapabilities lacks image"});
  if (!from.capabilities.has(Capability::block))
    findings.push_back({pair, Level::fault, source + " cannot stop a VM's traffic, so nothing can be moved away from it",
                        "see what its vmmigd says of block (vmmig show " + source + " check)"});
  if (haveImages && to.maxChunkSize < from.maxChunkSize)
    findings.push_back({pair, Level::warning,
                        source + " makes chunks of up to " + counted(from.maxChunkSize, "octet") + ", and " + destination +
                            " takes " + std::to_string(to.maxChunkSize),
                        "make vmMigMaxChunkSize equal"});
  if (findings.empty()) findings.push_back({pair, Level::ok, "what " + source + " keeps of a VM, " + destination + " takes"});
  return findings;
}

}  // namespace vmmig::doctor
