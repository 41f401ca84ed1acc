// SPDX-License-Identifier: GPL-2.0-or-later
// The way to the agent: transports, USM, VACM, and whether vmmigd stands behind snmpd.
#include <cstdio>

#include "manager/doctor.h"

namespace vmmig::doctor {

namespace {

constexpr auto reachLimit = std::chrono::seconds{2};

const Oid sysDescr = {1, 3, 6, 1, 2, 1, 1, 1, 0};
// NET-SNMP-AGENT-MIB: nsModuleName, with the context (its length and octets) and the subtree (its length and sub-identifiers)
// behind.
const Oid nsModuleName = {1, 3, 6, 1, 4, 1, 8072, 1, 2, 1, 1, 4};

Oid scalarOid(std::string_view column) {
  const auto& table = TableOf<DeviceScalars>::info;
  return mib::oidOf(table, *table.column(column)) + 0u;
}

/// Whether GETNEXT has found something there. The end of the view comes under the name that was asked for.
bool isUnder(const Oid& prefix, const Result<Response>& answer) {
  if (!answer || answer->status != SnmpStatus::noError || answer->varbinds.size() != 1) return false;
  const auto& varbind = answer->varbinds.front();
  return !varbind.value.isException() && startsWith(varbind.name, prefix);
}

bool isAccessRefusal(SnmpStatus status) { return status == SnmpStatus::noAccess || status == SnmpStatus::authorizationError; }

}  // namespace

Task<> Examination::checkReachability() {
  auto endpoint = endpointOf(subject_.peer);
  if (!endpoint) {
    ok("reachability", "the transport of " + subject_.peer + " is none that can be tried without a user");
    co_return;
  }
  auto other = *endpoint;
  other.tcp = !other.tcp;
  auto found = co_await tryTransport(*endpoint, true);
  isReached_ = found.is == Reach::Is::answers;
  localAddress_ = found.localAddress;
  if (found.is == Reach::Is::unknownHost) co_return;
  co_await tryTransport(other, false);
}

Task<Reach> Examination::tryTransport(Endpoint endpoint, bool isOurs) {
  auto found = co_await reach(loop_, endpoint, reachLimit);
  auto where = toString(endpoint);
  std::string protocol = endpoint.tcp ? "tcp" : "udp";
  auto listen = "agentaddress " + protocol + ":" + endpoint.port + " in its snmpd.conf";
  std::string text, remedy;
  char took[32];
  switch (found.is) {
    case Reach::Is::answers:
      std::snprintf(took, sizeof took, "%.1f ms", found.milliseconds);
      ok("reachability", "an SNMPv3 agent answers at " + where + " in " + took);
      co_return found;
    case Reach::Is::refused:
      text = where + " is refused";
      remedy = "start snmpd there, and let it listen: " + listen;
      break;
    case Reach::Is::silent:
      text = where + " does not answer (" + found.reason + ")";
      remedy = endpoint.tcp
                   ? "something else than snmpd listens there, or it hangs: look at port " + endpoint.port + " on the device"
                   : "is the device up, does snmpd listen there (" + listen + "), does a firewall let us through?";
      break;
    case Reach::Is::noConnection:
      text = where + " does not answer";
      remedy = "is the device up, and does a firewall let TCP through?";
      break;
    case Reach::Is::unknownHost:
      text = "the host \"" + endpoint.host + "\" is not known: " + found.reason;
      remedy = "correct the address (agent= in vmmig.conf), or the name service";
      break;
    case Reach::Is::noRoute:
      text = "there is no way to " + where + ": " + found.reason;
      remedy = "check the route to the device, and the address";
      break;
  }
  if (isOurs)
    fault("reachability", text, remedy);
  else if (!endpoint.tcp)
    ok("reachability", text + "; TCP is what is used");
  else if (isReached_)
    warn("reachability", text + ", and over UDP large transfers are slower and can be lost",
         "let it listen on TCP too (" + listen + "), and name it tcp:" + endpoint.host);
  co_return found;
}

void Examination::checkSecurity() {
  auto security = session().security();
  if (security.version != "3")
    return warn("security", "SNMPv" + security.version + " is spoken: anybody on the way can read the community and write",
                "use SNMPv3 with authPriv: defVersion 3 in snmp.conf, createUser and rwuser ... priv in its snmpd.conf");
  if (security.level != "authPriv")
    return warn("security",
                "user " + security.user + " speaks SNMPv3 at the level " + security.level + ", which is not protected whole",
                "defSecurityLevel authPriv in snmp.conf (or level = authPriv in vmmig.conf)");
  ok("security", "user " + security.user + " speaks SNMPv3 with authPriv");
}

/// What to add to snmpd.conf so that this user may do its work.
std::string Examination::accessLines() const {
  auto user = subject_.agent->session().security().user;
  return "in its snmpd.conf: rwuser " + (user.empty() ? "USER" : user) + " priv ." + toString(mib::objects()) +
         " (or view, group and access lines to the same end), then restart snmpd";
}

void Examination::explainTrouble(const std::string& error) {
  auto user = session().security().user;
  switch (session().trouble()) {
    case Trouble::unknownUser:
      return fault("security", "the agent does not know the user " + user,
                   "createUser " + user + " in its snmpd.conf (while snmpd is stopped), or correct defSecurityName in snmp.conf");
    case Trouble::wrongDigest:
      return fault("security", "the agent knows the user " + user + ", and the authentication passphrase or protocol is wrong",
                   "make defAuthPassphrase and defAuthType in snmp.conf what createUser said on the device");
    case Trouble::decryption:
      return fault("security", "the agent cannot decrypt what user " + user + " sends",
                   "make defPrivPassphrase and defPrivType in snmp.conf what createUser said on the device");
    case Trouble::securityLevel:
      return fault("security", "user " + user + " cannot be used at the level " + session().security().level,
                   "createUser with an authentication and a privacy passphrase on the device, defSecurityLevel authPriv here");
    case Trouble::timeWindow:
      return fault("security", "the agent's engine time does not agree with what we know (notInTimeWindow)",
                   "keep snmpd's persistent directory, where engineBoots is, across restarts; then try again");
    case Trouble::engineId:
      return fault("security", "the agent has another engine ID than it said", "give each device an engine ID of its own");
    case Trouble::noAnswer:
      if (session().security().level == "authPriv")
        return fault(
            "security", "the agent answers, but not what user " + user + " sends encrypted",
            "a wrong privacy passphrase or protocol looks like this: compare defPrivPassphrase and defPrivType in snmp.conf "
            "with createUser on the device; else it is overloaded");
      return fault("security", "the agent can be reached, and does not answer user " + user,
                   "check the community or the user's level");
    default:
      return fault("security", error, "check the user, its passphrases and protocols in snmp.conf against createUser there");
  }
}

Task<> Examination::checkAgent() {
  std::vector<Oid> descr{scalarOid("vmMigDescr")};
  auto answer = co_await session().get(descr);
  if (!answer) {
    isReached_ = false;
    explainTrouble(answer.error().text);
    co_return;
  }
  if (isAccessRefusal(answer->status)) {
    fault("rights", "user " + session().security().user + " may not read anything there", accessLines());
    co_return;
  }
  if (answer->status != SnmpStatus::noError || answer->varbinds.size() != 1) {
    fault("agentx",
          "snmpd answers for VM-MIGRATION-MIB with " + std::string{vmmig::name(answer->status)} + ": vmmigd does not answer it",
          "see the log of vmmigd, and restart it if it hangs");
    co_return;
  }
  if (answer->varbinds.front().value.isException()) co_return co_await explainMissing();
  AnyRow key{TableOf<DeviceScalars>::info};
  auto row = co_await subject_.agent->read(std::move(key));
  if (!row || !*row) {
    fault("rights", row ? "only a part of VM-MIGRATION-MIB can be read" : row.error().text, accessLines());
    co_return;
  }
  scalars_ = (*row)->as<DeviceScalars>();
  ok("agentx", "vmmigd answers: " + scalars_->descr.value);
}

/// snmpd answers, and VM-MIGRATION-MIB is not there: vmmigd is not, or a view hides it. snmpd's own list of modules tells which,
/// for who may see it.
Task<> Examination::explainMissing() {
  constexpr const char* connect =
      "start vmmigd there (systemctl status vmmigd); snmpd.conf needs \"master agentx\", and agentXSocket the same as vmmigd's "
      "agentx-socket, with agentXPerms that let vmmigd connect";
  std::vector<Oid> names{nsModuleName};
  auto any = co_await session().getNext(names);
  if (!isUnder(nsModuleName, any)) {
    names.front() = sysDescr;
    auto system = co_await session().get(names);
    bool seesSystem = isUnder(sysDescr, system);
    fault("agentx",
          std::string{seesSystem ? "snmpd answers (sysDescr is there), " : "snmpd answers, "} +
              "but VM-MIGRATION-MIB is not to be seen: vmmigd is not connected, or the view of user " +
              session().security().user + " hides it",
          std::string{connect} + "; for the view, " + accessLines());
    co_return;
  }
  auto ours = nsModuleName + 0u;
  ours.push_back(static_cast<std::uint32_t>(mib::objects().size()));
  ours = ours + mib::objects();
  names.front() = ours;
  auto found = co_await session().getNext(names);
  if (isUnder(ours, found))
    fault("rights", "vmmigd is connected to snmpd, but the view of user " + session().security().user + " hides VM-MIGRATION-MIB",
          accessLines());
  else
    fault("agentx", "snmpd answers, and vmmigd is not connected to it", connect);
}

Task<> Examination::checkWriting() {
  // What it has already: nothing changes.
  std::vector<smi::VarBind> same{{scalarOid("vmMigNotificationsEnable"), Codec<bool>::toValue(scalars_->notificationsEnable)}};
  auto answer = co_await session().set(same);
  if (!answer) {
    fault("rights", "a SET is not answered: " + answer.error().text, "see the logs of snmpd and vmmigd");
  } else if (answer->status == SnmpStatus::noError) {
    ok("rights", "user " + session().security().user + " may read and write VM-MIGRATION-MIB");
  } else if (isAccessRefusal(answer->status) || answer->status == SnmpStatus::notWritable) {
    fault("rights",
          "user " + session().security().user + " may read and not write (" + std::string{vmmig::name(answer->status)} +
              "): it cannot migrate",
          accessLines());
  } else {
    fault("rights", "a SET fails with " + std::string{vmmig::name(answer->status)}, "see the logs of snmpd and vmmigd");
  }
}

}  // namespace vmmig::doctor
