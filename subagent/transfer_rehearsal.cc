// SPDX-License-Identifier: GPL-2.0-or-later
// The rehearsal: what the destination cannot take of the tables that are exchanged, it says while the VM still runs at the
// source.
#include "subagent/transfer_clock.h"
#include "subagent/transfer_destination.h"

namespace vmmig {

namespace {

using namespace std::chrono_literals;

// Chunks come in bursts: it waits for the end of one, but not for ever.
constexpr auto quiet = 20ms;
constexpr auto longest = 500ms;

}  // namespace

void DestinationTransfer::rehearseSoon() {
  lastUnrehearsed_ = Clock::now();
  if (rehearsalTimer_ || !hasExchanged()) return;
  firstUnrehearsed_ = lastUnrehearsed_;
  rehearsalTimer_ = loop().after(quiet, [this, work = currentWork()] { onRehearsalTimer(work); });
}

void DestinationTransfer::onRehearsalTimer(unsigned work) {
  rehearsalTimer_.reset();
  if (!isCurrent(work) || row_.operStatus != TransferOper::prepared || isBestEffort()) return;
  auto now = Clock::now();
  auto rest = quiet - (now - lastUnrehearsed_);
  if (rest <= 0ms || now - firstUnrehearsed_ >= longest) return start(rehearse(work));
  rehearsalTimer_ = loop().after(std::chrono::ceil<std::chrono::milliseconds>(rest), [this, work] { onRehearsalTimer(work); });
}

image::Digest DestinationTransfer::digestOfExchanged() {
  image::Digest digest;
  for (auto place : exchangedPlaces()) digest.add(rows().unpack(*place));
  return digest;
}

Task<> DestinationTransfer::rehearse(unsigned work) {
  for (int attempt = 1; rehearsed_ != digestOfExchanged(); ++attempt) {
    std::vector<AnyRow> present;
    auto read = co_await readRows(work, Tables::exchanged, present);
    if (!isCurrent(work) || row_.operStatus != TransferOper::prepared || isBestEffort()) co_return;
    if (!read) co_return giveUp(TransferOper::failed, read.error().text);
    auto wanted = unpackAged(exchangedPlaces());
    Exchange exchange{present, wanted};
    auto refusal = backEnd().rehearse(vm_, exchange);
    if (!refusal)
      rehearsed_ = digestOfExchanged();
    else if (refusal->created || attempt == exchangeAttempts)
      co_return giveUp(TransferOper::failed, refusal->error.text);
  }
}

}  // namespace vmmig
