// SPDX-License-Identifier: GPL-2.0-or-later
// VM-MIGRATION-MIB as the packs need it: plain data, in the order of the OIDs, so that the same module makes the same packs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vmmig::nms {

/// What an NMS does with an object's value.
enum class Kind {
  state,    // an enumeration: value maps, alerts
  bits,     // BITS
  counter,  // it only rises: rates
  gauge,    // a number as it is
  time,     // microseconds since 1970
  text,     // SnmpAdminString
  octets,   // other strings: for machines
  row,      // RowStatus, StorageType: how a row came to be, not what it says
};

struct Label {
  std::int64_t number;
  std::string name;
};

struct Object {
  std::string name;
  std::string oid;  // "1.3.6...", without an instance
  std::string description;
  std::string units;
  Kind kind = Kind::octets;
  bool readable = false;  // a not-accessible object is only a part of the index
  std::vector<Label> labels;
  std::size_t fixedSize = 0;  // of an index that is a string of one size; 0: its length goes ahead of it
};

struct Table {
  std::string name;
  std::string oid;
  std::vector<Object> columns;
  std::vector<Object> index;
};

struct Notification {
  std::string name;
  std::string oid;
  std::string description;
  std::vector<std::string> objects;
};

struct Model {
  std::string module;
  std::string oid;          // of the module itself
  std::string lastUpdated;  // "2026-11-23T07:00:00Z"
  std::vector<Object> scalars;
  std::vector<Table> tables;
  std::vector<Notification> notifications;

  const Table* table(std::string_view name) const;
  const Notification* notification(std::string_view name) const;
  /// A scalar or a column.
  const Object* object(std::string_view name) const;
  /// The table of a column; null for a scalar.
  const Table* tableOf(std::string_view column) const;
};

/// What an OID under notifications has for OpenNMS and SNMPv1: the last sub-identifier.
std::string lastSubid(const std::string& oid);
/// Where an object stands in a notification, from 1; 0: it is not in it.
std::size_t positionOf(const Notification& notification, std::string_view object);
/// The label's number; the overlay's check has seen that it is there.
std::int64_t numberOf(const Object& object, std::string_view label);

}  // namespace vmmig::nms
