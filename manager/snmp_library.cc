// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/snmp_library.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <signal.h>

#include <cstdlib>

#include "common/net_snmp.h"

namespace vmmig::snmp {

namespace {

// Not "vmmig": Net-SNMP would read our own vmmig.conf, where SNMPCONFPATH leads to it.
constexpr const char* applicationName = "vmmig-snmp";

constexpr int defaultRetries = 5;  // snmpcmd(1)
constexpr long defaultTimeoutMicroseconds = 1'000'000;

}  // namespace

void initialise() {
  static bool done = [] {
    // A peer over TCP that is gone is an error at the write, not our end.
    ::signal(SIGPIPE, SIG_IGN);
    // Modules are parsed to print names; ours are built in, and parsing costs 50 ms a start.
    ::setenv("MIBS", "", 1);
    net_snmp::captureLog();
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_ALARM_DONT_USE_SIG, 1);
    init_snmp(applicationName);
    return true;
  }();
  static_cast<void>(done);
}

void dumpPackets() { netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DUMP_PACKET, 1); }

void debug(const std::string& tokens) {
  debug_register_tokens(tokens.c_str());
  snmp_set_do_debugging(1);
}

struct SessionTemplate::Parts {
  SessionOptions options;
  netsnmp_session session{};

  Status setVersion();
  Status setTimes();
  Status setSecurity();
  Status setKey(std::string& passphrase, const char* what, std::size_t limit, unsigned char* key, std::size_t& length);
  Status argument(char letter, std::string& value);
};

Status SessionTemplate::Parts::setVersion() {
  const auto& version = options.version;
  if (version.empty()) {
    session.version = netsnmp_ds_get_int(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_SNMPVERSION);
    if (session.version == 0) session.version = SNMP_VERSION_3;
    if (session.version == NETSNMP_DS_SNMP_VERSION_1) session.version = SNMP_VERSION_1;
  } else if (version == "1") {
    session.version = SNMP_VERSION_1;
  } else if (version == "2c") {
    session.version = SNMP_VERSION_2c;
  } else if (version == "3") {
    session.version = SNMP_VERSION_3;
  } else {
    return failure("-v " + version + " is no SNMP version: give 1, 2c or 3");
  }
  if (session.version == SNMP_VERSION_1)
    return failure("SNMPv1 has no GETBULK and no 64-bit counters, which VM-MIGRATION-MIB needs: use -v 3 (or 2c to read)");
  if (!options.community.empty()) {
    session.community = reinterpret_cast<unsigned char*>(options.community.data());
    session.community_len = options.community.size();
  }
  return {};
}

Status SessionTemplate::Parts::setTimes() {
  auto number = [](const std::string& text) -> std::optional<double> {
    char* end = nullptr;
    double value = std::strtod(text.c_str(), &end);
    if (*end != '\0' || !(value >= 0) || value > 3600) return std::nullopt;
    return value;
  };
  if (!options.timeoutSeconds.empty()) {
    auto seconds = number(options.timeoutSeconds);
    if (!seconds || *seconds < 0.001)
      return failure("-t " + options.timeoutSeconds + " is no timeout: give seconds, such as 1 or 0.5");
    session.timeout = static_cast<long>(*seconds * 1e6);
  }
  if (!options.retries.empty()) {
    auto retries = number(options.retries);
    if (!retries || *retries != static_cast<int>(*retries)) return failure("-r " + options.retries + " is no number of retries");
    session.retries = static_cast<int>(*retries);
  }
  return {};
}

// The library's own parser, for the same words as in snmpcmd(1).
Status SessionTemplate::Parts::argument(char letter, std::string& value) {
  if (value.empty()) return {};
  char* unused = nullptr;
  if (snmpv3_parse_arg(letter, value.data(), &session, &unused, &unused, 0, nullptr, NETSNMP_PARSE_ARGS_NOZERO) == 0) return {};
  return failure(std::string{"-"} + letter + " " + value + " is not understood: see snmpcmd(1)");
}

Status SessionTemplate::Parts::setKey(std::string& passphrase, const char* what, std::size_t limit, unsigned char* key,
                                      std::size_t& length) {
  if (passphrase.empty()) return {};
  const oid* protocol = session.securityAuthProto;
  std::size_t protocolLength = session.securityAuthProtoLen;
  if (!protocol) protocol = get_default_authtype(&protocolLength);
  length = limit;
  int made = generate_Ku(protocol, static_cast<unsigned>(protocolLength), reinterpret_cast<unsigned char*>(passphrase.data()),
                         passphrase.size(), key, &length);
  passphrase.assign(passphrase.size(), '\0');
  if (made == SNMPERR_SUCCESS) return {};
  return failure(std::string{"the "} + what + " passphrase makes no key: it must have at least 8 characters");
}

Status SessionTemplate::Parts::setSecurity() {
  if (session.version != SNMP_VERSION_3) return {};
  for (auto [letter, value] : {std::pair{'u', &options.user},
                               {'l', &options.level},
                               {'a', &options.authProtocol},
                               {'x', &options.privProtocol},
                               {'n', &options.context}})
    if (auto status = argument(letter, *value); !status) return status;
  auto status =
      setKey(options.authPassphrase, "authentication (-A)", USM_AUTH_KU_LEN, session.securityAuthKey, session.securityAuthKeyLen);
  if (status)
    status = setKey(options.privPassphrase, "privacy (-X)", USM_PRIV_KU_LEN, session.securityPrivKey, session.securityPrivKeyLen);
  if (!status) return status;
  if (options.user.empty() && !netsnmp_ds_get_string(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_SECNAME))
    return failure(
        "no SNMPv3 user is given: set defSecurityName (and level, protocols, passphrases) in ~/.snmp/snmp.conf, or use -u");
  return {};
}

