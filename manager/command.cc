// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/command.h"

#include "common/log.h"
#include "manager/progress.h"

namespace vmmig {

Result<std::unique_ptr<Device>> Invocation::device(const std::string& peer) const {
  auto options = session;
  options.peer = peer;
  auto opened = SnmpSession::open(loop, options);
  // What is wrong before anything was sent is what the user gave.
  if (!opened) return failure(SnmpStatus::badValue, opened.error().text);
  auto made = std::make_unique<Device>(peer, std::move(*opened));
  auto progress = std::make_shared<Progress>();
  made->onProgress([progress, peer](std::size_t rows) { progress->show(peer + ": " + std::to_string(rows) + " rows"); });
  return made;
}

ExitCode exitCodeOf(const Error& error) {
  if (error.status == SnmpStatus::badValue) return ExitCode::usage;
  return error.status == SnmpStatus::noSuchName ? ExitCode::negative : ExitCode::device;
}

ExitCode complain(ExitCode code, const std::string& text) {
  log::error(text);
  return code;
}

}  // namespace vmmig
