// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_tc_text.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <tuple>

namespace vmmig {

namespace {

using Words = std::span<const std::string>;

tl::unexpected<Error> notCarried(const std::string& what) { return failure(what + " cannot be carried"); }

/// "1:[00010000]", which -raw shows, is "1:".
std::string idOf(const std::string& word) { return word.substr(0, word.find('[')); }
std::string majorOf(const std::string& id) { return id.substr(0, id.find(':') + 1); }

std::pair<long, long> numbersOf(const std::string& id) {
  auto colon = id.find(':');
  if (colon == id.npos) return {-1, -1};
  return {std::strtol(id.c_str(), nullptr, 16), std::strtol(id.c_str() + colon + 1, nullptr, 16)};
}

bool isRaw(const std::string& word) { return word.size() > 2 && word.front() == '[' && word.back() == ']'; }

/// tc shows units (10240p, 10sec) and cells (15Kb/1) that it does not read again.
std::string withoutUnit(std::string word, bool isBurst) {
  if (isBurst) return word.substr(0, word.find('/'));
  auto digits = word.find_first_not_of("0123456789");
  if (digits == 0 || digits == word.npos) return word;
  auto unit = word.substr(digits);
  return unit == "p" || unit == "sec" ? word.substr(0, digits) : word;
}

bool isDefault(const std::string& name, const std::string& value) {
  if (name == "linklayer") return value == "ethernet";
  return (name == "mpu" || name == "overhead") && (value == "0b" || value == "0");
}

/// Words as tc shows them, taken apart.
struct Shown {
  std::map<std::string, std::string, std::less<>> values;
  std::vector<std::uint64_t> ticks;
};

Result<Shown> takeApart(const TcKind& kind, Words words) {
  Shown shown;
  std::string what = " of " + std::string{kind.object} + " " + std::string{kind.name};
  while (!words.empty()) {
    auto name = words[0] == "mtu" && kind.name == "tbf" ? std::string{"minburst"} : words[0];
    if (name == "buffer" || name == "cbuffer" || name == "linklayer,") {
      words = words.subspan(1);
    } else if (isRaw(name)) {
      shown.ticks.push_back(std::strtoul(name.c_str() + 1, nullptr, 16));
      words = words.subspan(1);
    } else if (const auto* word = findTcWord(kind.words, name); word && words.size() > word->arguments) {
      std::vector<std::string> arguments(words.begin() + 1, words.begin() + 1 + static_cast<long>(word->arguments));
      for (auto& argument : arguments) argument = withoutUnit(argument, name.ends_with("burst"));
      auto [at, isNew] = shown.values.emplace(name, joined(arguments));
      if (!isNew && at->second != joined(arguments)) return notCarried("the second " + name + what);
      words = words.subspan(1 + word->arguments);
    } else if (const auto* unsaid = findTcWord(kind.unsaid, name); unsaid && words.size() > unsaid->arguments) {
      words = words.subspan(1 + unsaid->arguments);
    } else {
      return notCarried("`" + name + "`" + what);
    }
  }
  return shown;
}

/// Bursts are what the ticks say, at the rate that they belong to.
Status setBursts(const TcKind& kind, Shown& shown, double ticksPerMicrosecond) {
  constexpr std::pair<const char*, const char*> bursts[] = {{"burst", "rate"}, {"cburst", "ceil"}, {"minburst", "peakrate"}};
  std::size_t number = 0;
  for (const auto& [burst, rateWord] : bursts) {
    if (!shown.values.contains(burst)) continue;
    auto rate = shown.values.contains(rateWord) ? tcRateOf(shown.values[rateWord]) : std::nullopt;
    if (!rate || number >= shown.ticks.size()) return notCarried(std::string{"`"} + burst + "`, as tc shows it,");
    auto ticks = shown.ticks[number++];
    auto size =
        kind.name == "tbf" ? tcExactSizeOf(ticks, *rate, ticksPerMicrosecond) : tcSizeOf(ticks, *rate, ticksPerMicrosecond);
    if (size == 0)
      shown.values.erase(burst);  // less than one tick: tc's own default
    else
      shown.values[burst] = std::to_string(size);
  }
  return {};
}

std::string written(const TcKind& kind, const Shown& shown) {
  std::string text;
  for (const auto& word : kind.words) {
    auto found = shown.values.find(word.name);
    if (found == shown.values.end() || isDefault(found->first, found->second)) continue;
    text += " " + found->first + (word.arguments > 0 ? " " + found->second : "");
  }
  return text;
}

bool isActionStart(Words words) { return words.size() >= 3 && words[0] == "action" && words[1] == "order"; }

std::size_t actionStart(Words words) {
  std::size_t at = 0;
  while (at < words.size() && !isActionStart(words.subspan(at)) && words[at] != "police") ++at;
  return at;
}

}  // namespace

std::uint64_t tcSizeOf(std::uint64_t ticks, double octetsPerSecond, double ticksPerMicrosecond) {
  auto microseconds = std::ceil(static_cast<double>(ticks) / ticksPerMicrosecond - 1e-9);
  return static_cast<std::uint64_t>(std::ceil(microseconds * octetsPerSecond / 1e6 - 1e-9));
}

std::uint64_t tcExactSizeOf(std::uint64_t ticks, double octetsPerSecond, double ticksPerMicrosecond) {
  auto octetsPerTick = octetsPerSecond / 1e6 / ticksPerMicrosecond;
  // In the middle of the sizes that are this many ticks, where there are several.
  if (octetsPerTick > 1.5) return static_cast<std::uint64_t>(std::ceil((static_cast<double>(ticks) + 0.3) * octetsPerTick));
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(ticks) * octetsPerTick - 1e-6));
}

