// SPDX-License-Identifier: GPL-2.0-or-later
// One table, described once: a row is a plain struct, a column one line of a constexpr array. Type erasure happens here, so
// that the agent, the manager, the packed image, JSON and the conformance test all read the same description.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <span>
#include <string_view>

#include "mibs/textual_conventions.h"

namespace vmmig {

/// MAX-ACCESS (RFC 2578 section 7.3).
enum class Access { notAccessible, readOnly, readWrite, readCreate };

/// What a transfer does with a column.
enum class Carry {
  exact,    // moves, and belongs to the digest
  clock,    // moves, but a clock changes it by itself (idle time, remaining life): compared within a tolerance instead
  traffic,  // moves, but each packet changes it, and a device that cannot hold it learns it anew: not in the digest
  local,    // stays: this device's own business (RowStatus, StorageType, totals)
};

/// What a column's values are names of, where each device may have other names for the same thing: the device's configuration maps
/// them, so that rows say the same on every device (subagent/name_map.h).
enum class Names { none, port, zone, list, counter, policy, ruleText };

/// One column (or scalar): functions over a type-erased row. Made by column<> below, never by hand.
struct ColumnInfo {
  std::uint32_t subid;
  std::string_view name;  // the SMI descriptor, verbatim
  Access access;
  Carry carry;
  bool required;  // RowStatus cannot become active before it has been set
  const Syntax* syntax;
  smi::Value (*get)(const void* row);
  SnmpStatus (*set)(void* row, const smi::Value& value);  // noError, or the error of RFC 3416 section 4.2.5
  bool (*equal)(const void* a, const void* b);
  void (*encode)(OerWriter& out, const void* row);  // for the packed image
  bool (*decode)(OerReader& in, void* row);
  void (*appendIndex)(Oid& index, const void* row);  // index columns only, else null
  bool (*parseIndex)(OidSpan& index, void* row);
  Names names = Names::none;
  bool isFixed = false;  // cannot change once the row is active: inconsistentValue
};

/// A table, or (scalars) a group whose single row has instance .0.
struct TableInfo {
  std::uint32_t subid;     // under vmMigObjects, or `parent`
  std::string_view name;   // "vmMigTcpConnTable"
  std::string_view entry;  // "vmMigTcpConnEntry"; empty for scalars
  std::span<const ColumnInfo> columns;
  std::size_t indexCount;  // that many columns at the front are the INDEX, in its order
  void* (*create)();
  void* (*clone)(const void* row);
  void (*destroy)(void* row);
  bool moves;  // its rows belong to a VM and follow it (Carry says how)
  /// What every device demands of a row, beyond the syntax of each column: that its values fit each other, and that it is the
  /// row of a VM with these addresses. Null: nothing. Errors: inconsistentName, inconsistentValue, wrongValue; the text names the column.
  Status (*check)(const void* row, std::span<const InetAddress> addresses) = nullptr;
  /// Where it stands when it is of another module than VM-MIGRATION-MIB, in place of vmMigObjects.
  std::span<const std::uint32_t> parent = {};

  bool isScalars() const { return entry.empty(); }
  std::span<const ColumnInfo> index() const { return columns.first(indexCount); }
  std::span<const ColumnInfo> values() const { return columns.subspan(indexCount); }
  /// Null when there is none.
  const ColumnInfo* column(std::uint32_t subid) const;
  const ColumnInfo* column(std::string_view name) const;
  /// The RowStatus column, or null.
  const ColumnInfo* rowStatus() const;
};

// --- how a row struct becomes columns -------------------------------------------------------------------------------

/// The plain case: a column is a member.
template <auto Member>
struct MemberFacet;
template <class R, class T, T R::*Member>
struct MemberFacet<Member> {
  using Row = R;
  using Type = T;
  static const T& get(const Row& row) { return row.*Member; }
  static void set(Row& row, const T& value) { row.*Member = value; }
};

/// An InetAddress member is two columns: its type...
template <auto Member>
struct AddressTypeFacet;
template <class R, InetAddress R::*Member>
struct AddressTypeFacet<Member> {
  using Row = R;
  using Type = InetAddressType;
  static InetAddressType get(const Row& row) { return (row.*Member).type; }
  static void set(Row& row, InetAddressType value) { (row.*Member).type = value; }
};

/// ...and its octets.
template <auto Member>
struct AddressFacet;
template <class R, InetAddress R::*Member>
struct AddressFacet<Member> {
  using Row = R;
  using Type = InetAddressOctets;
  static InetAddressOctets get(const Row& row) { return {std::string{(row.*Member).bytes()}}; }
  static void set(Row& row, const InetAddressOctets& value) { (row.*Member).setBytes(value.value); }
};

/// An index is a number without a sign; the object of the same value may be an INTEGER.
template <auto Member>
struct IntegerFacet;
template <class R, std::uint32_t R::*Member>
struct IntegerFacet<Member> {
  using Row = R;
  using Type = std::int32_t;
  static std::int32_t get(const Row& row) { return static_cast<std::int32_t>(row.*Member); }
  static void set(Row& row, std::int32_t value) { row.*Member = static_cast<std::uint32_t>(value); }
};

/// A 64 bit number that can be written is two columns, because SMIv2 has no such type (RFC 2578 section 7.1.10): its low 32 bits...
template <auto Member>
struct LowFacet;
template <class R, std::uint64_t R::*Member>
struct LowFacet<Member> {
  using Row = R;
  using Type = std::uint32_t;
  static std::uint32_t get(const Row& row) { return static_cast<std::uint32_t>(row.*Member); }
  static void set(Row& row, std::uint32_t value) { row.*Member = (row.*Member & ~std::uint64_t{0xffffffff}) | value; }
};

/// ...and its high 32 bits.
template <auto Member>
struct HighFacet;
template <class R, std::uint64_t R::*Member>
struct HighFacet<Member> {
  using Row = R;
  using Type = std::uint32_t;
  static std::uint32_t get(const Row& row) { return static_cast<std::uint32_t>(row.*Member >> 32); }
  static void set(Row& row, std::uint32_t value) { row.*Member = (row.*Member & 0xffffffff) | std::uint64_t{value} << 32; }
};

namespace detail {

template <class T>
concept Indexable = requires(Oid& out, OidSpan& in, T& value) {
  Codec<T>::appendIndex(out, value);
  Codec<T>::parseIndex(in, value);
};

template <class Facet>
struct Erased {
  using Row = typename Facet::Row;
  using T = std::remove_cvref_t<typename Facet::Type>;
  static const Row& row(const void* row) { return *static_cast<const Row*>(row); }
  static Row& row(void* row) { return *static_cast<Row*>(row); }

