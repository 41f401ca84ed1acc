// SPDX-License-Identifier: GPL-2.0-or-later
// A network namespace of its own for each test of a table that stands in nftables, and what its ruleset says.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <regex>

#include "subagent/linux_nft.h"
#include "tests/unit/network_namespace.h"

namespace vmmig {

inline std::string nftOutput(const std::string& arguments) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen(("nft " + arguments + " 2>&1").c_str(), "r"), pclose};
  std::string output;
  std::array<char, 4096> buffer;
  while (auto size = fread(buffer.data(), 1, buffer.size(), pipe.get())) output.append(buffer.data(), size);
  return output;
}

class LinuxTableLab : public testing::Test {
 protected:
  /// Commands or a whole ruleset, as for `nft -f`. By nft(8), so that what is tested does not set its own stage.
  void load(const std::string& ruleset) const { namespace_.run("nft -f - <<'END'\n" + ruleset + "\nEND\n"); }

  /// The whole ruleset, byte for byte as `nft list ruleset` prints it.
  std::string ruleset() const { return nftOutput("list ruleset"); }
  /// "set inet filter s": what `nft list` prints of it.
  std::string listed(const std::string& object) const { return nftOutput("list " + object); }
  /// Without what a clock changes by itself.
  static std::string withoutClock(const std::string& text) {
    static const std::regex expires{" expires [0-9a-z]+"};
    return std::regex_replace(text, expires, "");
  }
  std::string rulesetWithoutClock() const { return withoutClock(ruleset()); }

  static std::vector<AnyRow> readAll(TableBackEnd& table, const Vm& vm) {
    std::vector<AnyRow> rows;
    auto cursor = table.read(vm);
    for (;;) {
      auto before = rows.size();
      auto more = cursor->next(rows);
      if (!more) ADD_FAILURE() << more.error().text;
      if (!more || !*more) return rows;
      EXPECT_GT(rows.size(), before) << "next() says that there is more, and appends nothing";
      if (rows.size() == before) return rows;
    }
  }

  static InetAddress address(std::string_view text) { return parseInetAddress(text).value(); }
  static Vm makeVm(std::uint8_t number) {
    auto last = std::to_string(number);
    return {{{number}}, "vm" + last, {address("10.0.0." + last), address("fd00::" + last)}};
  }

  NetworkNamespace namespace_;  // ahead of what opens sockets in it
  Nft nft_ = Nft::open().value();
};

}  // namespace vmmig
