// SPDX-License-Identifier: GPL-2.0-or-later
// Words for people: what actions, moments, stages, outcomes and steps are called, and what a migration waits for.
#include "manager/migration_stepper.h"

namespace vmmig::migration {

namespace {

std::string named(const std::string& device, const Side& side, TransferRole role) {
  return device + " (" + std::string{stepWord(side.step, role)} + ")";
}

/// Of a leg that is not good yet.
std::string awaitedOf(const LegPlan& plan, const Leg& leg) {
  auto isLate = [](const Side& side) { return side.step == SideStep::claiming || side.step == SideStep::working; };
  auto source = named(plan.source, leg.source, TransferRole::source);
  auto destination = named(plan.destination, leg.destination, TransferRole::destination);
  if (isLate(leg.source) && isLate(leg.destination)) return source + " and " + destination;
  if (isLate(leg.destination)) return destination;
  if (isLate(leg.source) || !leg.copying) return source;
  return "the copy from " + plan.source + " to " + plan.destination;
}

}  // namespace

std::string Stepper::awaited(std::optional<std::size_t> only) const {
  std::string text;
  for (std::size_t index = 0; index < s_.legs.size(); ++index) {
    const auto& leg = s_.legs[index];
    if (leg.good || !leg.isLive() || (only && *only != index)) continue;
    text += (text.empty() ? "" : ", and for ") + awaitedOf(s_.plan.legs[index], leg);
  }
  return text.empty() ? text : ", waiting for " + text;
}

std::string_view stepWord(SideStep step, TransferRole role) {
  bool isSource = role == TransferRole::source;
  switch (step) {
    case SideStep::idle: return "untouched";
    case SideStep::claiming: return "claiming";
    case SideStep::claimed: return isSource ? "tracking" : "prepared";
    case SideStep::working: return isSource ? "freezing" : "committing";
    case SideStep::ready: return isSource ? "frozen" : "committed";
    case SideStep::ending: return isSource ? "releasing" : "finishing";
    case SideStep::ended: return isSource ? "released" : "done";
    case SideStep::aborting: return "aborting";
    case SideStep::aborted: return "aborted";
    case SideStep::left: return "left";
    case SideStep::lost: return "lost";
  }
  return "";
}

std::string_view name(ActionKind kind) {
  static constexpr std::string_view names[] = {"survey",          "claim",   "copy", "freeze", "commit", "release the hold",
                                               "cancel the hold", "release", "done", "abort",  "report"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view name(Mark mark) {
  static constexpr std::string_view names[] = {"", "stop", "blocked", "lastRead", "commit", "release", "resume"};
  return names[static_cast<std::size_t>(mark)];
}

std::string_view name(Stage stage) {
  static constexpr std::string_view names[] = {"begin",    "surveying", "following",  "switching", "releasing",
                                               "awaiting", "finishing", "takingBack", "over"};
  return names[static_cast<std::size_t>(stage)];
}

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::moved: return "moved";
    case Outcome::notMoved: return "not moved";
    case Outcome::unreachable: return "not moved, a device is unreachable";
    case Outcome::incomplete: return "moved with something missing";
  }
  return "";
}

}  // namespace vmmig::migration
