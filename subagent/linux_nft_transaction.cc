// SPDX-License-Identifier: GPL-2.0-or-later
// The order of a transaction's commands; and which faults do not matter, or can be avoided by other commands.
#include <algorithm>
#include <cerrno>

#include "subagent/linux_nft.h"

namespace vmmig {

namespace {

/// nft itself looks an interval's end up, and has its own words when it is not there.
bool isGone(const Nft::Fault& fault) { return fault.is(ENOENT) || fault.text == "element does not exist"; }

Error errorOf(const Nft::Fault& fault) {
  if (fault.is(EEXIST)) return {SnmpStatus::inconsistentName, "it exists already"};
  if (fault.is(ENFILE)) return {SnmpStatus::resourceUnavailable, "the set is full: give it a larger `size`"};
  if (fault.is(EBUSY)) return {SnmpStatus::commitFailed, "rules or map elements still refer to it"};
  return {SnmpStatus::commitFailed, "nftables refuses it: " + fault.text};
}

}  // namespace

NftTransaction::Command& NftTransaction::append(Step step, std::string text) {
  commands_.push_back({step, std::move(text), {}, {}, {}, ++lastNumber_, 0});
  return commands_.back();
}

void NftTransaction::add(Step step, std::string command, std::optional<std::size_t> row, std::string subject) {
  auto& added = append(step, std::move(command));
  added.row = row;
  added.subject = std::move(subject);
}

void NftTransaction::addUnlessBusy(Step step, std::string command, WhenBusy whenBusy, std::string subject) {
  auto& added = append(step, std::move(command));
  added.whenBusy = std::move(whenBusy);
  added.subject = std::move(subject);
}

void NftTransaction::addPair(Step dropStep, std::string drop, Step addStep, std::string add) {
  auto pair = append(dropStep, std::move(drop)).number;
  commands_.back().pair = pair;
  append(addStep, std::move(add)).pair = pair;
}

std::vector<const NftTransaction::Command*> NftTransaction::sorted() const {
  std::vector<const Command*> commands;
  for (const auto& command : commands_) commands.push_back(&command);
  std::stable_sort(commands.begin(), commands.end(), [](const Command* a, const Command* b) { return a->step < b->step; });
  return commands;
}

std::string NftTransaction::text() const {
  std::string text;
  for (const auto* command : sorted()) text += command->text + '\n';
  return text;
}

const NftTransaction::Command* NftTransaction::find(std::size_t number) const {
  auto found = std::find_if(commands_.begin(), commands_.end(), [&](const Command& each) { return each.number == number; });
  return found == commands_.end() ? nullptr : &*found;
}

/// The number of the command that stands at the fault's line; 0 when none does.
std::size_t NftTransaction::numberAt(const Nft::Fault& fault) const {
  return fault.line && *fault.line < commands_.size() ? sorted()[*fault.line]->number : 0;
}

void NftTransaction::leaveOut(const Command& command) {
  auto number = command.number, pair = command.pair;
  std::erase_if(commands_, [&](const Command& each) { return each.number == number || (pair != 0 && each.pair == pair); });
}

/// Whether the fault is out of the way: what it is about is left out, or other commands stand in its place.
Result<bool> NftTransaction::avoid(const Command& command, const Nft::Fault& fault) {
  if ((command.step == Step::dropElements || command.pair != 0) && isGone(fault)) {
    leaveOut(command);
    return true;
  }
  if (!command.whenBusy || !fault.is(EBUSY)) return false;
  auto whenBusy = command.whenBusy;
  leaveOut(command);
  if (auto added = whenBusy(*this); !added) return failure(added.error());
  return true;
}

/// Whether any of them is. The others may be its consequences, and show again when they are not.
Result<bool> NftTransaction::avoid(const std::vector<Nft::Fault>& faults) {
  std::vector<std::size_t> numbers;
  for (const auto& fault : faults) numbers.push_back(numberAt(fault));
  bool isAny = false;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    const auto* command = find(numbers[i]);
    if (!command) continue;
    auto isAvoided = avoid(*command, faults[i]);
    if (!isAvoided) return isAvoided;
    isAny = isAny || *isAvoided;
  }
  return isAny;
}

Refusal NftTransaction::refusal(const Nft::Fault& fault) const {
  Refusal refusal{errorOf(fault), std::nullopt};
  const auto* command = find(numberAt(fault));
  if (!command) return refusal;
  refusal.created = command->row;
  if (!command->subject.empty()) refusal.error.text = command->subject + ": " + refusal.error.text;
  refusal.error.text += " (" + command->text + ")";
  return refusal;
}

std::optional<Refusal> NftTransaction::run(Nft& nft, Nft::Mode mode) const {
  // A line end would make two commands of one, and lead faults to the wrong ones.
  for (const auto& command : commands_)
    if (command.text.find_first_of("\n\r") != std::string::npos)
      return Refusal{{SnmpStatus::wrongValue, command.subject + ": a command for nftables must be one line"}, command.row};
  // Each turn leaves something out for good, or puts in its place what has no way out, so it ends.
  for (auto attempt = *this;;) {
    auto faults = nft.runAll(attempt.text(), mode);
    if (faults.empty()) return std::nullopt;
    auto isAvoided = attempt.avoid(faults);
    if (!isAvoided) return Refusal{isAvoided.error(), std::nullopt};
    if (!*isAvoided) return attempt.refusal(faults.front());
  }
}

}  // namespace vmmig
