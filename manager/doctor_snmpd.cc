// SPDX-License-Identifier: GPL-2.0-or-later
// snmpd's own settings, as far as SNMP shows them: how long it waits for vmmigd, where INFORMs go, how large a message may be.
#include <algorithm>

#include "manager/doctor.h"
#include "mibs/image_table.h"

namespace vmmig::doctor {

namespace {

// NET-SNMP-AGENT-MIB: in centiseconds; 0: what agentXTimeout says, which no object shows.
const Oid nsModuleTimeout = {1, 3, 6, 1, 4, 1, 8072, 1, 2, 1, 1, 6};
constexpr std::int64_t leastCentiseconds = 1000;
// SNMP-TARGET-MIB (RFC 3413): each address that notifications go to. trapsess, trap2sink and informsink make rows of it as well.
const Oid snmpTargetAddrTAddress = {1, 3, 6, 1, 6, 3, 12, 1, 2, 1, 3};
constexpr int mostTargets = 64;

constexpr std::size_t largeMessage = 32 * 1024;

bool isFine(const Result<Response>& answer) {
  return answer && answer->status == SnmpStatus::noError && !answer->varbinds.empty();
}

/// Whether GETNEXT has found something there. The end of the view comes under the name that was asked for.
bool isUnder(const Oid& prefix, const Result<Response>& answer) {
  if (!isFine(answer)) return false;
  const auto& varbind = answer->varbinds.front();
  return !varbind.value.isException() && startsWith(varbind.name, prefix);
}

/// RFC 3417: address, then port.
std::uint16_t portOf(const std::string& target) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(target[target.size() - 2]) << 8 |
                                    static_cast<unsigned char>(target.back()));
}

}  // namespace

Task<> Examination::checkSnmpd() {
  auto ours = nsModuleTimeout + 0u;
  ours.push_back(static_cast<std::uint32_t>(mib::objects().size()));
  ours = ours + mib::objects();
  std::vector<Oid> names{ours};
  auto answer = co_await session().getNext(names);
  bool isSeen = isUnder(ours, answer);
  auto timeout = isSeen ? answer->varbinds.front().value.number : 0;
  constexpr const char* lines = "agentXTimeout 30 and agentXRetries 0 in its snmpd.conf";
  if (timeout > 0 && timeout < leastCentiseconds)
    warn("snmpd", "snmpd takes vmmigd for dead after " + std::to_string(timeout / 100) + " s without an answer (nsModuleTimeout)",
         lines);
  else if (timeout > 0)
    ok("snmpd", "snmpd waits " + std::to_string(timeout / 100) + " s for vmmigd (nsModuleTimeout)");
  else
    ok("snmpd", std::string{"SNMP does not show how long snmpd waits for vmmigd: see that there is "} + lines);
}

Task<> Examination::checkInforms() {
  if (subject_.informPort == 0 || localAddress_.empty()) co_return;
  std::vector<Oid> names{snmpTargetAddrTAddress};
  int targets = 0;
  bool isVisible = false, isThere = false;
  for (; targets < mostTargets && !isThere; ++targets) {
    auto answer = co_await session().getNext(names);
    // A view that hides the table shows something behind it, or the end.
    if (!isUnder(snmpTargetAddrTAddress, answer)) break;
    const auto& varbind = answer->varbinds.front();
    if (varbind.value.octets.size() <= 2 || varbind.name <= names.front()) break;
    isVisible = true;
    const auto& target = varbind.value.octets;
    isThere = target.starts_with(localAddress_) && portOf(target) == subject_.informPort;
    names.front() = varbind.name;
  }
  auto port = std::to_string(subject_.informPort);
  bool isHost = scalars_ && scalars_->capabilities.has(Capability::phase);
  if (isThere)
    ok("informs", "its notifications go to this manager, UDP port " + port);
  else if (isVisible && isHost)
    warn("informs", "its notifications go elsewhere, not to this manager at UDP port " + port,
         "a trapsess line for this manager's address in its snmpd.conf, see vmmigd(8); until then `vmmig serve` only polls");
  else
    ok("informs", isVisible ? "its notifications go to others, which a device need not change"
                            : "no target of its notifications can be seen: there is none, or the view of this user hides them");
}

/// Chunks of images are as large. Names of rows that are not there make a request and an answer of that size, and change nothing.
Task<> Examination::checkMessageSize() {
  const auto& table = TableOf<ImageRow>::info;
  std::vector<Oid> names;
  for (std::size_t octets = 0; octets < largeMessage;) {
    auto name = mib::oidOf(table, *table.column("vmMigImageData"));
    name.push_back(static_cast<std::uint32_t>(names.size()));
    name.resize(maxOidLength, 0xffffffff);
    octets += 5 * name.size();  // BER has five octets for each of these sub-identifiers
    names.push_back(std::move(name));
  }
  auto answer = co_await session().get(names);
  auto endpoint = endpointOf(subject_.peer);
  bool isTcp = endpoint && endpoint->tcp;
  if (isFine(answer))
    ok("message size", "a message of 32 KB comes through, and its answer");
  else if (answer)
    warn("message size", "a message of 32 KB is answered with " + std::string{vmmig::name(answer->status)},
         "let its snmpd take large messages: no maxMsgSize that is less than 65507 on either side");
  else
    warn("message size", "a message of 32 KB gets no answer",
         isTcp ? "look at the link's MTU, and at what stands between"
               : "use TCP (agent = tcp:...); or [snmp] serverRecvBuf 4194304 in "
                 "its snmpd.conf, and let fragments through");
}

}  // namespace vmmig::doctor
