// SPDX-License-Identifier: GPL-2.0-or-later
// vmmigd's command line, and the VM lines of its configuration.
#include "subagent/options.h"

#include <gtest/gtest.h>

namespace vmmig {
namespace {

TEST(Options, AVmLineNamesAVmAndItsAddresses) {
  auto vm = parseConfiguredVm("6ba7b810-9dad-11d1-80b4-00c04fd430c8, web1, 10.0.0.5,fd00::5");
  ASSERT_TRUE(vm) << vm.error().text;
  EXPECT_EQ(vm->name, "web1");
  EXPECT_EQ(vm->addresses, (std::vector{*parseInetAddress("10.0.0.5"), *parseInetAddress("fd00::5")}));
}

TEST(Options, AVmLineThatIsWrongIsRefusedWithItsFault) {
  for (const auto* line :
       {"", "web1", "6ba7b810-9dad-11d1-80b4-00c04fd430c8,web1", "x,web1,10.0.0.5",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8,web1,10.0.0", "00000000-0000-0000-0000-000000000000,web1,10.0.0.5"}) {
    auto vm = parseConfiguredVm(line);
    ASSERT_FALSE(vm) << line;
    EXPECT_NE(vm.error().text.find("UUID,NAME,ADDRESS"), std::string::npos);
  }
}

TEST(Options, TheCommandLineIsParsed) {
  const char* argv[] = {"vmmigd", "-f",         "--config",   "/dev/null", "--role",      "device",
                        "--role", "hypervisor", "--back-end", "memory",    "--host-name", "h1"};
  auto parsed = parseOptions(std::size(argv), argv);
  ASSERT_TRUE(parsed) << parsed.error().text;
  const auto& options = std::get<Options>(*parsed);
  EXPECT_TRUE(options.foreground);
  EXPECT_EQ(options.roles, (std::set{Role::device, Role::hypervisor}));
  EXPECT_EQ(options.backEnd, BackEndKind::memory);
  EXPECT_EQ(options.hostName, "h1");
}

TEST(Options, WhatIsUnknownIsRefused) {
  for (auto [option, word] :
       {std::pair{"--back-end", "bsd"}, {"--role", "switch"}, {"--log-level", "loud"}, {"--nonsense", "x"}}) {
    const char* argv[] = {"vmmigd", "--config", "/dev/null", option, word};
    auto parsed = parseOptions(std::size(argv), argv);
    EXPECT_FALSE(parsed) << option;
  }
  const char* stray[] = {"vmmigd", "--config", "/dev/null", "stray"};
  EXPECT_FALSE(parseOptions(std::size(stray), stray));
  const char* missing[] = {"vmmigd", "--config", "/nonexistent/vmmigd.conf"};
  EXPECT_FALSE(parseOptions(std::size(missing), missing));
}

Result<Options> parsed(std::vector<const char*> words) {
  words.insert(words.begin(), {"vmmigd", "--config", "/dev/null", "--role", "hypervisor"});
  auto result = parseOptions(static_cast<int>(words.size()), words.data());
  if (!result) return failure(result.error());
  return std::get<Options>(*result);
}

TEST(Options, QemusMonitorsAreAPhaseSource) {
  auto options = parsed({"--phase-source", "qmp", "--qmp-socket", "/run/a/*.qmp", "--qmp-socket", "/run/b.qmp"});
  ASSERT_TRUE(options) << options.error().text;
  const auto& source = options->phaseSource;
  EXPECT_EQ(source.kind, PhaseSourceKind::qmp);
  EXPECT_EQ(source.qmpSockets, (std::vector<std::string>{"/run/a/*.qmp", "/run/b.qmp"}));
  EXPECT_EQ(source.hold, std::chrono::seconds{2});
  EXPECT_EQ(source.policy, HoldPolicy::require);
  options = parsed({"--phase-source", "qmp", "--qmp-socket", "x", "--hold-deadline", "1", "--hold-policy", "bestEffort"});
  ASSERT_TRUE(options) << options.error().text;
  EXPECT_EQ(options->phaseSource.hold, std::chrono::milliseconds{1});
  EXPECT_EQ(options->phaseSource.policy, HoldPolicy::bestEffort);
}

TEST(Options, APhaseSourceThatCannotWorkIsRefused) {
  EXPECT_FALSE(parsed({"--phase-source", "qmp"})) << "which sockets?";
  for (const auto* deadline : {"0", "3600001", "x"})
    EXPECT_FALSE(parsed({"--phase-source", "qmp", "--qmp-socket", "x", "--hold-deadline", deadline})) << deadline;
  EXPECT_FALSE(parsed({"--phase-source", "xen"}));
  EXPECT_FALSE(parsed({"--hold-policy", "maybe"}));
  const char* device[] = {"vmmigd", "--config", "/dev/null", "--phase-source", "qmp", "--qmp-socket", "x"};
  EXPECT_FALSE(parseOptions(std::size(device), device)) << "it is of the role hypervisor";
}

}  // namespace
}  // namespace vmmig
