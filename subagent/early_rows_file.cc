// SPDX-License-Identifier: GPL-2.0-or-later
// The file: a line that names its format, then records of '+' or '-', the key's length (2 octets, network order), and the key.
#include "subagent/early_rows_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/replace_file.h"

namespace vmmig {

namespace {

constexpr std::string_view format = "vmmigd early rows 1\n";
constexpr std::size_t headerSize = 3;

void pack(std::string& out, char kind, std::string_view key) {
  out += kind;
  out += static_cast<char>(key.size() >> 8);
  out += static_cast<char>(key.size());
  out += key;
}

/// Up to the first record that is not whole.
EarlyRowsFile::Keys unpack(std::string_view text) {
  EarlyRowsFile::Keys keys;
  while (text.size() >= headerSize) {
    auto octet = [&text](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(text[at])); };
    auto kind = text.front();
    auto size = octet(1) << 8 | octet(2);
    if ((kind != '+' && kind != '-') || text.size() < headerSize + size) break;
    std::string key{text.substr(headerSize, size)};
    text.remove_prefix(headerSize + size);
    if (kind == '+')
      keys.insert(std::move(key));
    else
      keys.erase(key);
  }
  return keys;
}

}  // namespace

Result<std::optional<EarlyRowsFile::Keys>> EarlyRowsFile::read(const std::string& path) {
  if (path.empty()) return std::nullopt;
  std::ifstream file{path, std::ios::binary};
  if (!file && errno == ENOENT) return std::nullopt;
  std::ostringstream content;
  if (file) content << file.rdbuf();
  auto text = content.str();
  // Killed before its first line was written: nothing had been made.
  if (file && format.starts_with(text)) return Keys{};
  if (!file || !text.starts_with(format)) return failure(path + " cannot be read or is damaged");
  return unpack(std::string_view{text}.substr(format.size()));
}

void EarlyRowsFile::append(char kind, std::string_view key) {
  if (kind == '+' || file_) pack(waiting_, kind, key);
}

Error EarlyRowsFile::error(const std::string& path) const {
  return {SnmpStatus::genErr,
          path + " cannot be written (" + std::strerror(errno) + "); make room or mend the permissions of its directory"};
}

Status EarlyRowsFile::open(const std::string& path) {
  file_ = UniqueFd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600)};
  if (!file_ || !writeAll(file_.get(), format)) return failure(error(path));
  octets_ = format.size();
  return {};
}

Status EarlyRowsFile::flush() {
  auto text = std::exchange(waiting_, {});
  if (text.empty()) return {};
  if (path_.empty()) return failure("there is no state directory that could keep them");
  if (!file_)
    if (auto opened = open(path_); !opened) return opened;
  if (!writeAll(file_.get(), text)) {
    auto why = error(path_);
    // A record that is torn in the middle would hide those behind it.
    if (::ftruncate(file_.get(), static_cast<off_t>(octets_)) != 0) why.text += "; it is torn";
    return failure(std::move(why));
  }
  octets_ += text.size();
  return {};
}

Status EarlyRowsFile::rewrite(const Keys& keys) {
  auto beside = path_ + ".new";
  std::string text;
  for (const auto& key : keys) pack(text, '+', key);
  EarlyRowsFile fresh{path_};
  auto written = fresh.open(beside);
  if (written && !writeAll(fresh.file_.get(), text)) written = failure(error(beside));
  if (written && std::rename(beside.c_str(), path_.c_str()) != 0) written = failure(error(beside));
  // In any case not again before it has doubled.
  wasteful_ = std::max(leastWasteful, 2 * (written ? text.size() : octets_));
  if (!written) return written;
  file_ = std::move(fresh.file_);
  octets_ = format.size() + text.size();
  waiting_.clear();
  return {};
}

Status EarlyRowsFile::remove() {
  file_ = {};
  waiting_.clear();
  return remove(path_);
}

Status EarlyRowsFile::remove(const std::string& path) {
  if (path.empty() || ::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return failure(path + " cannot be deleted (" + std::strerror(errno) + "); delete it by hand");
}

}  // namespace vmmig
