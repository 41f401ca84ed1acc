// SPDX-License-Identifier: GPL-2.0-or-later
// Between an enumeration's values and their SMI labels, for logs, JSON and command lines.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mibs/syntax.h"

namespace vmmig {

/// "frozen"; a number that has no label as such.
inline std::string labelOf(std::span<const Label> labels, std::int64_t number) {
  for (const auto& label : labels)
    if (label.number == number) return std::string{label.name};
  return std::to_string(number);
}

template <class E>
requires std::is_enum_v<E> std::string labelOf(E value) { return labelOf(Labels<E>::labels, static_cast<std::int32_t>(value)); }

/// The value with this label, or none.
template <class E>
std::optional<E> fromLabel(std::string_view text) {
  for (const auto& label : Labels<E>::labels)
    if (label.name == text) return static_cast<E>(label.number);
  return std::nullopt;
}

}  // namespace vmmig
