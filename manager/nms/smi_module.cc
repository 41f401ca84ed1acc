// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/nms/smi_module.h"

#include <sys/types.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <set>

#include "common/oid.h"

// libsmi's header has a parameter named `class`.
#define class class_
extern "C" {
#include <smi.h>
}
#undef class

#ifdef __SANITIZE_ADDRESS__
/// smiExit() forgets some of what it has allocated, and the texts of its errors. Nothing of ours is lost by it.
extern "C" const char* __lsan_default_suppressions() { return "leak:libsmi\nleak:__vasprintf_internal\n"; }
#endif

namespace vmmig::nms {

namespace {

constexpr const char* moduleName = "VM-MIGRATION-MIB";
constexpr int worstLevel = 3;  // of libsmi's: errors; the others are warnings about style

/// libsmi tells its errors to a function without any argument of ours.
thread_local std::string firstError;

extern "C" void onSmiError(char* path, int line, int severity, char* message, char*) {
  if (severity > worstLevel || !firstError.empty()) return;
  firstError = (path ? std::string{path} + ":" + std::to_string(line) + ": " : std::string{}) + (message ? message : "");
}

/// libsmi is one state for the whole process: open for as long as this lives.
class Library {
 public:
  explicit Library(const std::string& path) {
    firstError.clear();
    smiInit("vmmig");
    smiSetPath(path.c_str());
    smiSetFlags(smiGetFlags() | SMI_FLAG_ERRORS);
    smiSetErrorLevel(worstLevel);
    smiSetErrorHandler(onSmiError);
  }
  ~Library() { smiExit(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
};

Oid numbersOf(const SmiNode& node) { return {node.oid, node.oid + node.oidlen}; }

std::string textOf(const char* text) {
  // As the module wraps its lines is nobody's business in an NMS.
  std::string plain;
  for (const char* at = text ? text : ""; *at; ++at) {
    bool isSpace = *at == ' ' || *at == '\n' || *at == '\t' || *at == '\r';
    if (!isSpace)
      plain += *at;
    else if (!plain.empty() && plain.back() != ' ')
      plain += ' ';
  }
  while (plain.ends_with(' ')) plain.pop_back();
  return plain;
}

std::vector<SmiType*> lineage(SmiType* type) {
  std::vector<SmiType*> types;
  for (; type; type = smiGetParentType(type)) types.push_back(type);
  return types;
}

bool isA(SmiType* type, std::string_view name) {
  auto types = lineage(type);
  return std::any_of(types.begin(), types.end(), [name](auto* each) { return each->name && each->name == name; });
}

std::vector<Label> labelsOf(SmiType* type) {
  std::vector<Label> labels;
  for (auto* each : lineage(type)) {
    for (auto* n = smiGetFirstNamedNumber(each); n; n = smiGetNextNamedNumber(n)) {
      bool isUnsigned = n->value.basetype == SMI_BASETYPE_UNSIGNED32;
      auto number = isUnsigned ? static_cast<std::int64_t>(n->value.value.unsigned32) : n->value.value.integer32;
      labels.push_back({number, n->name});
    }
    if (!labels.empty()) break;
  }
  std::sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.number < b.number; });
  return labels;
}

std::size_t fixedSizeOf(SmiType* type) {
  for (auto* each : lineage(type)) {
    auto* range = smiGetFirstRange(each);
    if (!range) continue;
    bool single = range->minValue.value.unsigned32 == range->maxValue.value.unsigned32 && !smiGetNextRange(range);
    return single ? range->minValue.value.unsigned32 : 0;
  }
  return 0;
}

Kind kindOf(SmiType* type, std::string_view units) {
  if (isA(type, "RowStatus") || isA(type, "StorageType")) return Kind::row;
  if (isA(type, "SnmpAdminString")) return Kind::text;
  // A convention of Counter64 that can fall (RFC 2856), as SMIv2 has no 64 bit gauge.
  if (isA(type, "CounterBasedGauge64")) return units == "microseconds" ? Kind::time : Kind::gauge;
  if (isA(type, "Counter32") || isA(type, "Counter64")) return Kind::counter;
  switch (type->basetype) {
    case SMI_BASETYPE_ENUM: return Kind::state;
    case SMI_BASETYPE_BITS: return Kind::bits;
    case SMI_BASETYPE_INTEGER32:
    case SMI_BASETYPE_UNSIGNED32: return Kind::gauge;
    default: return Kind::octets;
  }
}

Object objectOf(SmiNode* node) {
  auto* type = smiGetNodeType(node);
  Object object;
  object.name = node->name;
  object.oid = toString(numbersOf(*node));
  object.description = textOf(node->description);
  object.units = textOf(node->units);
  object.kind = kindOf(type, object.units);
  object.readable = node->access >= SMI_ACCESS_READ_ONLY;
  object.labels = labelsOf(type);
  if (type->basetype == SMI_BASETYPE_OCTETSTRING) object.fixedSize = fixedSizeOf(type);
  return object;
}

/// In the order of their OIDs, whatever libsmi's own is.
std::vector<SmiNode*> nodesOf(SmiModule* module, SmiNodekind kind) {
  std::vector<SmiNode*> nodes;
  for (auto* n = smiGetFirstNode(module, kind); n; n = smiGetNextNode(n, kind))
    if (n->status == SMI_STATUS_CURRENT) nodes.push_back(n);
  std::sort(nodes.begin(), nodes.end(), [](auto* a, auto* b) { return compare(numbersOf(*a), numbersOf(*b)) < 0; });
  return nodes;
}

std::vector<SmiNode*> elementsOf(SmiNode* node) {
  std::vector<SmiNode*> nodes;
  for (auto* e = smiGetFirstElement(node); e; e = smiGetNextElement(e)) nodes.push_back(smiGetElementNode(e));
  return nodes;
}

Result<Table> tableOf(SmiModule* module, SmiNode* node) {
  Table table{.name = node->name, .oid = toString(numbersOf(*node)), .columns = {}, .index = {}};
  auto* row = smiGetFirstChildNode(node);
  if (!row || row->indexkind != SMI_INDEX_INDEX || row->implied)
    return failure(table.name + " in " + moduleName + " has an index that the packs cannot show");
  auto columns = nodesOf(module, SMI_NODEKIND_COLUMN);
  for (auto* each : columns)
    if (smiGetParentNode(each)->name == std::string_view{row->name}) table.columns.push_back(objectOf(each));
  for (auto* each : elementsOf(row)) table.index.push_back(objectOf(each));
  return table;
}

std::string isoTime(time_t time) {
  struct tm parts {};
  char text[32];
  if (!gmtime_r(&time, &parts) || std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) return "";
  return text;
}

Result<Model> modelOf(SmiModule* module) {
  Model model;
  model.module = moduleName;
  model.oid = toString(numbersOf(*smiGetModuleIdentityNode(module)));
  if (auto* revision = smiGetFirstRevision(module)) model.lastUpdated = isoTime(revision->date);
  for (auto* n : nodesOf(module, SMI_NODEKIND_SCALAR)) model.scalars.push_back(objectOf(n));
  for (auto* n : nodesOf(module, SMI_NODEKIND_TABLE)) {
    auto table = tableOf(module, n);
    if (!table) return failure(table.error());
    model.tables.push_back(std::move(*table));
  }
  for (auto* n : nodesOf(module, SMI_NODEKIND_NOTIFICATION)) {
    Notification notification{
        .name = n->name, .oid = toString(numbersOf(*n)), .description = textOf(n->description), .objects = {}};
    for (auto* each : elementsOf(n)) notification.objects.emplace_back(each->name);
    model.notifications.push_back(std::move(notification));
  }
  return model;
}

}  // namespace

std::string installedModulePath() { return VMMIG_MODULE_PATH; }

Result<Model> readModule(const std::string& path) {
  Library library{path};
  auto* name = smiLoadModule(moduleName);
  auto* module = name ? smiGetModule(name) : nullptr;
  if (!module || !smiGetModuleIdentityNode(module))
    return failure(SnmpStatus::badValue, std::string{"cannot find "} + moduleName + " in " + path +
                                             ": is it installed? --module-path DIRECTORY[:DIRECTORY...] names another place" +
                                             (firstError.empty() ? "" : " (" + firstError + ")"));
  // A module with an error is known in part, and packs of a part would look whole.
  if (!firstError.empty()) return failure(SnmpStatus::badValue, firstError);
  return modelOf(module);
}

}  // namespace vmmig::nms