std::optional<double> tcRateOf(const std::string& text) {
  constexpr std::pair<const char*, double> units[] = {{"bit", 1}, {"Kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}, {"Tbit", 1e12}};
  char* end = nullptr;
  double number = std::strtod(text.c_str(), &end);
  for (const auto& [unit, factor] : units)
    if (end != text.c_str() && std::string{end} == unit) return number * factor / 8;
  return std::nullopt;
}

std::string TcReader::Entry::line() const {
  if (parent.empty()) return "qdisc " + kind;
  if (object == "class") return "class parent " + parent + " classid " + id + " " + kind + options;
  return "qdisc " + (parent == "root" ? parent : "parent " + parent) + " handle " + id + " " + kind + options;
}

Result<std::string> TcReader::options(const TcKind& kind, Words words) const {
  auto shown = takeApart(kind, words);
  if (!shown) return failure(shown.error());
  if (auto set = setBursts(kind, *shown, ticksPerMicrosecond_); !set) return failure(set.error());
  return written(kind, *shown);
}

Status TcReader::readQdiscs(std::string_view shown) {
  for (const auto& line : linesOf(shown))
    if (auto read = readQdisc(wordsOf(line)); !read) return read;
  return {};
}

/// qdisc htb 1:[00010000] root refcnt 3 r2q 10 ...
Status TcReader::readQdisc(Words words) {
  if (words.size() < 4 || words[0] != "qdisc") return notCarried("`" + joined(words) + "`");
  const auto& name = words[1];
  auto id = idOf(words[2]);
  if (id == "0:") return {};  // the kernel's own choice
  if (name == "ingress" || name == "clsact") {
    bool isPlain = words.size() <= 6 && (words.size() < 6 || words[5].starts_with("----"));
    if (!isPlain) return notCarried("`" + words[5] + "` of qdisc " + name);
    entries_.push_back({"qdisc", name, "", id, ""});
    return {};
  }
  const auto* kind = findTcKind("qdisc", name);
  if (!kind) return notCarried("qdisc " + name);
  bool isRoot = words[3] == "root";
  if (!isRoot && (words[3] != "parent" || words.size() < 5)) return notCarried("`" + words[3] + "` of qdisc " + name);
  auto rest = words.subspan(isRoot ? 4 : 5);
  if (rest.size() >= 2 && rest[0] == "refcnt") rest = rest.subspan(2);
  auto text = options(*kind, rest);
  if (!text) return failure(text.error());
  entries_.push_back({"qdisc", name, isRoot ? "root" : words[4], id, *text});
  return {};
}

Status TcReader::readClasses(std::string_view shown) {
  for (const auto& line : linesOf(shown))
    if (auto read = readClass(wordsOf(line)); !read) return read;
  return {};
}

/// class htb 1:10 parent 1:1 leaf 10: prio 3 ...; those of other qdiscs come with the qdisc.
Status TcReader::readClass(Words words) {
  if (words.size() < 4 || words[0] != "class") return notCarried("`" + joined(words) + "`");
  const auto* kind = findTcKind("class", words[1]);
  if (!kind) return findTcKind("qdisc", words[1]) || words[1] == "mq" ? Status{} : notCarried("class " + words[1]);
  bool isRoot = words[3] == "root";
  if (!isRoot && words.size() < 5) return notCarried("`" + joined(words) + "`");
  auto text = options(*kind, words.subspan(isRoot ? 4 : 5));
  if (!text) return failure(text.error());
  entries_.push_back({"class", words[1], isRoot ? majorOf(words[2]) : words[4], words[2], *text});
  return {};
}

std::vector<std::string> TcReader::filterPlaces() const {
  auto sorted = entries_;
  std::sort(sorted.begin(), sorted.end(), [](const Entry& a, const Entry& b) { return numbersOf(a.id) < numbersOf(b.id); });
  std::vector<std::string> places;
  for (const auto& entry : sorted) {
    if (entry.kind == "htb" || entry.kind == "prio") places.push_back("parent " + entry.id);
    if (entry.kind == "ingress" || entry.kind == "clsact") places.emplace_back("ingress");
    if (entry.kind == "clsact") places.emplace_back("egress");
  }
  return places;
}

Status TcReader::readFilters(const std::string& place, std::string_view shown) {
  std::vector<std::vector<std::string>> filters;
  for (const auto& line : linesOf(shown)) {
    auto words = wordsOf(line);
    if (line.starts_with("filter ")) filters.emplace_back();
    if (filters.empty()) return notCarried("`" + line + "`");
    filters.back().insert(filters.back().end(), words.begin(), words.end());
  }
  for (const auto& words : filters)
    if (auto read = readFilter(place, words); !read) return read;
  return {};
}

/// filter parent 1: protocol ip pref 2 u32 chain 0 fh 800::800 ...; a first line without more is the head of those that follow.
Status TcReader::readFilter(const std::string& place, Words words) {
  auto at = std::find(words.begin(), words.end(), "protocol") - words.begin();
  auto rest = words.subspan(static_cast<std::size_t>(at));
  if (rest.size() < 7 || rest[2] != "pref" || rest[5] != "chain") return notCarried("`" + joined(words) + "`");
  auto what = "filter " + rest[4] + " pref " + rest[3];
  const auto* kind = findTcKind("filter", rest[4]);
  if (!kind) return notCarried(what);
  if (rest[6] != "0") return notCarried("chain " + rest[6] + " of " + what);
  auto more = rest.subspan(7);
  if (more.empty() || (more.size() == 5 && more[2] == "ht" && more[4] == "1")) return {};
  auto end = actionStart(more);
  auto text = rest[4] == "u32" ? u32Options(more.first(end)) : options(*kind, more.first(end));
  auto tail = text ? actions(more.subspan(end)) : text;
  if (!tail) return failure(tail.error().text + " (" + what + ")");
  if (rest[4] == "u32") {
    // The kernel lists u32 filters of one qdisc and pref together, wherever they are.
    auto qdisc = place.starts_with("parent") ? majorOf(place.substr(7)) : std::string{"ingress"};
    auto [first, isNew] = u32Places_.emplace(qdisc + rest[3], place);
    if (!isNew && first->second != place)
      return failure(what + " of " + place + " cannot be told from that of " + first->second + ": give it another pref");
  }
  filters_.push_back("filter " + place + " protocol " + rest[1] + " pref " + rest[3] + " " + rest[4] + *text + *tail);
  return {};
}

/// fh 800::800[80000800] order 2048 key ht 800 bkt 0 *flowid 1:20 not_in_hw match 0a010005/ffffffff at 16
Result<std::string> TcReader::u32Options(Words words) const {
  if (words.size() < 9 || words[2] != "order" || words[4] != "key" || words[5] != "ht" || words[7] != "bkt")
    return notCarried("a hash table of u32");
  if (!words[1].starts_with(words[6] + "::") || words[8] != "0") return notCarried("a hash table of u32");
  std::string matches, rest;
  for (words = words.subspan(9); !words.empty();) {
    if (words.size() >= 2 && words[0] == "*flowid") {
      rest += " flowid " + words[1];
      words = words.subspan(2);
    } else if (words.size() >= 4 && words[0] == "match" && words[1].size() == 17 && words[2] == "at") {
      matches += " match u32 0x" + words[1].substr(0, 8) + " 0x" + words[1].substr(9) + " at " + words[3];
      words = words.subspan(4);
    } else if (words[0] == "terminal" || words[0] == "flowid" || words[0] == "???" || words[0] == "not_in_hw" ||
               words[0] == "in_hw") {
      words = words.subspan(1);  // an action ends it
    } else if (words[0] == "skip_hw" || words[0] == "skip_sw") {
      rest += " " + words[0];
      words = words.subspan(1);
    } else {
      return notCarried("`" + words[0] + "` of u32");
    }
  }
  return matches + rest;
}

Result<std::string> TcReader::actions(Words words) const {
  std::string text;
  while (!words.empty()) {
    auto begin = isActionStart(words) ? words.subspan(3) : words;
    std::size_t size = 0;
    while (size < begin.size() && !isActionStart(begin.subspan(size))) ++size;
    auto one = action(begin.first(size));
    if (!one) return one;
    text += " action " + *one;
    words = begin.subspan(size);
  }
  return text;
}

/// gact action drop random type none pass val 0 index 1 ref 1 bind 1
/// police 0x1 rate 1Mbit burst 10Kb mtu 2Kb [00013880] action drop overhead 0b linklayer ethernet ref 1 bind 1
Result<std::string> TcReader::action(Words words) const {
  const auto* kind = words.empty() ? nullptr : findTcKind("action", words[0]);
  if (!kind || words.size() < 3) return notCarried(words.empty() ? "an action" : "action " + words[0]);
  std::vector<std::string> rest(words.begin() + (words[0] == "police" ? 2 : 1), words.end());
  auto verdict = std::find(rest.begin(), rest.end(), "action");
  if (verdict == rest.end() || verdict + 1 == rest.end()) return notCarried("action " + words[0]);
  auto control = verdict[1];
  rest.erase(verdict, verdict + 2);
  if (words[0] == "gact") {
    if (!isTcVerdict(control)) return notCarried("action " + control);
    const std::vector<std::string> never = {"random", "type", "none"};
    if (rest.size() >= 6 && std::equal(never.begin(), never.end(), rest.begin())) rest.erase(rest.begin(), rest.begin() + 6);
    auto text = options(*kind, rest);
    return text ? Result<std::string>{control} : text;
  }
  auto text = options(*kind, rest);
  if (!text) return text;
  return "police" + *text + " conform-exceed " + control;
}

bool TcReader::isExplicit(const std::string& classId) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.id == classId; });
}

void TcReader::addLines(const std::string& parent, std::vector<std::string>& lines) const {
  std::vector<const Entry*> children;
  for (const auto& entry : entries_) {
    bool isChild = entry.parent == parent ||
                   (entry.parent != "root" && !isExplicit(entry.parent) && majorOf(entry.parent) == parent && entry.id != parent);
    if (isChild) children.push_back(&entry);
  }
  std::sort(children.begin(), children.end(), [](const Entry* a, const Entry* b) {
    return std::tuple{a->object, numbersOf(a->id)} < std::tuple{b->object, numbersOf(b->id)};
  });
  for (const auto* child : children) {
    lines.push_back(child->line());
    if (lines.size() <= entries_.size() && child->id != parent) addLines(child->id, lines);
  }
}

std::vector<std::string> TcReader::lines() const {
  std::vector<std::string> lines;
  addLines("root", lines);
  for (const auto& entry : entries_)
    if (entry.parent.empty()) lines.push_back(entry.line());
  lines.insert(lines.end(), filters_.begin(), filters_.end());
  return lines;
}

}  // namespace vmmig
