// SPDX-License-Identifier: GPL-2.0-or-later
// Icinga 2 and Nagios: check_vmmig(8) as a command with its services, and notifications as passive results.
#include "manager/nms/access.h"
#include "manager/nms/trap_decoder.h"

namespace vmmig::nms {

namespace {

/// What check_vmmig looks at, each as a service of its own. `warning`, `critical`: ranges, empty for those that have none.
struct Check {
  const char* mode;
  const char* title;
  const char* warning;
  const char* critical;
};
constexpr Check checks[] = {
    {"health", "vmmig health", "", ""}, {"transfers", "vmmig transfers", "0", ""}, {"blocked", "vmmig blocked VMs", "30", "120"},
    {"holds", "vmmig holds", "", "0"},  {"clock", "vmmig clock", "-1:1", "-5:5"},
};
constexpr const char* passiveService = "vmmig notifications";

std::string icingaCommands(const Model& model) {
  return heading(model, "// ",
                 "Icinga 2: check_vmmig(8). SNMPv3 user and passphrases are in snmp.conf in vmmig_snmp_conf, not here.") +
         R"(
object CheckCommand "vmmig" {
  command = [ PluginDir + "/check_vmmig" ]
  arguments = {
    "-H" = { value = "$vmmig_agent$", required = true }
    "-m" = "$vmmig_mode$"
    "-w" = "$vmmig_warning$"
    "-c" = "$vmmig_critical$"
    "-t" = "$vmmig_timeout$"
    "-u" = "$vmmig_user$"
    "--recent" = "$vmmig_recent$"
    "--snmp-conf" = "$vmmig_snmp_conf$"
  }
  vars.vmmig_agent = "tcp:$address$"
  vars.vmmig_mode = "health"
  vars.vmmig_timeout = 10
  vars.vmmig_snmp_conf = "/etc/vmmig/nms"
}

template Service "vmmig" {
  check_command = "vmmig"
  check_interval = 1m
  retry_interval = 20s
  max_check_attempts = 3
}
)";
}

/// "vars.vmmig_warning = ...", that of the host first, so that an operator changes no generated file.
std::string threshold(std::string_view mode, std::string_view what, std::string_view range) {
  if (mode == "health") return "";  // the device decides how it is
  auto mine = "host.vars.vmmig_" + std::string{mode} + "_" + std::string{what};
  auto set = [&](const std::string& value) { return "vars.vmmig_" + std::string{what} + " = " + value; };
  if (range.empty()) return "  if (" + mine + ") {\n    " + set(mine) + "\n  }\n";
  return "  " + set(mine + " || \"" + std::string{range} + "\"") + "\n";
}

std::string icingaServices(const Model& model) {
  auto text = heading(model, "// ",
                      "Icinga 2: services of every host with vars.vmmig = true. Its vars.vmmig_blocked_critical and the like are "
                      "its thresholds.");
  for (const auto& each : checks) {
    text +=
        std::string{"\napply Service \""} + each.title + "\" {\n  import \"vmmig\"\n  vars.vmmig_mode = \"" + each.mode + "\"\n";
    text += threshold(each.mode, "warning", each.warning) + threshold(each.mode, "critical", each.critical);
    text += "  assign where host.vars.vmmig\n}\n";
  }
  text +=
      std::string{
          "\n// Its results come from vmmig-passive; what nothing repeats is well again after an hour.\napply Service \""} +
      passiveService + "\" {\n  check_command = \"dummy\"\n  enable_active_checks = true\n  check_interval = 1h\n" +
      "  max_check_attempts = 1\n  vars.dummy_state = 0\n  vars.dummy_text = \"no notification for an hour\"\n" +
      "  volatile = true\n  assign where host.vars.vmmig\n}\n";
  return text;
}

/// In a file of their own: Nagios does not start when it finds a definition twice, and Debian's package installs this one.
std::string nagiosCommands(const Model& model) {
  return heading(model, "# ", "Nagios: check_vmmig(8) as a command, and the template vmmig-device for hosts.") + R"(
define command {
  command_name  check_vmmig
  command_line  $USER1$/check_vmmig -H $_HOSTVMMIG_TRANSPORT$:$HOSTADDRESS$ --snmp-conf $_HOSTVMMIG_SNMP_CONF$ -t 10 -m $ARG1$ $ARG2$
}

define command {
  command_name  vmmig_no_news
  command_line  /bin/echo "OK: no notification for an hour"
}

# "use vmmig-device,generic-host" in a host makes it one. Where its address is of IPv6, _VMMIG_TRANSPORT there is tcp6.
define host {
  name              vmmig-device
  register          0
  _VMMIG_TRANSPORT  tcp
  _VMMIG_SNMP_CONF  /etc/vmmig/nms
}
)";
}

std::string nagiosServices(const Model& model) {
  auto text = heading(model, "# ", "Nagios: the services of check_vmmig(8), for the hosts in the hostgroup vmmig.");
  text += R"(
define hostgroup {
  hostgroup_name  vmmig
  alias           Devices and hosts with VM-MIGRATION-MIB
}

define service {
  name                   vmmig-service
  register               0
  hostgroup_name         vmmig
  check_interval         1
  retry_interval         1
  max_check_attempts     3
  check_period           24x7
  notification_period    24x7
  notification_interval  60
}
)";
  for (const auto& each : checks) {
    std::string ranges;
    if (*each.warning) ranges += std::string{"-w "} + each.warning;
    if (*each.critical) ranges += std::string{ranges.empty() ? "" : " "} + "-c " + each.critical;
    text += std::string{"\ndefine service {\n  use                  vmmig-service\n  service_description  "} + each.title +
            "\n  check_command        check_vmmig!" + each.mode + "!" + ranges + "\n}\n";
  }
  text += std::string{"\ndefine service {\n  use                     vmmig-service\n  service_description     "} +
          passiveService +
          "\n  active_checks_enabled   0\n  passive_checks_enabled  1\n  max_check_attempts      1\n  is_volatile             1\n"
          "  check_freshness         1\n  freshness_threshold     3600\n  check_command           vmmig_no_news\n}\n";
  return text;
}

std::string passiveHandler(const Model& model) {
  return "#!/bin/sh\n" +
         heading(model, "# ",
                 "traphandle of snmptrapd: a notification as passive result of the service \"vmmig notifications\".") +
         R"sh(# Hosts are found by VMMIG_HOSTS, a file of lines "ADDRESS HOSTNAME"; else the address is taken for the host's name.
# The command file is that of Nagios, or of Icinga 2 with its feature "command".
# Who does not read it at once is not waited for; vmmig-enqueue keeps what nobody has read among what failed.
commands=${VMMIG_COMMAND_FILE:-/var/lib/nagios4/rw/nagios.cmd}
hosts=${VMMIG_HOSTS:-/etc/vmmig/nms/hosts}
awk ')sh" +
         trapDecoder(model) +
         R"sh(' | while IFS="$(printf '\t')" read -r severity notification from vm text; do
  case $severity in 0 | 1) state=0 ;; 2) state=1 ;; *) state=2 ;; esac
  host=$([ -r "$hosts" ] && awk -v address="$from" '$1 == address { print $2; exit }' "$hosts")
  # Icinga drops a result that is older than the last one, by a part of a second as well.
  now=$(date +%s.%N)
  # A semicolon ends a field of the command, and a bar begins performance data.
  text=$(printf '%s' "$text" | tr ';|' ',!')
  line="[$now] PROCESS_SERVICE_CHECK_RESULT;${host:-$from};)sh" +
         passiveService + R"sh(;$state;$notification vm $vm: $text"
  # Nobody makes the file in the place of a daemon that does not run: it would find it, and not start.
  if [ ! -e "$commands" ] || ! timeout 2 sh -c 'printf "%s\n" "$1" >> "$2"' sh "$line" "$commands"; then
    logger -t vmmig-passive -p daemon.warning -- "nobody reads $commands: $line"
    exit 1
  fi
done
)sh";
}

}  // namespace

std::vector<PackFile> icingaPack(const Model& model) {
  return {
      {"icinga2-commands.conf", "Icinga 2: /etc/icinga2/zones.d/global-templates/ or /etc/icinga2/conf.d/",
       icingaCommands(model)},
      {"icinga2-services.conf", "Icinga 2: beside it", icingaServices(model)},
      {"nagios-commands.cfg", "Nagios: a cfg_dir of nagios.cfg (Debian: it is there, in /etc/nagios-plugins/config/vmmig.cfg)",
       nagiosCommands(model)},
      {"nagios-services.cfg", "Nagios: another file there, such as /etc/nagios4/conf.d/vmmig.cfg; hosts: see its first lines",
       nagiosServices(model)},
      {"vmmig-passive", "the receiver: in place of vmmig-trap in snmptrapd-vmmig.conf of the pack snmptrapd, mode 755",
       passiveHandler(model), true},
      accessFile(model),
  };
}

}  // namespace vmmig::nms
