// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/options.h"

#include <unistd.h>

#include <boost/program_options.hpp>
#include <climits>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "config.h"

namespace vmmig {

namespace po = boost::program_options;

namespace {

using Strings = std::vector<std::string>;

/// Lines that name what stands behind the tables. Each may stand several times.
struct ResourceKey {
  const char* key;
  const char* form;
  Status (*add)(Resources& resources, const std::string& line);
};
constexpr ResourceKey resourceKeys[] = {
    {"acl", "NAME,SET,ACTION", addAcl},
    {"counter", "NAME,KIND,OBJECT", addCounter},
    {"policy", "NAME,KIND[,CHAIN,MAPS]", addPolicy},
    {"dhcp-snooping", "BRIDGE,PORTS", addDhcpSnooping},
    {"multicast", "BRIDGE", addMulticast},
    {"map", "KIND,LOCAL,COMMON", addNameRule},
};

/// Options that only the command line has.
po::options_description commandLineOnly(Options& options) {
  po::options_description all{"Options"};
  all.add_options()                                                                     //
      ("help,h", "print this and exit")                                                 //
      ("version", "print the version and exit")                                         //
      ("foreground,f", po::bool_switch(&options.foreground), "stay in the foreground")  //
      ("config", po::value(&options.configFile)->value_name("FILE"), "configuration file (default /etc/vmmig/vmmigd.conf)");
  return all;
}

/// Those that the file has too.
po::options_description everywhere(Options& options) {
  po::options_description all{"Options and keys of the configuration file"};
  all.add_options()  //
      ("agentx-socket", po::value(&options.agentxSocket)->value_name("ADDRESS"),
       "snmpd's agentXSocket (default /var/agentx/master)")                                                                   //
      ("role", po::value<Strings>()->composing()->value_name("ROLE"), "device (default), hypervisor; both when given twice")  //
      ("back-end", po::value<std::string>()->value_name("NAME"), "of role device: linux (default) or memory")                 //
      ("host-name", po::value(&options.hostName)->value_name("NAME"), "this host's name in phases (default: its own)")        //
      ("state-directory", po::value(&options.stateDirectory)->value_name("DIR"), "default /var/lib/vmmigd")                   //
      ("log-level", po::value<std::string>()->value_name("LEVEL"), "error, warning, notice, info (default) or debug")         //
      ("vm", po::value<Strings>()->composing()->value_name("UUID,NAME,ADDRESS[,ADDRESS...]"),
       "a VM that this device knows from the start")                                                                          //
      ("phase-source", po::value<std::string>()->value_name("NAME"), "of role hypervisor: manual (default), qmp or libvirt")  //
      ("qmp-socket", po::value(&options.phaseSource.qmpSockets)->composing()->value_name("PATTERN"), "see vmmigd.conf(5)")    //
      ("libvirt-uri", po::value(&options.phaseSource.libvirtUri)->value_name("URI"), "default qemu:///system")                //
      ("vmstate-bus", po::value(&options.phaseSource.vmstateBus)->value_name("PATH"), "default /run/vmmigd/vmstate.bus")      //
      ("hold-deadline", po::value<std::uint32_t>()->value_name("MILLISECONDS"), "how long a VM is held at most; default 2000")  //
      ("hold-policy", po::value<std::string>()->value_name("POLICY"), "when nobody answers: require (default) or bestEffort");
  for (const auto& [key, form, add] : resourceKeys)
    all.add_options()(key, po::value<Strings>()->composing()->value_name(form), "see vmmigd.conf(5)");
  return all;
}

template <class T>
Result<T> oneOf(const std::string& option, const std::string& word, const std::map<std::string, T>& choices) {
  if (auto found = choices.find(word); found != choices.end()) return found->second;
  std::string known;
  for (const auto& [each, value] : choices) known += (known.empty() ? "" : ", ") + each;
  return failure(option + " '" + word + "' is unknown; one of: " + known);
}

Status takePhaseSource(const po::variables_map& words, Options& options) {
  auto& source = options.phaseSource;
  if (words.count("phase-source")) {
    auto kind = oneOf<PhaseSourceKind>(
        "phase-source", words["phase-source"].as<std::string>(),
        {{"manual", PhaseSourceKind::manual}, {"qmp", PhaseSourceKind::qmp}, {"libvirt", PhaseSourceKind::libvirt}});
    if (!kind) return failure(kind.error());
    source.kind = *kind;
  }
  if (words.count("hold-policy")) {
    auto policy = oneOf<HoldPolicy>("hold-policy", words["hold-policy"].as<std::string>(),
                                    {{"require", HoldPolicy::require}, {"bestEffort", HoldPolicy::bestEffort}});
    if (!policy) return failure(policy.error());
    source.policy = *policy;
  }
  if (words.count("hold-deadline")) {
    auto milliseconds = words["hold-deadline"].as<std::uint32_t>();
    // libvirt's D-Bus gives up, and takes the VM back, after 25 s.
    auto most = source.kind == PhaseSourceKind::libvirt ? 20'000U : 3'600'000U;
    if (milliseconds == 0 || milliseconds > most)
      return failure("hold-deadline " + std::to_string(milliseconds) + " must be 1 to " + std::to_string(most) + " milliseconds");
    source.hold = std::chrono::milliseconds{milliseconds};
  }
  if (source.kind != PhaseSourceKind::manual && !options.roles.contains(Role::hypervisor))
    return failure("phase-source is of the role hypervisor: add role = hypervisor");
  if (source.kind == PhaseSourceKind::qmp && source.qmpSockets.empty())
    return failure("phase-source = qmp needs a line qmp-socket = PATTERN, the sockets of QEMU's monitors");
  return {};
}

Status takeWords(const po::variables_map& words, Options& options) {
  const auto given = [&](const char* name) { return words.count(name) ? words[name].as<Strings>() : Strings{}; };
  for (const auto& word : given("role")) {
    auto role = oneOf<Role>("role", word, {{"device", Role::device}, {"hypervisor", Role::hypervisor}});
    if (!role) return failure(role.error());
    options.roles.insert(*role);
  }
  if (options.roles.empty()) options.roles.insert(Role::device);
  if (words.count("back-end")) {
    auto backEnd = oneOf<BackEndKind>("back-end", words["back-end"].as<std::string>(),
                                      {{"linux", BackEndKind::linux_}, {"memory", BackEndKind::memory}});
    if (!backEnd) return failure(backEnd.error());
    options.backEnd = *backEnd;
  }
  if (auto taken = takePhaseSource(words, options); !taken) return taken;
  if (words.count("log-level")) {
    auto level = oneOf<log::Level>("log-level", words["log-level"].as<std::string>(),
                                   {{"error", log::Level::error},
                                    {"warning", log::Level::warning},
                                    {"notice", log::Level::notice},
                                    {"info", log::Level::info},
                                    {"debug", log::Level::debug}});
    if (!level) return failure(level.error());
    options.logLevel = *level;
  }
  for (const auto& line : given("vm")) {
    auto vm = parseConfiguredVm(line);
    if (!vm) return failure(vm.error());
    options.vms.push_back(std::move(*vm));
  }
  for (const auto& [key, form, add] : resourceKeys)
    for (const auto& line : given(key))
      if (auto added = add(options.resources, line); !added) return added;
  if (options.backEnd == BackEndKind::memory && options.resources.nameTheKernels())
    return failure("acl, counter, policy, dhcp-snooping and multicast name things of the kernel: back-end memory has none; leave them out");
  return {};
}

std::string ownHostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, HOST_NAME_MAX) == 0 ? name : "localhost";
}

