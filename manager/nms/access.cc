// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/nms/access.h"

namespace vmmig::nms {

PackFile accessFile(const Model& model) {
  std::string text =
      heading(model, "# ", "What snmpd must allow an NMS: reading, and not the tables of connections, users and rules.");
  auto include = [&](const std::string& oid) { text += "view vmmigNms included ." + oid + "\n"; };
  text += "# The system group, which every NMS asks for first.\n";
  include("1.3.6.1.2.1.1");
  text += "# The device itself, its VMs, transfers, migrations and checks.\n";
  const auto& scalar = model.scalars.front().oid;
  include(scalar.substr(0, scalar.rfind('.')));
  for (const auto& table : model.tables)
    if (watched(table)) include(table.oid);
  text += std::string{"# Set two passphrases of your own, and give the same ones to the NMS.\n"} + "#createUser " + exampleUser +
          " SHA-256 AUTHENTICATION-PASSPHRASE AES PRIVACY-PASSPHRASE\n" + "rouser " + exampleUser + " priv -V vmmigNms\n";
  return {"snmpd-nms.conf", "each device: /etc/snmp/snmpd.conf.d/, then restart snmpd", text};
}

}  // namespace vmmig::nms
