// SPDX-License-Identifier: GPL-2.0-or-later
// Expected failures as return values: Result<T> is a value or an Error that names the SNMP error-status and says what to do.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace vmmig {

/// RFC 3416 section 3, error-status; the numbers are those on the wire.
enum class SnmpStatus : int {
  noError = 0,
  tooBig = 1,
  noSuchName = 2,
  badValue = 3,
  readOnly = 4,
  genErr = 5,
  noAccess = 6,
  wrongType = 7,
  wrongLength = 8,
  wrongEncoding = 9,
  wrongValue = 10,
  noCreation = 11,
  inconsistentValue = 12,
  resourceUnavailable = 13,
  commitFailed = 14,
  undoFailed = 15,
  authorizationError = 16,
  notWritable = 17,
  inconsistentName = 18,
};

/// The name of an error-status as RFC 3416 spells it.
std::string_view name(SnmpStatus status);

/// What went wrong: `status` for the wire, `text` for the person who reads the log (what, where, what to do).
struct Error {
  SnmpStatus status = SnmpStatus::genErr;
  std::string text;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> failure(SnmpStatus status, std::string text) {
  return tl::make_unexpected(Error{status, std::move(text)});
}
inline tl::unexpected<Error> failure(std::string text) { return failure(SnmpStatus::genErr, std::move(text)); }
inline tl::unexpected<Error> failure(Error error) { return tl::make_unexpected(std::move(error)); }

}  // namespace vmmig
