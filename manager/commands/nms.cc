// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig nms`: what an NMS needs to watch migrations, made from the module.
#include <sys/stat.h>

#include <filesystem>
#include <iostream>

#include "common/replace_file.h"
#include "manager/command.h"
#include "manager/nms/pack.h"
#include "manager/nms/smi_module.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "Makes the files that a network management system (NMS) needs to watch migrations: items, alerts, what notifications mean. "
    "They\n"
    "are made from the installed VM-MIGRATION-MIB, and are the same for the same module, so that a diff shows what an update\n"
    "changes. Without PACK: which packs there are, and where each file goes. Without --output the files go into ./PACK.\n"
    "\n"
    "Examples:\n"
    "  vmmig nms\n"
    "  vmmig nms prometheus --output /tmp/vmmig-prometheus\n";

constexpr mode_t textMode = 0644, programMode = 0755;

void addOptions(po::options_description& options) {
  options.add_options()("output,o", po::value<std::string>()->value_name("DIRECTORY"), "where the files go (./PACK)")(
      "module-path", po::value<std::string>()->value_name("DIRECTORIES"), "where VM-MIGRATION-MIB is, with colons between");
}

void list(const nms::Model& model) {
  for (const auto& pack : nms::packs()) {
    std::cout << pack.name << '\n' << "  " << pack.summary << '\n';
    auto files = pack.generate(model);
    std::size_t widest = 0;
    for (const auto& file : files) widest = std::max(widest, file.name.size());
    for (const auto& file : files)
      std::cout << "    " << file.name << std::string(widest + 2 - file.name.size(), ' ') << file.place << '\n';
  }
}

Status write(const std::filesystem::path& directory, const std::vector<nms::PackFile>& files) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return failure("cannot make the directory " + directory.string() + ": " + error.message());
  for (const auto& file : files)
    if (auto status = replaceFile((directory / file.name).string(), file.text, file.isProgram ? programMode : textMode); !status)
      return status;
  return {};
}

std::string names() {
  std::string text;
  for (const auto& pack : nms::packs()) text += (text.empty() ? "" : ", ") + std::string{pack.name};
  return text;
}

ExitCode make(const Invocation& invocation, const nms::Model& model) {
  const auto* pack = nms::pack(invocation.arguments[0]);
  if (!pack) return complain(ExitCode::usage, "there is no pack \"" + invocation.arguments[0] + "\"; there are " + names());
  auto files = pack->generate(model);
  std::filesystem::path directory = invocation.has("output") ? invocation.text("output") : std::string{pack->name};
  if (directory.empty()) return complain(ExitCode::usage, "--output names no directory");
  if (auto status = write(directory, files); !status) return complain(ExitCode::usage, status.error().text);
  for (const auto& file : files) std::cout << (directory / file.name).string() << "  ->  " << file.place << '\n';
  return ExitCode::ok;
}

Task<ExitCode> run(Invocation invocation) {
  auto model = nms::readModule(invocation.has("module-path") ? invocation.text("module-path") : nms::installedModulePath());
  if (!model) co_return complain(ExitCode::usage, model.error().text);
  if (auto status = nms::check(*model); !status) co_return complain(ExitCode::usage, status.error().text);
  auto code = ExitCode::ok;
  if (invocation.arguments.empty())
    list(*model);
  else
    code = make(invocation, *model);
  std::cout.flush();
  co_return std::cout ? code : complain(ExitCode::usage, "cannot write to standard output");
}

}  // namespace

const Command& nmsCommand() {
  static const Command command{
      "nms", "Make what a network management system needs to watch migrations", {"[PACK]"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig
