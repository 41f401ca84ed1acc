// SPDX-License-Identifier: GPL-2.0-or-later
// Net-SNMP's snmptrapd: each notification as one line of syslog. The other packs' handlers are this one with another end.
#include "manager/nms/pack.h"
#include "manager/nms/trap_decoder.h"

namespace vmmig::nms {

namespace {

constexpr const char* logging = R"sh(
# snmptrapd acknowledges an INFORM only when this ends: it must not wait for anything.
while IFS="$(printf '\t')" read -r severity notification from vm text; do
  case $severity in 0) level=info ;; 1) level=notice ;; 2) level=warning ;; *) level=crit ;; esac
  line="$notification from $from vm $vm: $text"
  if [ -n "${VMMIG_TRAP_LOG:-}" ]; then
    printf '%s %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$level" "$line" >> "$VMMIG_TRAP_LOG"
  else
    logger -t vmmig-trap -p "daemon.$level" -- "$line"
  fi
done
)sh";

std::string configuration(const Model& model) {
  std::string text =
      heading(model, "# ", "Lines for snmptrapd.conf. Run snmptrapd with MIBS empty: numbers are what the handlers read.");
  text +=
      "outputOption ne\n"
      "# A receiver whose engine ID changes at a restart loses all informs silently: give each one an ID of its own, for ever.\n"
      "#exactEngineID 0x80007ed904766d6d69672d6e6d73\n"
      "# The same user as on the hosts and devices (trapsess in their snmpd.conf).\n"
      "#createUser nms SHA-256 AUTHENTICATION-PASSPHRASE AES PRIVACY-PASSPHRASE\n"
      "authUser execute,log nms priv\n";
  for (const auto& each : model.notifications) text += "traphandle ." + each.oid + " /usr/local/sbin/vmmig-trap\n";
  return text;
}

}  // namespace

std::vector<PackFile> snmptrapdPack(const Model& model) {
  auto script = "#!/bin/sh\n" +
                heading(model, "# ", "traphandle of snmptrapd: a notification in words, to syslog or to $VMMIG_TRAP_LOG.") +
                "awk '" + trapDecoder(model) + "' | {" + logging + "}\n";
  return {
      {"vmmig-trap", "the receiver: /usr/local/sbin/vmmig-trap, mode 755", script, true},
      {"snmptrapd-vmmig.conf", "the receiver: into /etc/snmp/snmptrapd.conf", configuration(model)},
  };
}

}  // namespace vmmig::nms
