// SPDX-License-Identifier: GPL-2.0-or-later
// What goes over QEMU's monitor (QMP): commands and their answers, and events.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "common/result.h"
#include "mibs/syntax.h"

namespace vmmig {

struct QmpCommand {
  std::string execute;
  nlohmann::json arguments = nlohmann::json::object();
};

/// What the command returned, or QEMU's description of what is wrong.
using QmpAnswer = Result<nlohmann::json>;

struct QmpEvent {
  std::string name;
  nlohmann::json data = nlohmann::json::object();
  MicrosecondsUtc time = {};  // by the clock of QEMU's host, which is ours
};

/// A member that is a string; empty when it is not there, or of another type. QMP is read as if a stranger had written it.
inline std::string textOf(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return {};
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

}  // namespace vmmig