Result<SessionTemplate> SessionTemplate::make(const SessionOptions& options) {
  initialise();
  auto parts = std::make_unique<Parts>();
  parts->options = options;
  snmp_sess_init(&parts->session);
  parts->session.peername = parts->options.peer.data();
  parts->session.securityModel = SNMP_SEC_MODEL_USM;
  // We ask for the engine ID ourselves: the library's probe blocks.
  parts->session.flags |= SNMP_FLAGS_DONT_PROBE;
  for (auto step : {&Parts::setVersion, &Parts::setTimes, &Parts::setSecurity})
    if (auto status = (*parts.*step)(); !status) return failure(status.error());
  return SessionTemplate{std::move(parts)};
}

SessionTemplate::SessionTemplate(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SessionTemplate::SessionTemplate(SessionTemplate&&) noexcept = default;
SessionTemplate& SessionTemplate::operator=(SessionTemplate&&) noexcept = default;
SessionTemplate::~SessionTemplate() = default;

snmp_session& SessionTemplate::session() { return parts_->session; }

void SessionTemplate::sendOnce() {
  auto& session = parts_->session;
  auto orDefault = [](int key, int least, int fallback) {
    int value = netsnmp_ds_get_int(NETSNMP_DS_LIBRARY_ID, key);
    return value < least ? fallback : value;
  };
  long retries = session.retries;
  if (retries == SNMP_DEFAULT_RETRIES) retries = orDefault(NETSNMP_DS_LIB_RETRIES, 0, defaultRetries);
  if (session.timeout == SNMP_DEFAULT_TIMEOUT) {
    int seconds = orDefault(NETSNMP_DS_LIB_TIMEOUT, 1, 0);
    session.timeout = seconds ? seconds * 1'000'000L : defaultTimeoutMicroseconds;
  }
  session.timeout *= retries + 1;
  session.retries = 0;
}

SessionSecurity SessionTemplate::security() const {
  const auto& session = parts_->session;
  if (session.version != SNMP_VERSION_3) return {.version = "2c", .level = "noAuthNoPriv", .user = {}};
  int level = session.securityLevel;
  if (level <= 0) level = netsnmp_ds_get_int(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_SECLEVEL);
  const char* user =
      session.securityName ? session.securityName : netsnmp_ds_get_string(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_SECNAME);
  const char* name = level == SNMP_SEC_LEVEL_AUTHPRIV     ? "authPriv"
                     : level == SNMP_SEC_LEVEL_AUTHNOPRIV ? "authNoPriv"
                                                          : "noAuthNoPriv";
  return {.version = "3", .level = name, .user = user ? user : ""};
}

Trouble troubleOf(int snmpError) {
  switch (snmpError) {
    case SNMPERR_UNKNOWN_USER_NAME:
    case SNMPERR_USM_UNKNOWNSECURITYNAME: return Trouble::unknownUser;
    case SNMPERR_AUTHENTICATION_FAILURE:
    case SNMPERR_USM_AUTHENTICATIONFAILURE: return Trouble::wrongDigest;
    case SNMPERR_DECRYPTION_ERR:
    case SNMPERR_USM_DECRYPTIONERROR: return Trouble::decryption;
    case SNMPERR_UNSUPPORTED_SEC_LEVEL:
    case SNMPERR_USM_UNSUPPORTEDSECURITYLEVEL: return Trouble::securityLevel;
    case SNMPERR_NOT_IN_TIME_WINDOW:
    case SNMPERR_USM_NOTINTIMEWINDOW: return Trouble::timeWindow;
    case SNMPERR_UNKNOWN_ENG_ID:
    case SNMPERR_USM_UNKNOWNENGINEID: return Trouble::engineId;
    default: return Trouble::other;
  }
}

std::string explain(int snmpError) {
  switch (snmpError) {
    case SNMPERR_UNKNOWN_USER_NAME:
    case SNMPERR_USM_UNKNOWNSECURITYNAME:
      return "it does not know the SNMPv3 user: check -u or defSecurityName, and createUser in its snmpd.conf";
    case SNMPERR_AUTHENTICATION_FAILURE:
    case SNMPERR_USM_AUTHENTICATIONFAILURE:
      return "authentication failed: check the authentication passphrase and protocol (defAuthPassphrase, defAuthType; -A, -a)";
    case SNMPERR_DECRYPTION_ERR:
    case SNMPERR_USM_DECRYPTIONERROR:
      return "it could not decrypt the request: check the privacy passphrase and protocol (defPrivPassphrase, defPrivType; -X, "
             "-x)";
    case SNMPERR_UNSUPPORTED_SEC_LEVEL:
    case SNMPERR_USM_UNSUPPORTEDSECURITYLEVEL:
      return "the SNMPv3 user cannot be used at this security level: check passphrases and level (defSecurityLevel authPriv; -l)";
    case SNMPERR_NOT_IN_TIME_WINDOW:
    case SNMPERR_USM_NOTINTIMEWINDOW:
      return "its engine time does not agree with what we know: its snmpd may have lost its engineBoots (persistent directory)";
    case SNMPERR_UNKNOWN_ENG_ID:
    case SNMPERR_USM_UNKNOWNENGINEID: return "it has another engine ID than before: was its snmpd set up anew? Try again";
    case SNMPERR_USM_GENERICERROR:
      return "the SNMPv3 keys cannot be used: is a passphrase missing for this security level (defAuthPassphrase, "
             "defPrivPassphrase)?";
    case SNMPERR_BAD_CONTEXT: return "it does not know the context: check -n or defContext";
    default: return snmp_api_errstring(snmpError);
  }
}

}  // namespace vmmig::snmp
