// SPDX-License-Identifier: GPL-2.0-or-later
// What rows and logs of transfers and phases are written with: labels, times and texts that fit.
#pragma once

#include <string>

#include "mibs/syntax.h"

namespace vmmig {

/// The SMI label: "frozen".
template <class E>
std::string labelOf(E value) {
  for (const auto& label : Labels<E>::labels)
    if (label.number == static_cast<std::int32_t>(value)) return std::string{label.name};
  return std::to_string(static_cast<std::int32_t>(value));
}

/// Now, by the system's clock.
MicrosecondsUtc nowUtc();

/// At most 255 octets of it, cut between characters.
Text<255> shortened(std::string text);

}  // namespace vmmig