  static smi::Value get(const void* r) { return Codec<T>::toValue(Facet::get(row(r))); }
  static SnmpStatus set(void* r, const smi::Value& value) {
    T v{};
    auto status = Codec<T>::fromValue(value, v);
    if (status == SnmpStatus::noError) Facet::set(row(r), v);
    return status;
  }
  static bool equal(const void* a, const void* b) { return Facet::get(row(a)) == Facet::get(row(b)); }
  static void encode(OerWriter& out, const void* r) { Codec<T>::encode(out, Facet::get(row(r))); }
  static bool decode(OerReader& in, void* r) {
    T v{};
    if (!Codec<T>::decode(in, v)) return false;
    Facet::set(row(r), v);
    return true;
  }
  static void appendIndex(Oid& index, const void* r) {
    if constexpr (Indexable<T>) Codec<T>::appendIndex(index, Facet::get(row(r)));
  }
  static bool parseIndex(OidSpan& index, void* r) {
    T v{};
    if constexpr (Indexable<T>) {
      if (!Codec<T>::parseIndex(index, v)) return false;
    }
    Facet::set(row(r), v);
    return Indexable<T>;
  }
};

template <class Facet>
constexpr ColumnInfo describe(std::uint32_t subid, std::string_view name, Access access, Carry carry, bool required) {
  using E = Erased<Facet>;
  return {subid,    name,      access,    carry,          required,      &Codec<typename E::T>::syntax, E::get, E::set,
          E::equal, E::encode, E::decode, E::appendIndex, E::parseIndex, Names::none};
}

}  // namespace detail

inline constexpr bool required = true;

/// column<&Row::member>(subid, "smiName", access, carry)
template <auto Member>
constexpr ColumnInfo column(std::uint32_t subid, std::string_view name, Access access, Carry carry, bool isRequired = false) {
  return detail::describe<MemberFacet<Member>>(subid, name, access, carry, isRequired);
}
template <auto Member>
constexpr ColumnInfo addressTypeColumn(std::uint32_t subid, std::string_view name, Access access, Carry carry) {
  return detail::describe<AddressTypeFacet<Member>>(subid, name, access, carry, false);
}
template <auto Member>
constexpr ColumnInfo addressColumn(std::uint32_t subid, std::string_view name, Access access, Carry carry) {
  return detail::describe<AddressFacet<Member>>(subid, name, access, carry, false);
}

template <auto Member>
constexpr ColumnInfo integerColumn(std::uint32_t subid, std::string_view name, Access access, Carry carry) {
  return detail::describe<IntegerFacet<Member>>(subid, name, access, carry, false);
}
template <auto Member>
constexpr ColumnInfo lowColumn(std::uint32_t subid, std::string_view name, Access access, Carry carry) {
  return detail::describe<LowFacet<Member>>(subid, name, access, carry, false);
}
template <auto Member>
constexpr ColumnInfo highColumn(std::uint32_t subid, std::string_view name, Access access, Carry carry) {
  return detail::describe<HighFacet<Member>>(subid, name, access, carry, false);
}
/// The same column, whose values are names.
constexpr ColumnInfo naming(Names names, ColumnInfo column) {
  column.names = names;
  return column;
}

/// The same column, which nobody changes once the row is active.
constexpr ColumnInfo fixed(ColumnInfo column) {
  column.isFixed = true;
  return column;
}

/// An INDEX column of the table itself or of the table that it expands (the VM's UUID).
template <auto Member>
constexpr ColumnInfo indexColumn(std::uint32_t subid, std::string_view name) {
  return column<Member>(subid, name, Access::notAccessible, Carry::exact);
}

template <class Row>
constexpr TableInfo describeTable(std::uint32_t subid, std::string_view name, std::string_view entry,
                                  std::span<const ColumnInfo> columns, std::size_t indexCount, bool moves,
                                  decltype(TableInfo::check) check = nullptr) {
  return {subid,
          name,
          entry,
          columns,
          indexCount,
          []() -> void* { return new Row{}; },
          [](const void* row) -> void* { return new Row{*static_cast<const Row*>(row)}; },
          [](void* row) { delete static_cast<Row*>(row); },
          moves,
          check,
          {}};
}

/// The same table, of another module.
constexpr TableInfo under(std::span<const std::uint32_t> parent, TableInfo table) {
  table.parent = parent;
  return table;
}

/// A row's clock column that says so has no end, and no clock changes it.
inline constexpr std::uint32_t forEver = 0xffffffff;

}  // namespace vmmig
