// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/rule_text.h"

#include <algorithm>

namespace vmmig {

namespace {

bool isWordCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' || c == '.' ||
         c == '/';
}

bool isOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

class Mapper {
 public:
  Mapper(std::string_view text, const std::function<std::string(RuleName, std::string_view)>& map) : rest_(text), map_(map) {}

  std::string run() {
    while (!rest_.empty()) step();
    return std::move(result_);
  }

 private:
  /// What the next name is: after a word like iifname an interface, until it has come.
  enum class Awaits { nothing, quoted, word };

  void step() {
    char c = rest_.front();
    if (c == '"') return quoted();
    if (c == '@') return set();
    if (isWordCharacter(c)) return word();
    if (c == '\n' || c == ';') end();
    if (c == '{' && awaits_ == Awaits::quoted) inBraces_ = true;
    if (c == '}') end();
    copy(1);
  }

  void quoted() {
    auto close = rest_.find_first_of("\"\n", 1);
    // A piece of a policy may begin and end anywhere.
    if (close == rest_.npos || rest_[close] == '\n') return copy(1);
    auto name = rest_.substr(1, close - 1);
    bool isPort = awaits_ != Awaits::nothing && !isComment_;
    if (isPort)
      replace(close + 1, '"' + map_(RuleName::port, name) + '"');
    else
      copy(close + 1);
    if (!inBraces_) awaits_ = Awaits::nothing;
    isComment_ = false;
  }

  void set() {
    auto size = wordSize(1);
    auto name = rest_.substr(1, size);
    // A place in the packet: @th,16,16.
    bool isPayload = rest_.substr(1 + size).starts_with(',') && isOneOf(name, {"ll", "nh", "th", "ih"});
    if (isPayload || name.empty())
      copy(1 + size);
    else
      replace(1 + size, '@' + map_(RuleName::set, name));
    if (!inBraces_) awaits_ = Awaits::nothing;
  }

  void word() {
    auto size = wordSize(0);
    auto name = rest_.substr(0, size);
    if (awaits_ == Awaits::word) {
      awaits_ = Awaits::nothing;
      return replace(size, map_(RuleName::port, name));
    }
    isComment_ = isOneOf(name, {"comment", "prefix"});
    if (isOneOf(name, {"iifname", "oifname", "iif", "oif"})) awaits_ = Awaits::quoted;
    if (name == "dev") awaits_ = Awaits::word;
    copy(size);
  }

  std::size_t wordSize(std::size_t from) const {
    auto end = std::find_if_not(rest_.begin() + static_cast<std::ptrdiff_t>(from), rest_.end(), isWordCharacter);
    return static_cast<std::size_t>(end - rest_.begin()) - from;
  }

  void end() {
    awaits_ = Awaits::nothing;
    inBraces_ = isComment_ = false;
  }
  void copy(std::size_t size) { replace(size, std::string{rest_.substr(0, size)}); }
  void replace(std::size_t size, const std::string& by) {
    result_ += by;
    rest_.remove_prefix(size);
  }

  std::string_view rest_;
  const std::function<std::string(RuleName, std::string_view)>& map_;
  std::string result_;
  Awaits awaits_ = Awaits::nothing;
  bool inBraces_ = false;
  bool isComment_ = false;
};

}  // namespace

std::string mapRuleText(std::string_view text, const std::function<std::string(RuleName, std::string_view)>& map) {
  return Mapper{text, map}.run();
}

}  // namespace vmmig