Status readFile(const po::options_description& keys, const Options& options, bool isNamed, po::variables_map& words) {
  std::ifstream file{options.configFile};
  // The default file need not exist.
  if (!file && !isNamed && ::access(options.configFile.c_str(), F_OK) != 0) return {};
  // A directory can be opened, and reads as empty.
  if (!file || std::filesystem::is_directory(options.configFile))
    return failure("the configuration file " + options.configFile + " cannot be read; check that it exists, and its mode");
  try {
    po::store(po::parse_config_file(file, keys), words);
  } catch (const po::error& error) {
    return failure("in the configuration file " + options.configFile + ": " + error.what());
  }
  return {};
}

}  // namespace

Result<ConfiguredVm> parseConfiguredVm(const std::string& text) {
  const auto wrong = [&](const std::string& why) {
    return failure("vm = " + text + ": " + why + "; it must be UUID,NAME,ADDRESS[,ADDRESS...]");
  };
  std::istringstream in{text};
  Strings parts;
  for (std::string part; std::getline(in, part, ',');) {
    auto first = part.find_first_not_of(" \t");
    parts.push_back(first == part.npos ? "" : part.substr(first, part.find_last_not_of(" \t") - first + 1));
  }
  if (parts.size() < 3) return wrong("a part is missing");
  auto uuid = parseUuid(parts[0]);
  if (!uuid || uuid->isNil()) return wrong("'" + parts[0] + "' is no UUID");
  ConfiguredVm vm{*uuid, parts[1], {}};
  for (std::size_t i = 2; i < parts.size(); ++i) {
    auto address = parseInetAddress(parts[i]);
    if (!address || !address->isSet()) return wrong("'" + parts[i] + "' is no address");
    vm.addresses.push_back(*address);
  }
  return vm;
}

Result<std::variant<Options, Notice>> parseOptions(int argc, const char* const* argv) {
  Options options;
  auto common = everywhere(options);
  po::options_description all;
  all.add(commandLineOnly(options)).add(common);
  po::variables_map words;
  try {
    // No positional arguments, and nothing guessed.
    auto style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(argc, argv).options(all).positional({}).style(style).run(), words);
  } catch (const po::error& error) {
    return failure(std::string{error.what()} + "; see vmmigd --help");
  }
  std::ostringstream help;
  help << "Usage: vmmigd [OPTION...]\nThe SNMP subagent for the network state that follows a virtual machine.\n" << all;
  if (words.count("help")) return Notice{help.str()};
  if (words.count("version")) return Notice{"vmmigd " PACKAGE_VERSION "\n"};
  try {
    if (words.count("config")) options.configFile = words["config"].as<std::string>();
    if (auto read = readFile(common, options, words.count("config") > 0, words); !read) return failure(read.error());
    po::notify(words);
  } catch (const po::error& error) {
    return failure(error.what());
  }
  if (options.hostName.empty()) options.hostName = ownHostName();
  if (auto taken = takeWords(words, options); !taken) return failure(taken.error());
  return options;
}

}  // namespace vmmig
