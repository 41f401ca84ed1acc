// SPDX-License-Identifier: GPL-2.0-or-later
// A pack: the files that one NMS needs, each with the place where it goes.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "manager/nms/model.h"
#include "manager/nms/overlay.h"

namespace vmmig::nms {

struct PackFile {
  std::string name;
  std::string place;  // where it goes, for people
  std::string text;
  bool isProgram = false;
};

struct Pack {
  std::string_view name;
  std::string_view summary;
  std::vector<PackFile> (*generate)(const Model& model);
};

std::span<const Pack> packs();
const Pack* pack(std::string_view name);

/// Each in a file of its own.
std::vector<PackFile> zabbixPack(const Model& model);
std::vector<PackFile> prometheusPack(const Model& model);
std::vector<PackFile> grafanaPack(const Model& model);
std::vector<PackFile> icingaPack(const Model& model);
std::vector<PackFile> snmptrapdPack(const Model& model);
std::vector<PackFile> snmpttPack(const Model& model);
std::vector<PackFile> opennmsPack(const Model& model);
std::vector<PackFile> librenmsPack(const Model& model);

/// The lines that open a file: licence, what made it, of which module. `comment` is "# ", "// " or the like.
std::string heading(const Model& model, std::string_view comment, std::string_view what);

/// A Json keeps the order in which it was made.
using Json = nlohmann::ordered_json;
/// Block style; every text in double quotes, so that no value is taken for a number, a date or a truth.
std::string toYaml(const Json& json);

/// "VmmigTransferFailed" as "VMMIG_TRANSFER_FAILED" with separator '_'.
std::string upperWords(std::string_view name, char separator);
/// An alias of a data source for OpenNMS; the tests hold that those of all objects differ.
std::string openNmsAlias(std::string_view name);
/// The first sentence of a DESCRIPTION.
std::string firstSentence(const std::string& text);
std::string replaced(std::string text, std::string_view what, std::string_view by);

}  // namespace vmmig::nms
