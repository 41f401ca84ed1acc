// SPDX-License-Identifier: GPL-2.0-or-later
// What tc(8) shows of a port becomes the text of a policy: the words of tc without the device, a line a qdisc, class or filter,
// always the same for the same state. What such lines cannot say is an error that names it, and never left out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "subagent/linux_tc_words.h"

namespace vmmig {

/// Takes what `tc -details -raw ... show` prints, qdiscs first.
class TcReader {
 public:
  /// The kernel tells bursts in ticks.
  explicit TcReader(double ticksPerMicrosecond) : ticksPerMicrosecond_(ticksPerMicrosecond) {}

  Status readQdiscs(std::string_view shown);
  Status readClasses(std::string_view shown);
  /// Where filters can be: "parent 1:", "parent 1:10", "ingress", "egress".
  std::vector<std::string> filterPlaces() const;
  Status readFilters(const std::string& place, std::string_view shown);

  /// In an order in which they can be made: parents first.
  std::vector<std::string> lines() const;

 private:
  struct Entry {
    std::string object;  // "qdisc", "class"
    std::string kind;
    std::string parent;   // "root", "1:10"; of a class also "1:"; empty for ingress and clsact
    std::string id;       // "1:", "1:10"
    std::string options;  // with a blank in front
    std::string line() const;
  };
  using Words = std::span<const std::string>;

  Status readQdisc(Words words);
  Status readClass(Words words);
  Status readFilter(const std::string& place, Words words);
  Result<std::string> options(const TcKind& kind, Words words) const;
  Result<std::string> u32Options(Words words) const;
  Result<std::string> actions(Words words) const;
  Result<std::string> action(Words words) const;
  void addLines(const std::string& parent, std::vector<std::string>& lines) const;
  bool isExplicit(const std::string& classId) const;

  double ticksPerMicrosecond_;
  std::vector<Entry> entries_;
  std::vector<std::string> filters_;
  std::map<std::string, std::string> u32Places_;  // by major number and pref
};

/// The size in octets that tc 6.1 turns into this many ticks at this rate. It rounds twice (to microseconds, then to ticks), so
/// that the size that it shows becomes smaller each time it is written again.
std::uint64_t tcSizeOf(std::uint64_t ticks, double octetsPerSecond, double ticksPerMicrosecond);
/// The same for tbf, to which tc gives the size itself, so that the kernel rounds once.
std::uint64_t tcExactSizeOf(std::uint64_t ticks, double octetsPerSecond, double ticksPerMicrosecond);
/// "33333Kbit" in octets a second.
std::optional<double> tcRateOf(const std::string& text);

}  // namespace vmmig
