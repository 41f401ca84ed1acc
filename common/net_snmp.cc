// SPDX-License-Identifier: GPL-2.0-or-later
// One of the few files that see Net-SNMP's headers.
#include "common/net_snmp.h"

// Net-SNMP's headers need this order, which the empty lines keep.
#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <net-snmp/library/large_fd_set.h>

#include <algorithm>

#include "common/log.h"

namespace vmmig::net_snmp {

namespace {

constexpr oid nullOid[] = {0, 0};

std::vector<oid> toNative(OidSpan name) {
  std::vector<oid> native(name.begin(), name.end());
  return native;
}

Oid fromNative(const oid* sub, std::size_t count) {
  Oid name;
  name.reserve(count);
  // A sub-identifier is 32 bits wide on the wire; Net-SNMP keeps it in a long.
  std::transform(sub, sub + count, std::back_inserter(name), [](oid each) { return static_cast<std::uint32_t>(each); });
  return name;
}

smi::Value fromNativeValue(const variable_list& variable) {
  std::string octets;
  if (variable.val.string) octets.assign(reinterpret_cast<const char*>(variable.val.string), variable.val_len);
  switch (variable.type) {
    case ASN_INTEGER: return {smi::Type::integer, variable.val.integer ? *variable.val.integer : 0, {}, {}};
    case ASN_COUNTER:
    case ASN_GAUGE:
    case ASN_TIMETICKS:
      return {static_cast<smi::Type>(variable.type), variable.val.integer ? *variable.val.integer & 0xffffffffL : 0, {}, {}};
    case ASN_COUNTER64: {
      const auto* words = variable.val.counter64;
      std::uint64_t number = words ? std::uint64_t{words->high} << 32 | (words->low & 0xffffffffu) : 0;
      return smi::Value::counter64(number);
    }
    case ASN_OBJECT_ID: return smi::Value::objectId(fromNative(variable.val.objid, variable.val_len / sizeof(oid)));
    case ASN_NULL:
    case SNMP_NOSUCHOBJECT:
    case SNMP_NOSUCHINSTANCE:
    case SNMP_ENDOFMIBVIEW: return {static_cast<smi::Type>(variable.type), 0, {}, {}};
    case ASN_OCTET_STR:
    case ASN_IPADDRESS: return {static_cast<smi::Type>(variable.type), 0, std::move(octets), {}};
    // Opaque floats and other relics: no object of ours has such a type, hence wrongType for whoever sends them.
    default: return {smi::Type::opaque, 0, {}, {}};
  }
}

/// A value in the form that the library copies from; valid as long as this object.
class NativeValue {
 public:
  explicit NativeValue(const smi::Value& value) {
    switch (value.type) {
      case smi::Type::integer:
      case smi::Type::counter32:
      case smi::Type::gauge32:
      case smi::Type::timeTicks:
        number_ = static_cast<long>(value.number);
        data_ = &number_;
        size_ = sizeof number_;
        break;
      case smi::Type::counter64:
        words_.high = static_cast<u_long>(static_cast<std::uint64_t>(value.number) >> 32);
        words_.low = static_cast<u_long>(value.number & 0xffffffff);
        data_ = &words_;
        size_ = sizeof words_;
        break;
      case smi::Type::octetString:
      case smi::Type::ipAddress:
      case smi::Type::opaque:
        data_ = value.octets.data();
        size_ = value.octets.size();
        break;
      case smi::Type::objectId:
        oid_ = toNative(value.oid);
        data_ = oid_.data();
        size_ = oid_.size() * sizeof(oid);
        break;
      default: break;  // null and the exceptions have no content
    }
  }
  NativeValue(const NativeValue&) = delete;
  NativeValue& operator=(const NativeValue&) = delete;

  const void* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  long number_ = 0;
  counter64 words_{};
  std::vector<oid> oid_;
  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Net-SNMP's set of descriptors of any number, freed at the end.
class FdSet {
 public:
  FdSet() {
    netsnmp_large_fd_set_init(&set_, FD_SETSIZE);
    NETSNMP_LARGE_FD_ZERO(&set_);
  }
  FdSet(const FdSet&) = delete;
  FdSet& operator=(const FdSet&) = delete;
  ~FdSet() { netsnmp_large_fd_set_cleanup(&set_); }
  netsnmp_large_fd_set* get() { return &set_; }
  void add(int fd) { NETSNMP_LARGE_FD_SET(fd, &set_); }
  bool has(int fd) { return NETSNMP_LARGE_FD_ISSET(fd, &set_); }

 private:
  netsnmp_large_fd_set set_;
};

int logged(int, int, void* message, void*) {
  const auto* line = static_cast<const snmp_log_message*>(message);
  std::string_view text = line->msg ? line->msg : "";
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.empty()) return 0;
  // What the library says below a warning is about its own workings.
  auto level = line->priority <= LOG_ERR       ? log::Level::error
               : line->priority == LOG_WARNING ? log::Level::warning
                                               : log::Level::debug;
  log::write(level, std::string{"Net-SNMP: "} + std::string{text});
  return 0;
}

}  // namespace

smi::VarBind fromVariable(const variable_list& variable) {
  return {fromNative(variable.name, variable.name_length), fromNativeValue(variable)};
}

void appendVariable(variable_list** list, const smi::VarBind& varbind) {
  auto name = toNative(varbind.name);
  NativeValue value{varbind.value};
  snmp_varlist_add_variable(list, name.empty() ? nullOid : name.data(), name.empty() ? std::size(nullOid) : name.size(),
                            static_cast<u_char>(varbind.value.type), value.data(), value.size());
}

void setVariable(variable_list& variable, OidSpan name, const smi::Value& value) {
  auto native = toNative(name);
  NativeValue content{value};
  snmp_set_var_objid(&variable, native.data(), native.size());
  snmp_set_var_typed_value(&variable, static_cast<u_char>(value.type), content.data(), content.size());
}

std::optional<Clock::duration> Source::prepare(std::vector<pollfd>& fds) {
  // Alarms are run by dispatch(), never by SIGALRM.
  netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_ALARM_DONT_USE_SIG, 1);
  FdSet set;
  int count = 0;
  int block = 1;
  timeval timeout{};
  snmp_select_info2(&count, set.get(), &timeout, &block);
  for (int fd = 0; fd < count; ++fd)
    if (set.has(fd)) fds.push_back({fd, POLLIN, 0});
  if (block) return std::nullopt;
  auto wait = std::chrono::seconds{timeout.tv_sec} + std::chrono::microseconds{timeout.tv_usec};
  return std::max<Clock::duration>(wait, Clock::duration::zero());
}

void Source::dispatch(std::vector<pollfd> fds) {
  FdSet ready;
  bool any = false;
  for (const auto& fd : fds) {
    if (fd.revents == 0) continue;
    // Also POLLHUP, POLLERR and POLLNVAL: reading fails, which makes the library drop the session. Not to read would spin.
    ready.add(fd.fd);
    any = true;
  }
  if (any) snmp_read2(ready.get());
  snmp_timeout();
  run_alarms();
}

void captureLog() {
  snmp_disable_log();
  netsnmp_register_loghandler(NETSNMP_LOGHANDLER_CALLBACK, LOG_DEBUG);
  snmp_register_callback(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, logged, nullptr);
}

}  // namespace vmmig::net_snmp
