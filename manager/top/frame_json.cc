// SPDX-License-Identifier: GPL-2.0-or-later
#include <nlohmann/json.hpp>

#include "manager/report.h"
#include "manager/top/model.h"
#include "mibs/row_json.h"

namespace vmmig::top {

using nlohmann::json;

namespace {

json jsonOf(const Snapshot& snapshot, const Agent& agent) {
  auto milliseconds = [](Clock::duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  };
  json object{{"name", agent.name}, {"role", agent.isHost ? "host" : "device"}, {"state", stateOf(agent)}};
  if (!agent.error.empty()) object["error"] = agent.error;
  if (agent.answeredAt == Clock::time_point{}) return object;
  object["ageMs"] = milliseconds(snapshot.now - agent.answeredAt);
  object["answerMs"] = milliseconds(agent.answerTime);
  if (agent.reach != Reach::noAgent) object["device"] = toJson(AnyRow{agent.scalars});
  return object;
}

}  // namespace

json jsonOf(const Snapshot& snapshot, const Inventory& inventory) {
  json agents = json::array(), transfers = json::array(), phases = json::array();
  for (const auto& agent : snapshot.agents) agents.push_back(jsonOf(snapshot, agent));
  for (const auto& each : transfersOf(snapshot, inventory)) {
    auto object = toJson(AnyRow{*each.row});
    object["device"] = each.agent->name;
    object["vmName"] = each.vm;
    if (each.expected) object["rowsAtSource"] = *each.expected;
    if (each.left) object["secondsLeft"] = *each.left;
    transfers.push_back(std::move(object));
  }
  for (const auto& each : phasesOf(snapshot, inventory)) {
    auto object = toJson(AnyRow{*each.row});
    object["host"] = each.agent->name;
    object["vmName"] = each.vm;
    if (each.leftMilliseconds) object["holdMillisecondsLeft"] = *each.leftMilliseconds;
    phases.push_back(std::move(object));
  }
  return {{"utc", utcText(snapshot.utcMicroseconds)},
          {"agents", std::move(agents)},
          {"transfers", std::move(transfers)},
          {"phases", std::move(phases)}};
}

}  // namespace vmmig::top
