// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/nms/trap_decoder.h"

#include <set>

#include "manager/nms/pack.h"

namespace vmmig::nms {

namespace {

constexpr const char* program = R"awk(
# A UUID is an index of 16 numbers; leading zeros of its octets are not in the OID.
function uuidOf(instance,   part, i, text) {
  if (split(instance, part, ".") != 16) return "-"
  text = ""
  for (i = 1; i <= 16; i++) text = text sprintf("%02x", part[i]) (i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "")
  return text
}
function plain(text) {
  gsub(/[^ -~\200-\377]/, " ", text)
  sub(/^"/, "", text); sub(/"$/, "", text)
  return text
}
# An enumeration comes as its number, or as its label where the module is loaded.
function take(oid, value,   object, known) {
  if (oid == ".1.3.6.1.6.3.1.1.4.1.0") { sub(/^iso[.]/, ".1.", value); notification = trap[value]; return }
  for (object in name) {
    if (index(oid, object ".") != 1) continue
    known = label[object, value]
    value = known == "" ? plain(value) : known
    seen[name[object]] = value
    if (vm == "-") vm = uuidOf(substr(oid, length(object) + 2))
    words = words "; " name[object] "=" value
    return
  }
}
NR == 1 { next }
NR == 2 { from = match($0, /\[[^]]*\]/) ? substr($0, RSTART + 1, RLENGTH - 2) : "-"; next }
/^([.]|iso[.])[0-9.]+ / {
  if (oid != "") take(oid, rest)
  oid = $1; rest = substr($0, length($1) + 2)
  sub(/^iso[.]/, ".1.", oid)
  next
}
{ rest = rest " " $0 }
END {
  if (oid != "") take(oid, rest)
  if (notification == "") exit
  worst = severity[notification]; decided = 0
  for (key in exception) {
    split(key, part, SUBSEP)
    if (part[1] == notification && seen[part[2]] == part[3] && (!decided || exception[key] > worst)) {
      worst = exception[key]; decided = 1; said = because[key]
    }
  }
  printf "%d\t%s\t%s\t%s\t%s\n", worst, notification, from, vm, (decided ? said : summary[notification]) words
}
)awk";

/// A text as a string of awk inside single quotes of sh.
std::string awkText(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '\'')
      out += "\\047";
    else if (c == '"' || c == '\\')
      out += std::string{"\\"} + c;
    else
      out += c;
  }
  return out + "\"";
}

std::string objectsOf(const Model& model) {
  std::string text;
  std::set<std::string> done;
  for (const auto& notification : model.notifications)
    for (const auto& name : notification.objects) {
      const auto* object = model.object(name);
      if (!object || !done.insert(name).second) continue;
      auto oid = awkText("." + object->oid);
      text += "  name[" + oid + "] = " + awkText(name) + "\n";
      for (const auto& label : object->labels)
        text += "  label[" + oid + ", \"" + std::to_string(label.number) + "\"] = " + awkText(label.name) + "\n";
    }
  return text;
}

std::string rulesOf(const Model& model) {
  std::string text;
  for (const auto& notification : model.notifications) {
    const auto& rule = ruleOf(notification);
    auto key = awkText(notification.name);
    text += "  trap[" + awkText("." + notification.oid) + "] = " + key + "\n";
    text += "  severity[" + key + "] = " + std::to_string(static_cast<int>(rule.severity)) + "\n";
    text += "  summary[" + key + "] = " + awkText(rule.summary) + "\n";
    for (const auto& each : rule.exceptions) {
      auto place = "[" + key + ", " + awkText(each.object) + ", " + awkText(each.label) + "] = ";
      text += "  exception" + place + std::to_string(static_cast<int>(each.severity)) + "\n";
      text += "  because" + place + awkText(each.summary) + "\n";
    }
  }
  return text;
}

}  // namespace

std::string trapDecoder(const Model& model) {
  return "BEGIN {\n  vm = \"-\"; from = \"-\"\n" + objectsOf(model) + rulesOf(model) + "}" + program;
}

}  // namespace vmmig::nms
