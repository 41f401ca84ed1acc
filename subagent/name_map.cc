// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/name_map.h"

#include <algorithm>
#include <charconv>

#include "mibs/vm_table.h"
#include "subagent/rule_text.h"
#include "subagent/transfer_text.h"

namespace vmmig {

namespace {

struct Kind {
  Names names;
  std::string_view label;
  std::size_t longest;  // octets that its columns take
};
constexpr Kind kinds[] = {{Names::port, "port", 255},
                          {Names::zone, "zone", 5},
                          {Names::list, "list", 32},
                          {Names::counter, "counter", 32},
                          {Names::policy, "policy", 64}};

const Kind* kindOf(Names names) {
  auto found = std::find_if(std::begin(kinds), std::end(kinds), [names](const Kind& kind) { return kind.names == names; });
  return found == std::end(kinds) ? nullptr : found;
}

std::optional<std::uint16_t> zoneNumber(std::string_view text) {
  std::uint16_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string toText(const NameRule& rule) {
  const auto* kind = kindOf(rule.names);
  return "map = " + std::string{kind ? kind->label : "?"} + "," + rule.local + "," + rule.common;
}

/// What the rule makes of the name; nothing when it is not about it.
std::optional<std::string> apply(std::string_view from, std::string_view to, std::string_view name) {
  auto star = from.find('*');
  if (star == from.npos) return name == from ? std::optional{std::string{to}} : std::nullopt;
  auto prefix = from.substr(0, star), suffix = from.substr(star + 1);
  if (name.size() < prefix.size() + suffix.size() || !name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  auto text = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  std::string result{to};
  return result.replace(to.find('*'), 1, text);
}

Status checkRule(const NameRule& rule) {
  const auto* kind = kindOf(rule.names);
  if (!kind)
    return failure(toText(rule) + ": no kind of names that can be mapped; they are port, zone, list, counter and policy");
  for (const auto& name : {rule.local, rule.common}) {
    if (name.empty() || name.size() > kind->longest || !detail::isUtf8(name))
      return failure(toText(rule) + ": each name has 1 to " + std::to_string(kind->longest) + " octets of UTF-8");
    auto stars = std::count(name.begin(), name.end(), '*');
    if (stars > (rule.names == Names::port ? 1 : 0))
      return failure(toText(rule) + ": only the names of a port can hold a *, and one each");
    if (rule.names == Names::zone && !zoneNumber(name)) return failure(toText(rule) + ": a zone is a number from 0 to 65535");
  }
  if ((rule.local.find('*') == std::string::npos) != (rule.common.find('*') == std::string::npos))
    return failure(toText(rule) + ": either both names hold a *, or none");
  return {};
}

/// A later rule that the earlier one makes ambiguous, or void.
Status checkPair(const NameRule& earlier, const NameRule& later) {
  if (earlier.names != later.names) return {};
  bool isLocalTaken = earlier.local == later.local || apply(earlier.local, earlier.common, later.local);
  bool isCommonTaken = earlier.common == later.common || apply(earlier.common, earlier.local, later.common);
  if (!isLocalTaken && !isCommonTaken) return {};
  return failure(toText(later) + ": " + (isLocalTaken ? later.local : later.common) + " has another name already by " +
                 toText(earlier) + "; remove one of them, or put the one without a * first");
}

/// The decimal text of a zone as it is in rules, so that 007 is 7.
void normalise(NameRule& rule) {
  if (rule.names != Names::zone) return;
  for (auto* name : {&rule.local, &rule.common})
    if (auto number = zoneNumber(*name)) *name = std::to_string(*number);
}

}  // namespace

Result<NameMap> NameMap::make(std::vector<NameRule> rules) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (auto checked = checkRule(rules[i]); !checked) return failure(checked.error());
    normalise(rules[i]);
    for (std::size_t j = 0; j < i; ++j)
      if (auto checked = checkPair(rules[j], rules[i]); !checked) return failure(checked.error());
  }
  NameMap map;
  map.rules_ = std::move(rules);
  return map;
}

std::string NameMap::toLocal(Names names, std::string_view common) const { return map(Way::toLocal, names, common); }
std::string NameMap::toCommon(Names names, std::string_view local) const { return map(Way::toCommon, names, local); }
Result<AnyRow> NameMap::toLocal(AnyRow row) const { return map(Way::toLocal, std::move(row)); }
Result<AnyRow> NameMap::toCommon(AnyRow row) const { return map(Way::toCommon, std::move(row)); }

Vm NameMap::toLocal(Vm vm) const {
  if (!vm.port.empty()) vm.port = toLocal(Names::port, vm.port);
  return vm;
}

std::string NameMap::map(Way way, Names names, std::string_view name) const {
  if (names == Names::ruleText) return mapText(way, name);
  for (const auto& rule : rules_) {
    if (rule.names != names) continue;
    auto mapped = way == Way::toLocal ? apply(rule.common, rule.local, name) : apply(rule.local, rule.common, name);
    if (mapped) return *mapped;
  }
  return std::string{name};
}

std::string NameMap::mapText(Way way, std::string_view text) const {
  return mapRuleText(text, [this, way](RuleName kind, std::string_view name) {
    if (kind == RuleName::port) return map(way, Names::port, name);
    auto list = map(way, Names::list, name);
    return list == name ? map(way, Names::counter, name) : list;
  });
}

bool NameMap::concerns(Names names) const {
  auto about = [this](Names each) {
    return std::any_of(rules_.begin(), rules_.end(), [each](const NameRule& rule) { return rule.names == each; });
  };
  return names == Names::ruleText ? about(Names::port) || about(Names::list) || about(Names::counter) : about(names);
}

bool NameMap::concerns(const TableInfo& table) const {
  return std::any_of(table.columns.begin(), table.columns.end(),
                     [this](const ColumnInfo& column) { return concerns(column.names); });
}

Result<AnyRow> NameMap::map(Way way, AnyRow row) const {
  for (const auto& column : row.table().columns) {
    if (column.names == Names::none || !concerns(column.names)) continue;
    auto value = row.get(column);
    bool isNumber = column.syntax->base != Syntax::Base::octetString;
    auto before = isNumber ? std::to_string(value.number) : value.octets;
    if (before.empty()) continue;
    auto after = map(way, column.names, before);
    if (after == before) continue;
    if (isNumber)
      value.number = *zoneNumber(after);
    else
      value.octets = after;
    if (row.set(column, value) != SnmpStatus::noError)
      return failure(SnmpStatus::inconsistentValue, std::string{column.name} + " of " + describe(row) +
                                                        " has no room for the names by which the map lines of vmmigd.conf call " +
                                                        "what it names; shorten them");
  }
  return row;
}

}  // namespace vmmig
