// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_tc_words.h"

#include <net/if.h>

#include <algorithm>
#include <array>

namespace vmmig {

namespace {

constexpr TcWord htbWords[] = {{"r2q"}, {"default"}, {"direct_qlen"}};
constexpr TcWord htbUnsaid[] = {{"direct_packets_stat"}, {"ver"}};
constexpr TcWord htbClassWords[] = {{"prio"},   {"quantum"},  {"rate"}, {"burst"},    {"ceil"},
                                    {"cburst"}, {"overhead"}, {"mpu"},  {"linklayer"}};
constexpr TcWord htbClassUnsaid[] = {{"level"}, {"leaf"}};
constexpr TcWord tbfWords[] = {{"rate"},    {"burst"},    {"peakrate"}, {"minburst"}, {"limit"},
                               {"latency"}, {"overhead"}, {"mpu"},      {"linklayer"}};
constexpr TcWord tbfUnsaid[] = {{"lat"}};
constexpr TcWord fqCodelWords[] = {{"limit"},    {"flows"},        {"quantum"},    {"target"}, {"ce_threshold"},
                                   {"interval"}, {"memory_limit"}, {"drop_batch"}, {"ecn", 0}, {"noecn", 0}};
constexpr TcWord sfqWords[] = {{"limit"}, {"quantum"}, {"depth"}, {"headdrop", 0}, {"flows"}, {"divisor"}, {"perturb"}};
constexpr TcWord prioWords[] = {{"bands"}, {"priomap", 16}};
constexpr TcWord fifoWords[] = {{"limit"}};
constexpr TcWord u32Words[] = {{"flowid"}, {"classid"}, {"skip_hw", 0}, {"skip_sw", 0}};
constexpr TcWord filterUnsaid[] = {{"handle"}, {"in_hw", 0}, {"not_in_hw", 0}, {"in_hw_count"}, {"eth_type"}};
constexpr TcWord flowerWords[] = {{"vlan_id"},  {"vlan_prio"},  {"vlan_ethtype"}, {"dst_mac"}, {"src_mac"},
                                  {"ip_proto"}, {"ip_tos"},     {"ip_ttl"},       {"dst_ip"},  {"src_ip"},
                                  {"dst_port"}, {"src_port"},   {"tcp_flags"},    {"arp_sip"}, {"arp_tip"},
                                  {"arp_op"},   {"skip_hw", 0}, {"skip_sw", 0},   {"classid"}, {"flowid"}};
constexpr TcWord matchallWords[] = {{"skip_hw", 0}, {"skip_sw", 0}, {"flowid"}, {"classid"}};
constexpr TcWord policeWords[] = {{"rate"},     {"burst"}, {"mtu"},       {"peakrate"},      {"avrate"},
                                  {"overhead"}, {"mpu"},   {"linklayer"}, {"conform-exceed"}};
constexpr TcWord actionUnsaid[] = {{"index"},        {"ref"},         {"bind"},     {"in_hw", 0},
                                   {"not_in_hw", 0}, {"in_hw_count"}, {"hw_stats"}, {"used_hw_stats"}};

constexpr TcKind kinds[] = {
    {"qdisc", "htb", htbWords, htbUnsaid},
    {"qdisc", "tbf", tbfWords, tbfUnsaid},
    {"qdisc", "fq_codel", fqCodelWords},
    {"qdisc", "sfq", sfqWords},
    {"qdisc", "prio", prioWords},
    {"qdisc", "pfifo", fifoWords},
    {"qdisc", "bfifo", fifoWords},
    {"qdisc", "pfifo_fast", {}, prioWords},
    {"class", "htb", htbClassWords, htbClassUnsaid},
    {"filter", "u32", u32Words, filterUnsaid},
    {"filter", "flower", flowerWords, filterUnsaid},
    {"filter", "matchall", matchallWords, filterUnsaid},
    {"action", "police", policeWords, actionUnsaid},
    {"action", "gact", {}, actionUnsaid},
};

constexpr std::string_view verdicts[] = {"drop", "pass", "ok", "pipe", "continue", "reclassify"};

using Words = std::span<const std::string>;

template <class List>
bool contains(const List& list, std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool isHex(std::string_view text) {
  return !text.empty() && text.size() <= 4 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// "1:" or "1:10".
bool isId(std::string_view word, bool needsMinor) {
  auto colon = word.find(':');
  if (colon == word.npos || !isHex(word.substr(0, colon))) return false;
  auto minor = word.substr(colon + 1);
  return minor.empty() ? !needsMinor : isHex(minor);
}

bool isHandle(std::string_view word) { return isId(word, false) && word.back() == ':'; }

tl::unexpected<Error> refused(std::string_view word, std::string_view of) {
  return failure(SnmpStatus::inconsistentValue, "`" + std::string{word} + "` cannot stand in a " + std::string{of});
}

/// How many words a u32 `match` takes; 0: it is not one.
std::size_t matchSize(Words words) {
  constexpr std::string_view addresses[] = {"src", "dst"};
  constexpr std::string_view numbers[] = {"sport",    "dport",     "protocol",  "tos",      "dsfield",
                                          "priority", "icmp_type", "icmp_code", "flowlabel"};
  if (words.size() < 2) return 0;
  if (words[1] == "u32" || words[1] == "u16" || words[1] == "u8") return words.size() >= 6 && words[4] == "at" ? 6 : 0;
  if ((words[1] != "ip" && words[1] != "ip6") || words.size() < 4) return 0;
  if (contains(addresses, words[2])) return 4;
  return words.size() >= 5 && contains(numbers, words[2]) ? 5 : 0;
}

bool isConformExceed(std::string_view word) {
  auto slash = word.find('/');
  return isTcVerdict(word.substr(0, slash)) && (slash == word.npos || isTcVerdict(word.substr(slash + 1)));
}

/// "action drop" or "action police ...": how many words; 0: it is none.
std::size_t actionSize(Words words) {
  if (words.size() < 2) return 0;
  if (isTcVerdict(words[1])) return 2;
  if (words[1] != "police") return 0;
  std::size_t at = 2;
  while (at + 1 < words.size() && findTcWord(policeWords, words[at])) {
    if (words[at] == "conform-exceed" && !isConformExceed(words[at + 1])) return 0;
    at += 2;
  }
  return at;
}

Status checkOptions(const TcKind& kind, Words words) {
  std::string what = std::string{kind.object} + " " + std::string{kind.name};
  while (!words.empty()) {
    std::size_t size = 0;
    if (const auto* word = findTcWord(kind.words, words[0]))
      size = 1 + word->arguments;
    else if (kind.name == "u32" && words[0] == "match")
      size = matchSize(words);
    else if (kind.object == "filter" && words[0] == "action")
      size = actionSize(words);
    if (size == 0 || size > words.size()) return refused(joined(words.first(std::min<std::size_t>(4, words.size()))), what);
    words = words.subspan(size);
  }
  return {};
}

/// The words between the object and its kind, which say where it is: how many; 0: they are none of those.
std::size_t placeSize(Words words) {
  if (words[0] == "qdisc") {
    if (words.size() >= 4 && words[1] == "root" && words[2] == "handle" && isHandle(words[3])) return 3;
    return words.size() >= 5 && words[1] == "parent" && isId(words[2], true) && words[3] == "handle" && isHandle(words[4]) ? 4
                                                                                                                           : 0;
  }
  if (words[0] == "class")
    return words.size() >= 5 && words[1] == "parent" && isId(words[2], false) && words[3] == "classid" && isId(words[4], true)
               ? 4
               : 0;
  if (words.size() < 2) return 0;
  std::size_t at = words[1] == "ingress" || words[1] == "egress" ? 2 : 3;
  if (at == 3 && (words.size() < 3 || words[1] != "parent" || !isId(words[2], false))) return 0;
  return words.size() >= at + 4 && words[at] == "protocol" && words[at + 2] == "pref" ? at + 3 : 0;
}

Status checkWords(Words words) {
  constexpr std::string_view characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/+-";
  for (const auto& word : words)
    if (word.size() > 64 || word.find_first_not_of(characters) != word.npos) return refused(word, "policy");
  return {};
}

}  // namespace

const TcKind* findTcKind(std::string_view object, std::string_view name) {
  for (const auto& kind : kinds)
    if (kind.object == object && kind.name == name) return &kind;
  return nullptr;
}

const TcWord* findTcWord(std::span<const TcWord> words, std::string_view name) {
  for (const auto& word : words)
    if (word.name == name) return &word;
  return nullptr;
}

bool isTcVerdict(std::string_view word) { return contains(verdicts, word); }

std::vector<std::string> wordsOf(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t at = 0; (at = line.find_first_not_of(" \t\n", at)) != line.npos;) {
    auto end = std::min(line.find_first_of(" \t\n", at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

std::vector<std::string> linesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string joined(std::span<const std::string> words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

Result<std::string> tcCommand(const std::string& line, const std::string& port) {
  auto words = wordsOf(line);
  if (auto checked = checkWords(words); !checked) return failure(checked.error());
  constexpr std::string_view objects[] = {"qdisc", "class", "filter"};
  if (words.empty() || !contains(objects, words[0])) return refused(line, "policy: a line is a qdisc, a class or a filter");
  auto command = words[0] + " add dev " + port + " " + joined(Words{words}.subspan(1));
  if (words.size() == 2 && words[0] == "qdisc" && (words[1] == "ingress" || words[1] == "clsact")) return command;
  auto at = placeSize(words);
  if (at == 0) return refused(line, "policy: it does not say where as tc does (qdisc root handle 1: ...)");
  ++at;
  if (at >= words.size()) return refused(line, "policy: its kind is missing");
  const auto* kind = findTcKind(words[0], words[at]);
  if (!kind) return failure(SnmpStatus::inconsistentValue, words[0] + " " + words[at] + " cannot be carried");
  if (auto checked = checkOptions(*kind, Words{words}.subspan(at + 1)); !checked) return failure(checked.error());
  return command;
}

bool isPortName(std::string_view name) {
  auto isPlain = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '_' || c == '-' || c == '@' || c == ':'; };
  return !name.empty() && name.size() < IFNAMSIZ && name[0] != '-' && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), isPlain);
}

}  // namespace vmmig
