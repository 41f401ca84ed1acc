// SPDX-License-Identifier: GPL-2.0-or-later
// Holds the C++ description of each table against the module's text, read through libsmi, both ways: what one has and the other
// lacks, or says otherwise, fails.
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <set>

#include "common/hex.h"
#include "mibs/registry.h"
#include "tests/unit/libsmi.h"
#include "tests/unit/source_dir.h"

namespace vmmig {
namespace {

constexpr const char* moduleName = "VM-MIGRATION-MIB";

/// The module, loaded once; libsmi keeps it for the life of the process.
SmiModule* module() {
  static SmiModule* const loaded = [] {
    smiInit("vmmig-test");
    smiSetPath((test::sourceDir() / "mibs/ietf").string().append(":mibs").c_str());
    smiLoadModule(moduleName);
    return smiGetModule(moduleName);
  }();
  return loaded;
}

SmiNode* node(std::string_view name) { return smiGetNode(module(), std::string{name}.c_str()); }

Oid oidOf(const SmiNode& n) { return {n.oid, n.oid + n.oidlen}; }

std::vector<SmiNode*> nodes(SmiNodekind kind) {
  std::vector<SmiNode*> found;
  for (auto* n = smiGetFirstNode(module(), kind); n; n = smiGetNextNode(n, kind)) found.push_back(n);
  return found;
}

std::vector<std::string> elements(SmiNode* parent) {
  std::vector<std::string> names;
  for (auto* e = smiGetFirstElement(parent); e; e = smiGetNextElement(e)) names.emplace_back(smiGetElementNode(e)->name);
  return names;
}

std::int64_t number(const SmiValue& value) {
  switch (value.basetype) {
    case SMI_BASETYPE_INTEGER32:
    case SMI_BASETYPE_ENUM: return value.value.integer32;
    case SMI_BASETYPE_UNSIGNED32:
    case SMI_BASETYPE_OCTETSTRING: return value.value.unsigned32;
    default: return -1;
  }
}

/// The type and those that it is made from, down to the base type.
std::vector<SmiType*> lineage(SmiType* type) {
  std::vector<SmiType*> types;
  for (; type; type = smiGetParentType(type)) types.push_back(type);
  return types;
}

std::set<std::string> typeNames(SmiType* type) {
  std::set<std::string> names;
  for (auto* t : lineage(type))
    if (t->name) names.emplace(t->name);
  return names;
}

using NumberedNames = std::vector<std::pair<std::int64_t, std::string>>;

NumberedNames labels(SmiType* type) {
  for (auto* t : lineage(type)) {
    NumberedNames found;
    for (auto* n = smiGetFirstNamedNumber(t); n; n = smiGetNextNamedNumber(n)) found.emplace_back(number(n->value), n->name);
    if (!found.empty()) return found;
  }
  return {};
}

NumberedNames labels(const Syntax& syntax) {
  NumberedNames found;
  for (const auto& label : syntax.labels) found.emplace_back(label.number, label.name);
  return found;
}

using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

Ranges ranges(SmiType* type) {
  for (auto* t : lineage(type)) {
    Ranges found;
    for (auto* r = smiGetFirstRange(t); r; r = smiGetNextRange(r)) found.emplace_back(number(r->minValue), number(r->maxValue));
    if (!found.empty()) return found;
  }
  return {};
}

bool isInetAddressType(const Syntax& syntax) { return syntax.labels.data() == Labels<InetAddressType>::labels; }

/// What libsmi calls a base, and the name that a type of the lineage must have (empty: any).
struct Expected {
  SmiBasetype base;
  std::string_view name;
};

Expected expected(const Syntax& syntax) {
  if (&syntax == &Codec<bool>::syntax) return {SMI_BASETYPE_ENUM, "TruthValue"};
  if (&syntax == &Codec<RowStatus>::syntax) return {SMI_BASETYPE_ENUM, "RowStatus"};
  if (&syntax == &Codec<StorageType>::syntax) return {SMI_BASETYPE_ENUM, "StorageType"};
  if (isInetAddressType(syntax)) return {SMI_BASETYPE_ENUM, "InetAddressType"};
  switch (syntax.base) {
    case Syntax::Base::integer32: return {SMI_BASETYPE_INTEGER32, "Integer32"};
    case Syntax::Base::enumeration: return {SMI_BASETYPE_ENUM, ""};
    case Syntax::Base::unsigned32: return {SMI_BASETYPE_UNSIGNED32, ""};
    case Syntax::Base::counter32: return {SMI_BASETYPE_UNSIGNED32, "Counter32"};
    case Syntax::Base::counter64: return {SMI_BASETYPE_UNSIGNED64, "CounterBasedGauge64"};
    case Syntax::Base::bits: return {SMI_BASETYPE_BITS, ""};
    case Syntax::Base::octetString: break;
  }
  switch (syntax.display) {
    case Syntax::Display::text: return {SMI_BASETYPE_OCTETSTRING, "SnmpAdminString"};
    case Syntax::Display::uuid: return {SMI_BASETYPE_OCTETSTRING, "UUID"};
    case Syntax::Display::address: return {SMI_BASETYPE_OCTETSTRING, "InetAddress"};
    default: return {SMI_BASETYPE_OCTETSTRING, ""};
  }
}

void expectNumbers(const Syntax& syntax, SmiType* type) {
  auto found = ranges(type);
  if (found.empty()) found = {{0, 0xffffffff}};
  EXPECT_EQ(found, (Ranges{{syntax.minimum, syntax.maximum}}));
}

/// Few sizes stand in SMI one by one (0 | 16), many as a range whose step the DESCRIPTION tells.
void expectSizes(const Syntax& syntax, SmiType* type) {
  auto found = ranges(type);
  ASSERT_FALSE(found.empty()) << "an OCTET STRING needs a SIZE";
  EXPECT_EQ(found.front().first, syntax.minimum);
  EXPECT_EQ(found.back().second, syntax.maximum);
  if (syntax.display == Syntax::Display::address)
    EXPECT_EQ(found, (Ranges{{0, 0}, {4, 4}, {16, 16}}));
  else if (syntax.minimum + syntax.step == syntax.maximum)
    EXPECT_EQ(found, (Ranges{{syntax.minimum, syntax.minimum}, {syntax.maximum, syntax.maximum}}));
  else
    EXPECT_EQ(found.size(), 1U);
}

void expectSyntax(const Syntax& syntax, SmiType* type) {
  auto names = typeNames(type);
  auto wanted = expected(syntax);
  EXPECT_EQ(type->basetype, wanted.base);
  if (!wanted.name.empty()) EXPECT_TRUE(names.contains(std::string{wanted.name})) << "is not a " << wanted.name;
  switch (syntax.base) {
    case Syntax::Base::unsigned32: EXPECT_FALSE(names.contains("Counter32")); [[fallthrough]];
    case Syntax::Base::counter32: return expectNumbers(syntax, type);
    case Syntax::Base::octetString: return expectSizes(syntax, type);
    case Syntax::Base::enumeration:
      // RFC 4001 section 3: InetAddressType is restricted in the compliance statement, not here.
      if (isInetAddressType(syntax)) return;
      [[fallthrough]];
    case Syntax::Base::bits: EXPECT_EQ(labels(type), labels(syntax)); return;
    case Syntax::Base::integer32: EXPECT_TRUE(ranges(type).empty()); return;
    case Syntax::Base::counter64: return;  // never restricted (RFC 2578 section 7.1.10)
  }
}

bool isWritable(const ColumnInfo& column) { return column.access == Access::readCreate || column.access == Access::readWrite; }

SmiAccess smiAccess(Access access) {
  switch (access) {
    case Access::notAccessible: return SMI_ACCESS_NOT_ACCESSIBLE;
    case Access::readOnly: return SMI_ACCESS_READ_ONLY;
    default: return SMI_ACCESS_READ_WRITE;  // libsmi tells read-create from read-write by its row
  }
}

/// A DEFVAL as the value that it means, or nothing.
std::optional<smi::Value> defval(SmiNode* n, const Syntax& syntax) {
  const auto& value = n->value;
  switch (value.basetype) {
    case SMI_BASETYPE_UNKNOWN: return std::nullopt;
    case SMI_BASETYPE_OCTETSTRING: return smi::Value::string({value.value.ptr, value.len});
    case SMI_BASETYPE_BITS: {
      std::string octets{value.value.ptr, value.len};
      octets.resize(static_cast<std::size_t>(syntax.maximum), '\0');
      return smi::Value::string(octets);
    }
    default: return smi::Value{syntax.wire, number(value), {}, {}};
  }
}

/// Every (table, column) that has a sub-identifier of its own.
std::vector<std::pair<const TableInfo*, const ColumnInfo*>> allColumns() {
  std::vector<std::pair<const TableInfo*, const ColumnInfo*>> all;
  for (const auto* table : mib::tables())
    for (const auto& column : table->columns)
      if (column.subid != 0) all.emplace_back(table, &column);
  return all;
}

TEST(MibConformance, TheModuleLoadsAndStandsWhereConfigurePutIt) {
  ASSERT_NE(module(), nullptr) << "libsmi cannot load " << moduleName;
  EXPECT_EQ(oidOf(*smiGetModuleIdentityNode(module())), mib::root());
  EXPECT_EQ(oidOf(*node("vmMigNotifications")), mib::notifications());
  EXPECT_EQ(oidOf(*node("vmMigObjects")), mib::objects());
}

TEST(MibConformance, EachTableOfTheCodeIsInTheModuleWithItsIndex) {
  for (const auto* table : mib::tables()) {
    SCOPED_TRACE(table->name);
    auto* n = node(table->name);
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(oidOf(*n), mib::objects() + table->subid);
    EXPECT_EQ(n->nodekind, table->isScalars() ? SMI_NODEKIND_NODE : SMI_NODEKIND_TABLE);
    if (table->isScalars()) continue;
    auto* row = node(table->entry);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->nodekind, SMI_NODEKIND_ROW);
    EXPECT_EQ(oidOf(*row), mib::objects() + table->subid + 1U);
    EXPECT_EQ(row->indexkind, SMI_INDEX_INDEX);
    EXPECT_FALSE(row->implied);
    std::vector<std::string> index;
    bool create = false;
    for (const auto& column : table->index()) index.emplace_back(column.name);
    for (const auto& column : table->columns) create |= column.access == Access::readCreate;
    EXPECT_EQ(elements(row), index);
    EXPECT_EQ(row->create != 0, create);
  }
}

TEST(MibConformance, EachColumnOfTheCodeIsInTheModuleWithTheSameAccessAndSyntax) {
  for (auto [table, column] : allColumns()) {
    SCOPED_TRACE(column->name);
    auto* n = node(column->name);
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(oidOf(*n), mib::oidOf(*table, *column));
    EXPECT_EQ(n->nodekind, table->isScalars() ? SMI_NODEKIND_SCALAR : SMI_NODEKIND_COLUMN);
    EXPECT_EQ(n->access, smiAccess(column->access));
    EXPECT_EQ(n->status, SMI_STATUS_CURRENT);
    expectSyntax(*column->syntax, smiGetNodeType(n));
  }
}

TEST(MibConformance, TheModuleHasNothingThatTheCodeLacks) {
  std::set<std::string> known;
  for (const auto* table : mib::tables()) {
    known.emplace(table->name);
    known.emplace(table->entry);
  }
  for (auto [table, column] : allColumns()) known.emplace(column->name);
  for (auto* n : nodes(SMI_NODEKIND_TABLE | SMI_NODEKIND_ROW | SMI_NODEKIND_SCALAR | SMI_NODEKIND_COLUMN))
    EXPECT_TRUE(known.contains(n->name)) << n->name << " is in the module only";
  EXPECT_EQ(nodes(SMI_NODEKIND_NOTIFICATION).size(), mib::allNotifications().size());
}

TEST(MibConformance, WhatMayBeLeftOutOfACreationHasTheDefaultOfTheCodeAsDefval) {
  for (auto [table, column] : allColumns()) {
    SCOPED_TRACE(column->name);
    bool wanted = isWritable(*column) && !column->required && column->syntax != &Codec<RowStatus>::syntax;
    auto found = defval(node(column->name), *column->syntax);
    ASSERT_EQ(found.has_value(), wanted);
    if (found) EXPECT_EQ(*found, AnyRow{*table}.get(*column));
  }
}

TEST(MibConformance, NotificationsHaveTheObjectsOfTheCodeInOrder) {
  for (const auto& notification : mib::allNotifications()) {
    SCOPED_TRACE(notification.name);
    auto* n = node(notification.name);
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(n->nodekind, SMI_NODEKIND_NOTIFICATION);
    EXPECT_EQ(oidOf(*n), mib::notifications() + static_cast<std::uint32_t>(notification.number));
    EXPECT_EQ(elements(n), (std::vector<std::string>{notification.objects.begin(), notification.objects.end()}));
    for (auto object : notification.objects) EXPECT_NE(notification.table->column(object), nullptr) << object;
  }
}

TEST(MibConformance, EveryAccessibleObjectAndEveryNotificationIsInOneGroup) {
  std::multiset<std::string> grouped;
  for (auto* group : nodes(SMI_NODEKIND_GROUP))
    for (const auto& name : elements(group)) grouped.insert(name);
  for (auto [table, column] : allColumns())
    EXPECT_EQ(grouped.count(std::string{column->name}), column->access == Access::notAccessible ? 0U : 1U) << column->name;
  for (const auto& notification : mib::allNotifications()) EXPECT_EQ(grouped.count(std::string{notification.name}), 1U);
}

std::map<std::string, SmiRefinement*> refinements(std::string_view compliance) {
  std::map<std::string, SmiRefinement*> found;
  for (auto* r = smiGetFirstRefinement(node(compliance)); r; r = smiGetNextRefinement(r))
    found[smiGetRefinementNode(r)->name] = r;
  return found;
}

TEST(MibConformance, TheReadOnlyComplianceAsksForNoWriteAtAll) {
  auto found = refinements("vmMigReadOnlyCompliance");
  for (auto [table, column] : allColumns()) {
    if (!isWritable(*column)) continue;
    auto refinement = found.find(std::string{column->name});
    ASSERT_NE(refinement, found.end()) << column->name;
    EXPECT_EQ(refinement->second->access, SMI_ACCESS_READ_ONLY) << column->name;
  }
}

TEST(MibConformance, TheFullComplianceWeakensNothingButTheAddressTypes) {
  auto found = refinements("vmMigFullCompliance");
  for (auto [table, column] : allColumns()) {
    bool wanted = column->access != Access::notAccessible && isInetAddressType(*column->syntax);
    auto refinement = found.find(std::string{column->name});
    ASSERT_EQ(refinement != found.end(), wanted) << column->name;
    if (!wanted) continue;
    EXPECT_EQ(refinement->second->access, SMI_ACCESS_UNKNOWN);
    EXPECT_EQ(labels(smiGetRefinementType(refinement->second)), labels(*column->syntax));
  }
}

/// "localSeqAdjPos" of vmMigTcpConnLocalSeqAdjPos, as the ASN.1 of a row names it.
std::string componentName(const TableInfo& table, const ColumnInfo& column) {
  auto prefix = table.name.substr(0, table.name.size() - std::string_view{"Table"}.size());
  std::string name{column.name.substr(prefix.size())};
  name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
  return name;
}

std::string asn1Default(const TableInfo& table, const ColumnInfo& column) {
  auto value = AnyRow{table}.get(column);
  for (const auto& label : column.syntax->labels)
    if (value.type == smi::Type::integer && label.number == value.number) return std::string{label.name};
  if (column.syntax->base == Syntax::Base::bits) return "{}";
  if (value.type == smi::Type::octetString) return "''H";
  return std::to_string(value.number);
}

TEST(MibConformance, TheAsn1OfAMovingTablesRowHasItsColumnsInOrderWithTheirDefaults) {
  for (const auto* table : mib::tables()) {
    if (!table->moves) continue;
    std::string text = node(table->entry)->description;
    std::size_t at = text.find("::= SEQUENCE {");
    ASSERT_NE(at, std::string::npos);
    for (const auto& column : table->columns) {
      if (column.subid == 0 || column.carry == Carry::local) continue;
      std::string name = componentName(*table, column);
      at = text.find(" " + name + " ", at);
      ASSERT_NE(at, std::string::npos) << name << " is missing, or out of order";
      if (column.access == Access::notAccessible) continue;
      std::size_t begin = text.find(" DEFAULT ", at) + std::string_view{" DEFAULT "}.size();
      EXPECT_EQ(text.substr(begin, text.find_first_of(", \n", begin) - begin), asn1Default(*table, column)) << name;
    }
  }
}

/// Standard output and error of a command.
std::string outputOf(const std::string& command) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return "cannot run " + command;
  char buffer[4096];
  for (std::size_t size; (size = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, size);
  if (int status = pclose(pipe); status != 0) output += "exit status " + std::to_string(status);
  return output;
}

TEST(MibConformance, SmilintHasNothingToSayAtLevel6) {
  EXPECT_EQ(outputOf("SMIPATH=" + (test::sourceDir() / "mibs/ietf").string() + " smilint -l 6 mibs/VM-MIGRATION-MIB.txt"), "");
}

TEST(MibConformance, NetSnmpParsesTheModuleWithoutAWarning) {
  // A state directory and configuration of its own: the user's are none of our business, and making them is told on stderr.
  auto state = std::filesystem::path{testing::TempDir()} / ("vmmig-snmp-" + std::to_string(getpid()));
  std::filesystem::create_directories(state / "cert_indexes");
  auto output = outputOf("SNMP_PERSISTENT_DIR=" + state.string() + " SNMPCONFPATH=" + state.string() + " snmptranslate -M " +
                         (test::sourceDir() / "mibs/ietf").string() +
                         ":mibs -m VM-MIGRATION-MIB -On VM-MIGRATION-MIB::vmMigPhaseRowStatus");
  std::filesystem::remove_all(state);
  EXPECT_EQ(output, "." + toString(mib::objects()) + ".13.1.14\n");
}

}  // namespace
}  // namespace vmmig
