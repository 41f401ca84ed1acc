// SPDX-License-Identifier: GPL-2.0-or-later
#include <array>

#include "manager/command.h"

namespace vmmig {

std::span<const Command* const> commands() {
  static const std::array all{
      &showCommand(),    &exportCommand(),     &importCommand(),  &diffCommand(),   &phaseCommand(),
      &migrateCommand(), &serveCommand(),      &journalCommand(), &doctorCommand(), &locateCommand(),
      &nmsCommand(),     &completionCommand(), &reportCommand(),  &topCommand(),
  };
  return all;
}

}  // namespace vmmig
