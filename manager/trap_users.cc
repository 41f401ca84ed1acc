// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/trap_users.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace vmmig {

namespace {

// authUser TYPES [-s MODEL] USER [LEVEL [OID | -v VIEW]]
std::string authorizedUser(std::istringstream& words) {
  std::string types, user;
  words >> types >> user;
  if (user == "-s") words >> user >> user;
  return user;
}

Status parseLine(TrapUsers& users, const std::string& line) {
  std::istringstream words{line};
  std::string directive;
  words >> directive;
  if (directive.empty() || directive[0] == '#') return {};
  if (directive == "createUser") {
    std::string rest;
    std::getline(words >> std::ws, rest);
    if (rest.empty()) return failure("createUser needs a user: createUser NAME SHA-256 PASSPHRASE AES PASSPHRASE");
    users.createUser.push_back(rest);
  } else if (directive == "authUser") {
    auto user = authorizedUser(words);
    if (user.empty()) return failure("authUser needs a user: authUser log NAME priv");
    users.authorized.insert(user);
  } else if (directive == "exactEngineID") {
    words >> users.engineId;
  } else if (directive == "disableAuthorization") {
    std::string value;
    words >> value;
    if (value != "no" && value != "false" && value != "0") return failure("authorization cannot be disabled here");
  } else {
    return failure("unknown directive; createUser, authUser and exactEngineID are known");
  }
  return {};
}

}  // namespace

Result<TrapUsers> parseTrapUsers(const std::string& file, const std::string& text) {
  TrapUsers users;
  std::istringstream lines{text};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number)
    if (auto status = parseLine(users, line); !status)
      return failure(file + ", line " + std::to_string(number) + ": " + status.error().text);
  if (users.authorized.empty()) return failure(file + ": no user may notify: add a line such as \"authUser log NAME priv\"");
  return users;
}

Result<TrapUsers> readTrapUsers(const std::string& file) {
  struct stat status;
  if (::stat(file.c_str(), &status) != 0) return failure("cannot read the users file " + file + ": " + std::strerror(errno));
  if (status.st_mode & S_IRWXO)
    return failure(file + " holds passphrases but is open to every user of this system: chmod 600 " + file);
  std::ifstream in{file};
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return failure("cannot read the users file " + file + ": " + std::strerror(errno));
  return parseTrapUsers(file, text.str());
}

}  // namespace vmmig
