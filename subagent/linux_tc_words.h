// SPDX-License-Identifier: GPL-2.0-or-later
// The words of tc(8) that a policy can have: what is read from the kernel and what comes from elsewhere is held against them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace vmmig {

struct TcWord {
  std::string_view name;
  std::size_t arguments = 1;
};

/// A kind of qdisc, class, filter or action, and its options in the order in which we write them.
struct TcKind {
  std::string_view object;
  std::string_view name;
  std::span<const TcWord> words;
  std::span<const TcWord> unsaid = {};  // what tc shows, and what says nothing: statistics, what follows from the rest
};

/// Null: not one that can be carried.
const TcKind* findTcKind(std::string_view object, std::string_view name);
const TcWord* findTcWord(std::span<const TcWord> words, std::string_view name);

/// What a filter's action can be without more words: drop, pass...
bool isTcVerdict(std::string_view word);

std::vector<std::string> wordsOf(std::string_view line);
std::vector<std::string> linesOf(std::string_view text);
std::string joined(std::span<const std::string> words);

/// The command of `tc -batch` that a line of a policy stands for, on this port. Error: which word of it is not taken.
Result<std::string> tcCommand(const std::string& line, const std::string& port);

/// A name that can stand as a word of tc.
bool isPortName(std::string_view name);

}  // namespace vmmig
