// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_nft_referrers.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "subagent/linux_nft_elements.h"

namespace vmmig {

namespace {

using Step = NftTransaction::Step;

constexpr std::string_view handleMark = " # handle ";

struct Rule {
  std::string chain, text, handle;
};

/// A line of a listing with handles, without its indentation: the text and the handle; nothing when it has none.
std::optional<Rule> ruleFrom(const std::string& chain, std::string_view line) {
  auto at = line.rfind(handleMark);
  if (at == line.npos) return std::nullopt;
  return Rule{chain, std::string{line.substr(0, at)}, std::string{line.substr(at + handleMark.size())}};
}

/// What nft takes for a comment would be lost: expressions that it can show, but not read (xt_...).
bool isWhole(std::string_view text) {
  bool isQuoted = false;
  for (char c : text) {
    if (c == '"') isQuoted = !isQuoted;
    if (c == '#' && !isQuoted) return false;
  }
  return true;
}

/// Of a table: "\tchain NAME { # handle 1", "\t\tRULE # handle 2", "\t}".
std::vector<Rule> rulesOf(const std::string& listing, const std::string& reference) {
  constexpr std::string_view chainMark = "\tchain ", ruleMark = "\t\t";
  std::vector<Rule> rules;
  std::string chain;
  std::istringstream lines{listing};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(chainMark)) chain = line.substr(chainMark.size(), line.find(' ', chainMark.size()) - chainMark.size());
    if (line == "\t}") chain.clear();
    if (chain.empty() || !line.starts_with(ruleMark) || line.find(reference) == line.npos) continue;
    if (auto rule = ruleFrom(chain, std::string_view{line}.substr(ruleMark.size()))) rules.push_back(*rule);
  }
  return rules;
}

Status addRules(Nft& nft, NftTransaction& transaction, const std::string& table, const std::string& reference) {
  Nft::Listing options;
  options.hasElements = false;
  options.hasHandles = true;
  auto listing = nft.listText("list table " + table, options);
  if (!listing) return failure(listing.error());
  for (const auto& rule : rulesOf(*listing, reference)) {
    if (!isWhole(rule.text))
      return failure(SnmpStatus::commitFailed, "the rule with handle " + rule.handle + " in chain " + table + " " + rule.chain +
                                                   " refers to it, and nft cannot write that rule again: " + rule.text);
    auto place = " rule " + table + " " + rule.chain + " handle " + rule.handle;
    // The place of a rule that the same transaction has deleted is still known.
    transaction.addPair(Step::dropReferrers, "delete" + place, Step::addReferrers, "add" + place + " " + rule.text);
  }
  return {};
}

Status addElements(Nft& nft, NftTransaction& transaction, const std::string& table, const std::string& kind,
                   const std::string& name) {
  Nft::Listing options;
  options.hasNumbers = true;
  auto objects = nft.list("list table " + table, options);
  if (!objects) return failure(objects.error());
  for (const auto& object : *objects) {
    auto listing = setFrom(object);
    if (!listing) return failure(listing.error());
    if (!*listing || (*listing)->set.values != NftTypes{kind}) continue;
    for (const auto& element : (*listing)->elements) {
      if (element.data != name) continue;
      auto drop = deleteElement((*listing)->set, element.match);
      auto add = createElement((*listing)->set, element);
      if (!drop || !add) return failure((drop ? add : drop).error());
      transaction.addPair(Step::dropReferrers, *drop, Step::addReferrers, *add);
    }
  }
  return {};
}

}  // namespace

Status letReferrersStepAside(Nft& nft, NftTransaction& transaction, const std::string& kind, const NftName& object) {
  auto table = object.family + " " + object.table;
  if (auto status = addRules(nft, transaction, table, kind + " name \"" + object.name + "\""); !status) return status;
  return addElements(nft, transaction, table, kind, object.name);
}

}  // namespace vmmig
