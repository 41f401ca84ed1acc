// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/completion.h"

#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <map>
#include <vector>

#include "manager/command_line.h"
#include "manager/nms/pack.h"
#include "mibs/phase_table.h"
#include "mibs/registry.h"

namespace vmmig {

namespace po = boost::program_options;

namespace {

/// The part that never changes. Bash cuts words at ':' and '=', so that they are put together again first; what it replaces is
/// the last piece alone.
constexpr const char* functions = R"sh(
_vmmig_inventory() {
  local file=/etc/vmmig/vmmig.conf i
  for ((i = 0; i + 1 < ${#words[@]}; i++)); do
    [[ ${words[i]} == --config ]] && file=${words[i + 1]}
  done
  sed -n "s/^[[:space:]]*\[$1\.\([^]]*\)\].*/\1/p" "$file" 2>/dev/null
}

_vmmig_offer() {
  local offer=()
  case $kind in
    FILE | DIRECTORY | DIRECTORIES)
      option=-f
      [[ $kind == FILE ]] || option=-d
      mapfile -t COMPREPLY < <(compgen $option -- "$current")
      compopt -o filenames 2>/dev/null
      return
      ;;
    DEVICE | A | B) mapfile -t offer < <(_vmmig_inventory device; _vmmig_inventory host) ;;
    HOST) mapfile -t offer < <(_vmmig_inventory host) ;;
    VM | "UUID|NAME") mapfile -t offer < <(_vmmig_inventory vm) ;;
    *) offer=($(_vmmig_choices "$kind")) ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "${offer[*]}" -- "$current")
}

_vmmig() {
  local words=() piece last='' i current command='' kind='' option='' position=0
  COMPREPLY=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    piece=${COMP_WORDS[i]}
    if ((${#words[@]})) && [[ $piece == [:=] || $last == [:=] ]]; then words[-1]+=$piece; else words+=("$piece"); fi
    last=$piece
  done
  for ((i = 0; i + 1 < ${#words[@]}; i++)); do
    if [[ ${words[i]} == -?* ]]; then
      kind=$(_vmmig_value "$command" "${words[i]}")
      [[ -z $kind ]] || ((++i + 1 < ${#words[@]})) || option=yes
    elif [[ -z $command ]]; then
      command=${words[i]}
    else
      ((position += 1))
    fi
  done
  current=${words[-1]}
  if [[ $current == --*=* ]]; then
    kind=$(_vmmig_value "$command" "${current%%=*}") option=yes current=${current#*=}
  fi
  if [[ -n $option ]]; then
    _vmmig_offer
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_vmmig_options "$command")" -- "$current")
  elif [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_vmmig_commands)" -- "$current")
  else
    kind=$(_vmmig_argument "$command" "$position")
    _vmmig_offer
  fi
  return 0
}

complete -F _vmmig vmmig
)sh";

/// `case` in a function of its own, whose lines are made from our descriptions.
std::string chooser(const std::string& name, const std::string& what, const std::string& lines) {
  return "\n" + name + "() {\n  case \"" + what + "\" in\n" + lines + "  esac\n}\n";
}

std::string line(const std::string& pattern, const std::string& words) {
  return "    " + pattern + ") echo '" + words + "' ;;\n";
}

/// "-o" and "--output"; Boost answers the other one, or a bare word, where there is none of this kind.
std::vector<std::string> namesOf(const po::option_description& option) {
  std::vector<std::string> names;
  auto full = option.canonical_display_name(po::command_line_style::allow_dash_for_short);
  auto longName = option.canonical_display_name(po::command_line_style::allow_long);
  if (full.size() == 2 && full[0] == '-' && full[1] != '-') names.push_back(full);
  if (longName.starts_with("--")) names.push_back(longName);
  return names;
}

struct Lines {
  std::string options, values;
};

void describe(const std::string& command, const po::options_description& options, Lines& lines) {
  std::string all;
  for (const auto& option : options.options())
    for (const auto& name : namesOf(*option)) {
      all += (all.empty() ? "" : " ") + name;
      if (option->semantic()->max_tokens() > 0)
        lines.values += line("\"" + command + " " + name + "\"", option->semantic()->name());
    }
  lines.options += line(command == "*" ? command : "\"" + command + "\"", all);
}

/// What an argument may be, where there is a choice.
std::map<std::string, std::string> choices() {
  std::map<std::string, std::string> all{
      {"POLICY", "require bestEffort"}, {"SHELL", "bash"}, {"VERSION", "3 2c"}, {"LEVEL", "noAuthNoPriv authNoPriv authPriv"}};
  const auto add = [&all](const char* kind, std::string_view word) {
    auto& words = all[kind];
    words += (words.empty() ? "" : " ") + std::string{word};
  };
  for (const auto& label : Labels<Phase>::labels) add("PHASE", label.name);
  for (const auto& pack : nms::packs()) add("PACK", pack.name);
  for (const auto* table : mib::tables()) add("TABLE", table->name);
  return all;
}

std::string argumentLines(const Command& command) {
  std::string lines;
  for (std::size_t i = 0; i < command.arguments.size(); ++i) {
    std::string kind{command.arguments[i]};
    bool isRepeated = kind.ends_with("...]");
    std::erase_if(kind, [](char c) { return std::string_view{"[.]"}.find(c) != std::string_view::npos; });
    auto position = isRepeated ? "\"*" : std::to_string(i) + "\"";
    lines += line("\"" + std::string{command.name} + " " + position, kind);
  }
  return lines;
}

}  // namespace

std::string bashCompletion() {
  std::string names, arguments, kinds;
  Lines lines;
  for (const auto* command : commands()) {
    std::string name{command->name};
    names += (names.empty() ? "" : " ") + name;
    describe(name, optionsOf(command), lines);
    arguments += argumentLines(*command);
  }
  describe("", optionsOf(nullptr), lines);
  for (const auto& [kind, words] : choices()) kinds += line(kind, words);
  return "# SPDX-License-Identifier: GPL-2.0-or-later\n# Completion of vmmig(1) for bash; made by `vmmig completion bash`.\n\n"
         "_vmmig_commands() { echo '" +
         names + "'; }\n" + chooser("_vmmig_options", "$1", lines.options) + chooser("_vmmig_value", "$1 $2", lines.values) +
         chooser("_vmmig_argument", "$1 $2", arguments) + chooser("_vmmig_choices", "$1", kinds) + functions;
}

}  // namespace vmmig
