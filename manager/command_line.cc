// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/command_line.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstring>
#include <sstream>

#include "config.h"

namespace vmmig {

namespace po = boost::program_options;

namespace {

/// An option of snmpcmd(1) that fills a field of SessionOptions.
struct SnmpOption {
  char letter;
  std::string SessionOptions::*field;
  const char* argument;
  const char* meaning;
};

constexpr SnmpOption snmpOptions[] = {
    {'v', &SessionOptions::version, "VERSION", "SNMP version: 3 or 2c"},
    {'c', &SessionOptions::community, "COMMUNITY", "community (2c)"},
    {'u', &SessionOptions::user, "USER", "SNMPv3 user"},
    {'l', &SessionOptions::level, "LEVEL", "security level: noAuthNoPriv, authNoPriv or authPriv"},
    {'a', &SessionOptions::authProtocol, "PROTOCOL", "authentication: SHA-256, SHA-512, ..."},
    {'A', &SessionOptions::authPassphrase, "PASSPHRASE", "its passphrase; rather put it into snmp.conf"},
    {'x', &SessionOptions::privProtocol, "PROTOCOL", "privacy: AES, AES-256, ..."},
    {'X', &SessionOptions::privPassphrase, "PASSPHRASE", "its passphrase; rather put it into snmp.conf"},
    {'n', &SessionOptions::context, "CONTEXT", "context"},
    {'r', &SessionOptions::retries, "RETRIES", "times to try again"},
    {'t', &SessionOptions::timeoutSeconds, "SECONDS", "time to wait for each answer"},
};

constexpr const char* footer =
    "What the command line does not say comes from snmp.conf(5), as for snmpget(1): defSecurityName, defSecurityLevel,\n"
    "defAuthType, defAuthPassphrase, defPrivType, defPrivPassphrase. Keep passphrases there, in ~/.snmp/snmp.conf with mode "
    "600.\n"
    "DEVICE is an agent as in snmpcmd(1): 10.0.0.1, tcp:10.0.0.1:161, tcp6:[fd00::1]. TCP is the faster one.\n"
    "\n"
    "Exit status: 0 yes or done; 1 no (different, cancelled, refused); 2 usage or configuration; 3 a device was not reachable, "
    "or\n"
    "SNMP failed.\n";

// Boost stores an option that has only a letter under "-x".
std::string keyOf(char letter) { return std::string{"-"} + letter; }

/// Whether a command has this letter for itself, as top(1) has -d and -n.
bool isOwn(const Command* command, char letter) {
  if (!command) return false;
  po::options_description own;
  command->addOptions(own);
  return own.find_nothrow(keyOf(letter), false) != nullptr;
}

po::options_description snmpDescription(const Command* command = nullptr) {
  po::options_description options{"SNMP options, as in snmpcmd(1)"};
  for (const auto& option : snmpOptions)
    if (!isOwn(command, option.letter))
      options.add_options()((std::string{","} + option.letter).c_str(), po::value<std::string>()->value_name(option.argument),
                            option.meaning);
  if (!isOwn(command, 'd')) options.add_options()(",d", "print each packet in hexadecimal");
  options.add_options()                                                                                        //
      (",D", po::value<std::string>()->value_name("TOKENS"), "Net-SNMP's debugging output")                    //
      (",m", po::value<std::string>()->value_name("MODULES"), "accepted for scripts: our module is built in")  //
      (",M", po::value<std::string>()->value_name("DIRECTORIES"), "accepted for scripts: our module is built in");
  return options;
}

po::options_description generalDescription() {
  po::options_description options{"General options"};
  options.add_options()("help,h", "this text")("version,V", "the version");
  return options;
}

bool takesArgument(char letter) {
  return std::any_of(std::begin(snmpOptions), std::end(snmpOptions),
                     [letter](const auto& each) { return each.letter == letter; }) ||
         std::strchr("DmM", letter) != nullptr;
}

const Command* find(const std::string& name) {
  auto all = commands();
  auto found = std::find_if(all.begin(), all.end(), [&](const auto* each) { return each->name == name; });
  return found == all.end() ? nullptr : *found;
}

// The first word that is neither an option nor an option's argument.
std::size_t commandPosition(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    if (word.size() < 2 || word[0] != '-') return i;
    if (word[1] != '-' && word.size() == 2 && takesArgument(word[1])) ++i;
  }
  return words.size();
}

std::string generalHelp() {
  std::ostringstream text;
  text << "Usage: vmmig [SNMP options] COMMAND [options] [arguments]\n"
          "Reads, writes and moves the state that network devices hold for a virtual machine (VM-MIGRATION-MIB).\n\nCommands:\n";
  for (const auto* command : commands()) {
    std::string name{command->name};
    name.resize(12, ' ');
    text << "  " << name << command->summary << '\n';
  }
  text << "`vmmig COMMAND --help` shows a command's options and examples.\n\n"
       << snmpDescription() << '\n'
       << generalDescription() << '\n'
       << footer;
  return text.str();
}

std::string helpOf(const Command& command) {
  std::ostringstream text;
  text << "Usage: vmmig [SNMP options] " << command.name << " [options]";
  for (auto argument : command.arguments) text << ' ' << argument;
  text << '\n' << command.summary << ".\n\n" << command.description << '\n';
  po::options_description own{"Options"};
  command.addOptions(own);
  text << own << '\n' << snmpDescription(&command) << '\n' << footer;
  return text.str();
}

Status checkArguments(const Command& command, const std::vector<std::string>& given) {
  auto needed = std::count_if(command.arguments.begin(), command.arguments.end(), [](auto each) { return each[0] != '['; });
  auto try_ = ": try `vmmig " + std::string{command.name} + " --help`";
  if (given.size() < static_cast<std::size_t>(needed))
    return failure(std::string{command.arguments[given.size()]} + " is missing" + try_);
  bool isRepeated = !command.arguments.empty() && command.arguments.back().ends_with("...]");
  if (given.size() > command.arguments.size() && !isRepeated)
    return failure("\"" + given[command.arguments.size()] + "\" is one argument too many" + try_);
  return {};
}

void fill(CommandLine& line) {
  for (const auto& option : snmpOptions)
    if (auto key = keyOf(option.letter); line.values.count(key)) line.session.*option.field = line.values[key].as<std::string>();
  line.dumpPackets = line.values.count("-d") != 0;
  if (line.values.count("-D")) line.debugTokens = line.values["-D"].as<std::string>();
}

Result<CommandLine> parse(const std::vector<std::string>& words) {
  auto position = commandPosition(words);
  CommandLine line;
  if (position < words.size()) {
    line.command = find(words[position]);
    if (!line.command) return failure("there is no command \"" + words[position] + "\": try `vmmig --help`");
  }
  auto rest = words;
  if (line.command) rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(position));
  auto options = optionsOf(line.command);
  po::options_description hidden;
  hidden.add(options).add_options()("arguments", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("arguments", -1);
  int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::store(po::command_line_parser(rest).options(hidden).positional(positional).style(style).run(), line.values);
  if (line.values.count("version")) line.output = "vmmig " PACKAGE_VERSION "\n";
  if (line.values.count("help")) line.output = line.command ? helpOf(*line.command) : generalHelp();
  if (!line.output.empty()) {
    line.command = nullptr;
    return line;
  }
  // Behind --help: it checks that required options are there.
  po::notify(line.values);
  if (!line.command) return failure("a command is missing: try `vmmig --help`");
  if (line.values.count("arguments")) line.arguments = line.values["arguments"].as<std::vector<std::string>>();
  if (auto status = checkArguments(*line.command, line.arguments); !status) return failure(status.error());
  fill(line);
  return line;
}

}  // namespace

po::options_description optionsOf(const Command* command) {
  po::options_description options;
  options.add(snmpDescription(command)).add(generalDescription());
  if (command) command->addOptions(options);
  return options;
}

Result<CommandLine> parseCommandLine(const std::vector<std::string>& words) {
  try {
    return parse(words);
  } catch (const po::error& error) {
    return failure(std::string{error.what()} + ": try `vmmig --help`");
  }
}

void hideSecrets(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] != '-' || argv[i][1] == '\0' || !std::strchr("AXc", argv[i][1])) continue;
    char* secret = argv[i] + 2;
    if (*secret == '\0' && i + 1 < argc) secret = argv[++i];
    std::memset(secret, 'x', std::strlen(secret));
  }
}

}  // namespace vmmig
