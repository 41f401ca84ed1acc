// SPDX-License-Identifier: GPL-2.0-or-later
// Net-SNMP's snmptrapd: each notification as one line of syslog. The other packs' handlers are this one with another end.
#include "manager/nms/pack.h"
#include "manager/nms/trap_decoder.h"

namespace vmmig::nms {

namespace {

constexpr const char* logging = R"sh(
received=$(date -u -d "@${VMMIG_RECEIVED:-$(date +%s)}" +%Y-%m-%dT%H:%M:%SZ)
while IFS="$(printf '\t')" read -r severity notification from vm text; do
  case $severity in 0) level=info ;; 1) level=notice ;; 2) level=warning ;; *) level=crit ;; esac
  line="$notification from $from vm $vm: $text"
  if [ -n "${VMMIG_TRAP_LOG:-}" ]; then
    printf '%s %s %s\n' "$received" "$level" "$line" >> "$VMMIG_TRAP_LOG"
  else
    logger -t vmmig-trap -p "daemon.$level" -- "$line"
  fi
done
)sh";

/// snmptrapd runs a handler and then acknowledges the INFORM, one after the other: what takes long has the sender send it again.
constexpr const char* queueing =
    R"sh(# Keeps it in a queue, and is done; the handler takes it from there, in the order of arrival, and once more where it was ended in
# the midst. What a handler fails at stays in "failed". $VMMIG_RECEIVED tells the handler when it came, in seconds since 1970.
[ $# -gt 0 ] || { echo "usage: vmmig-enqueue HANDLER [ARGUMENT...]" >&2; exit 2; }
umask 077
# A queue for each handler with its arguments. Few programs are run up to the end of this: all senders wait for it.
name=$(IFS='/ '; set -f; printf ',%s' $*)
queue=${VMMIG_TRAP_QUEUE:-/var/spool/vmmig-traps}/${name#,,}
say() { logger -t vmmig-enqueue -p daemon.warning -- "$*"; }

waiting() {
  for each in "$queue"/[0-9]*; do [ -f "$each" ] && return 0; done
  return 1
}

take() {
  for each in "$queue"/[0-9]*; do
    [ -f "$each" ] || continue
    received=${each##*/}
    if VMMIG_RECEIVED=${received%%.*} "$@" < "$each" 9>&-; then
      rm -f "$each" || exit 1
    else
      say "$1 failed at a notification: it is in $queue/failed"
      mkdir -p "$queue/failed" && mv "$each" "$queue/failed/" || exit 1
    fi
  done
}

# One takes from a queue at a time, and looks again when it is done: who came in between has left it to that one.
drain() {
  while waiting; do
    ( flock -n 9 || exit 1; take "$@" ) 9> "$queue/lock" || return 0
  done
}

if { [ -d "$queue" ] || mkdir -p "$queue"; } 2> /dev/null && true 2> /dev/null > "$queue/.new.$$"; then
  cat > "$queue/.new.$$" && mv "$queue/.new.$$" "$queue/$(date +%s.%N)" || {
    say "a notification is lost: $queue cannot be written"
    exit 1
  }
else
  say "$queue cannot be written: $1 runs at once"
  exec "$@"
fi
drain "$@" < /dev/null > /dev/null 2>&1 &
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
  for (const auto& each : model.notifications)
    text += "traphandle ." + each.oid + " /usr/local/sbin/vmmig-enqueue /usr/local/sbin/vmmig-trap\n";
  return text;
}

}  // namespace

std::vector<PackFile> snmptrapdPack(const Model& model) {
  auto script = "#!/bin/sh\n" +
                heading(model, "# ", "traphandle of snmptrapd: a notification in words, to syslog or to $VMMIG_TRAP_LOG.") +
                "awk '" + trapDecoder(model) + "' | {" + logging + "}\n";
  auto enqueue = "#!/bin/sh\n" +
                 heading(model, "# ", "vmmig-enqueue HANDLER: traphandle of snmptrapd that makes it wait for nothing.") +
                 queueing;
  return {
      {"vmmig-trap", "the receiver: /usr/local/sbin/vmmig-trap, mode 755", script, true},
      {"vmmig-enqueue",
       "the receiver: /usr/local/sbin/vmmig-enqueue, mode 755; install -d -o Debian-snmp -m 700 /var/spool/vmmig-traps", enqueue,
       true},
      {"snmptrapd-vmmig.conf", "the receiver: into /etc/snmp/snmptrapd.conf", configuration(model)},
  };
}

}  // namespace vmmig::nms
