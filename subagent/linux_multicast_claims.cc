// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_multicast_claims.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/log.h"
#include "common/replace_file.h"
#include "mibs/multicast_table.h"
#include "mibs/row_json.h"

namespace vmmig {

namespace {

using nlohmann::json;
constexpr int formatVersion = 1;

std::int64_t secondsNow() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<MulticastClaim> fromJson(const json& object) {
  auto field = [&object](const char* name) { return object.is_object() ? object.value(name, json{}) : json{}; };
  auto wasThere = field("wasThere");
  if (!wasThere.is_boolean()) return failure("it has no wasThere");
  auto row = rowFromJson(TableOf<MulticastRow>::info, field("row"));
  if (!row) return failure(row.error());
  return MulticastClaim{std::move(*row), wasThere.get<bool>()};
}

}  // namespace

MulticastClaims::MulticastClaims(const std::string& stateDirectory)
    : path_(stateDirectory.empty() ? "" : stateDirectory + "/multicast-claims.json") {
  if (!path_.empty()) load();
}

void MulticastClaims::load() {
  const std::string effect = "multicast memberships that were made for a VM on its way here stay until they age out";
  std::ifstream file{path_, std::ios::binary};
  if (!file) {
    if (errno != ENOENT) log::error(path_ + " cannot be read (" + std::strerror(errno) + "): " + effect);
    return;
  }
  std::ostringstream text;
  text << file.rdbuf();
  if (!parse(text.str())) log::error(path_ + " is damaged, and what of it cannot be read is left out: " + effect);
  isChanged_ = false;
}

bool MulticastClaims::parse(const std::string& text) {
  auto document = json::parse(text, nullptr, false);
  if (!document.is_object() || document.value("version", json{}) != formatVersion) return false;
  auto written = document.value("written", json{});
  auto list = document.value("claims", json{});
  if (!written.is_number_unsigned() || !list.is_array()) return false;
  // A clock that was put back makes nothing younger than now.
  age_ = std::chrono::seconds{std::max<std::int64_t>(secondsNow() - written.get<std::int64_t>(), 0)};
  bool isWhole = true;
  for (const auto& object : list) {
    auto claim = fromJson(object);
    if (!claim) log::error("a claim in " + path_ + " cannot be used: " + claim.error().text);
    isWhole = isWhole && claim.has_value();
    if (claim) put(std::move(*claim));
  }
  return isWhole;
}

std::vector<Uuid> MulticastClaims::vms() const {
  std::vector<Uuid> result;
  for (const auto& [vm, claims] : claims_) result.push_back(vm);
  return result;
}

const MulticastClaim* MulticastClaims::find(const AnyRow& row) const {
  auto claims = claims_.find(vmOf(row));
  if (claims == claims_.end()) return nullptr;
  auto found = claims->second.find(row.index());
  return found == claims->second.end() ? nullptr : &found->second;
}

void MulticastClaims::review(const Uuid& vm, const std::function<bool(MulticastClaim&)>& stays) {
  auto claims = claims_.find(vm);
  if (claims == claims_.end()) return;
  auto& entries = claims->second;
  for (auto at = entries.begin(); at != entries.end();) {
    bool isKept = stays(at->second);
    isChanged_ = isChanged_ || !isKept;
    at = isKept ? std::next(at) : entries.erase(at);
  }
  if (claims->second.empty()) claims_.erase(claims);
}

void MulticastClaims::put(MulticastClaim claim) {
  auto vm = vmOf(claim.row);
  auto index = claim.row.index();
  claims_[vm].insert_or_assign(std::move(index), std::move(claim));
  isChanged_ = true;
}

void MulticastClaims::remove(const AnyRow& row) {
  auto claims = claims_.find(vmOf(row));
  if (claims == claims_.end() || claims->second.erase(row.index()) == 0) return;
  isChanged_ = true;
  if (claims->second.empty()) claims_.erase(claims);
}

void MulticastClaims::forget(const Uuid& vm) { isChanged_ = claims_.erase(vm) > 0 || isChanged_; }

Status MulticastClaims::save() {
  if (path_.empty() || !isChanged_) return {};
  json list = json::array();
  for (const auto& [vm, claims] : claims_)
    for (const auto& [index, claim] : claims) list.push_back({{"row", toJson(claim.row)}, {"wasThere", claim.wasThere}});
  json document{{"version", formatVersion}, {"written", secondsNow()}, {"claims", std::move(list)}};
  // The memberships end with the kernel.
  auto written = replaceFile(path_, document.dump(1, ' ', false, json::error_handler_t::replace), 0600, Survives::kill);
  if (!written) return written;
  isChanged_ = false;
  return {};
}

}  // namespace vmmig
