// SPDX-License-Identifier: GPL-2.0-or-later
// vmmig's command line: SNMP options as in snmpcmd(1) on both sides of the command, help, and what is refused.
#include <gtest/gtest.h>

#include "manager/command_line.h"

namespace vmmig {
namespace {

CommandLine parsed(const std::vector<std::string>& words) {
  auto line = parseCommandLine(words);
  EXPECT_TRUE(line) << line.error().text;
  return line ? *line : CommandLine{};
}

std::string refused(const std::vector<std::string>& words) {
  auto line = parseCommandLine(words);
  EXPECT_FALSE(line);
  return line ? "" : line.error().text;
}

TEST(CommandLine, TakesSnmpOptionsBeforeAndBehindTheCommand) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"-v3", "-u", "ops", "-l", "authPriv", "-a", "SHA-256", "-x", "AES", "-n", "ctx", "-r", "2", "-t0.5", "show",
            "tcp:fw-a", "vm"},
           {"show", "tcp:fw-a", "vm", "-v", "3", "-uops", "-lauthPriv", "-aSHA-256", "-xAES", "-nctx", "-r2", "-t", "0.5"}}) {
    auto line = parsed(words);
    ASSERT_NE(line.command, nullptr);
    EXPECT_EQ(line.command->name, "show");
    EXPECT_EQ(line.session.version, "3");
    EXPECT_EQ(line.session.user, "ops");
    EXPECT_EQ(line.session.level, "authPriv");
    EXPECT_EQ(line.session.authProtocol, "SHA-256");
    EXPECT_EQ(line.session.privProtocol, "AES");
    EXPECT_EQ(line.session.context, "ctx");
    EXPECT_EQ(line.session.retries, "2");
    EXPECT_EQ(line.session.timeoutSeconds, "0.5");
    EXPECT_EQ(line.arguments, (std::vector<std::string>{"tcp:fw-a", "vm"}));
  }
}

TEST(CommandLine, TellsUpperFromLowerCaseOptions) {
  auto line = parsed({"-A", "authentic", "-X", "private!", "-a", "SHA", "-x", "DES", "show", "fw"});
  EXPECT_EQ(line.session.authPassphrase, "authentic");
  EXPECT_EQ(line.session.privPassphrase, "private!");
  EXPECT_EQ(line.session.authProtocol, "SHA");
  EXPECT_EQ(line.session.privProtocol, "DES");
}

TEST(CommandLine, AnOptionsArgumentIsNotTheCommand) {
  auto line = parsed({"-u", "show", "-n", "diff", "export", "fw", "--vm", "web1"});
  EXPECT_EQ(line.command->name, "export");
  EXPECT_EQ(line.session.user, "show");
}

TEST(CommandLine, LeavesToSnmpConfWhatIsNotSaid) {
  auto line = parsed({"show", "fw"});
  EXPECT_TRUE(line.session.version.empty());
  EXPECT_TRUE(line.session.user.empty());
  EXPECT_FALSE(line.dumpPackets);
}

TEST(CommandLine, EveryCommandHasHelpWithExamplesAndExitCodes) {
  for (const auto* command : commands()) {
    auto line = parsed({std::string{command->name}, "--help"});
    EXPECT_EQ(line.command, nullptr);
    EXPECT_NE(line.output.find("Example"), std::string::npos) << command->name;
    EXPECT_NE(line.output.find("Exit status"), std::string::npos) << command->name;
    EXPECT_NE(line.output.find("-u"), std::string::npos) << command->name;
  }
}

TEST(CommandLine, TheGeneralHelpListsAllCommands) {
  auto line = parsed({"--help"});
  for (const auto* command : commands()) EXPECT_NE(line.output.find(command->summary), std::string::npos) << command->name;
  EXPECT_TRUE(parsed({"--version"}).output.starts_with("vmmig "));
}

TEST(CommandLine, SaysWhatIsMissingOrTooMuch) {
  EXPECT_NE(refused({}).find("command is missing"), std::string::npos);
  EXPECT_NE(refused({"shwo", "fw"}).find("\"shwo\""), std::string::npos);
  EXPECT_NE(refused({"show"}).find("DEVICE is missing"), std::string::npos);
  EXPECT_NE(refused({"show", "fw", "vm", "more"}).find("\"more\""), std::string::npos);
  EXPECT_NE(refused({"export", "fw"}).find("vm"), std::string::npos);
  EXPECT_NE(refused({"show", "fw", "--jsn"}).find("jsn"), std::string::npos);
  EXPECT_NE(refused({"show", "fw", "-u"}).find("-u"), std::string::npos);
  EXPECT_NE(refused({"diff", "a", "b", "--tolerance", "many"}).find("tolerance"), std::string::npos);
}

TEST(CommandLine, ALetterThatACommandHasForItselfIsNotSnmps) {
  auto line = parsed({"-u", "ops", "top", "-d", "2.5", "-n", "3", "fw-a"});
  ASSERT_NE(line.command, nullptr);
  EXPECT_EQ(line.command->name, "top");
  EXPECT_EQ(line.values["delay"].as<double>(), 2.5);
  EXPECT_EQ(line.values["iterations"].as<long>(), 3);
  EXPECT_FALSE(line.dumpPackets);
  EXPECT_EQ(line.session.context, "");
  EXPECT_EQ(line.session.user, "ops");
  auto help = parsed({"top", "--help"}).output;
  EXPECT_EQ(help.find("-n CONTEXT"), std::string::npos);
  EXPECT_NE(parsed({"show", "--help"}).output.find("-n CONTEXT"), std::string::npos);
}

TEST(CommandLine, BlanksPassphrasesInArgv) {
  std::string words[] = {"vmmig", "-A", "secret-one", "-Xsecret-two", "-c", "public", "show", "fw"};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  hideSecrets(static_cast<int>(argv.size()), argv.data());
  EXPECT_EQ(words[2], "xxxxxxxxxx");
  EXPECT_EQ(words[3], "-Xxxxxxxxxxx");
  EXPECT_EQ(words[5], "xxxxxx");
  EXPECT_EQ(words[6], "show");
}

}  // namespace
}  // namespace vmmig
