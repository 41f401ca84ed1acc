// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_nft.h"

#include <nftables/libnftables.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "common/unique_fd.h"

namespace vmmig {

namespace {

/// Commands as a file, the only kind of input of which libnftables tells the line of a fault.
class CommandFile {
 public:
  explicit CommandFile(const std::string& commands) : fd_(memfd_create("nft", MFD_CLOEXEC)) {
    std::size_t done = 0;
    while (fd_ && done < commands.size()) {
      auto size = write(fd_.get(), commands.data() + done, commands.size() - done);
      if (size < 0 && errno != EINTR) fd_ = UniqueFd{};
      if (size > 0) done += static_cast<std::size_t>(size);
    }
  }
  bool isOpen() const { return static_cast<bool>(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  UniqueFd fd_;
};

/// libnftables says "/proc/self/fd/7:3:12-20: Error: Could not process rule: File exists", then the line and carets below the
/// place; and so for each fault.
std::vector<Nft::Fault> faultsFrom(const char* said) {
  static const std::regex place{R"(^(?:/proc/self/fd/\d+:(\d+):[^ ]* )?Error: (?:Could not process rule: )?(.*)$)"};
  std::vector<Nft::Fault> faults;
  std::istringstream lines{said ? said : ""};
  std::string line, first;
  for (std::smatch match; std::getline(lines, line);) {
    if (first.empty()) first = line;
    if (!std::regex_match(line, match, place)) continue;
    std::optional<std::size_t> number;
    if (match[1].matched) number = std::strtoul(match[1].str().c_str(), nullptr, 10) - 1;
    faults.push_back({match[2], number});
  }
  if (faults.empty()) faults.push_back({first.empty() ? "nftables gives no reason" : first, std::nullopt});
  return faults;
}

/// Taken back when it goes out of scope.
class OutputFlags {
 public:
  OutputFlags(nft_ctx* context, unsigned flags) : context_(context), before_(nft_ctx_output_get_flags(context)) {
    nft_ctx_output_set_flags(context, before_ | flags);
  }
  ~OutputFlags() { nft_ctx_output_set_flags(context_, before_); }
  OutputFlags(const OutputFlags&) = delete;
  OutputFlags& operator=(const OutputFlags&) = delete;

 private:
  nft_ctx* context_;
  unsigned before_;
};

unsigned flagsOf(Nft::Listing listing) {
  return (listing.hasNumbers ? static_cast<unsigned>(NFT_CTX_OUTPUT_NUMERIC_ALL) : 0u) |
         (listing.hasElements ? 0u : static_cast<unsigned>(NFT_CTX_OUTPUT_TERSE)) |
         (listing.hasHandles ? static_cast<unsigned>(NFT_CTX_OUTPUT_HANDLE) : 0u);
}

}  // namespace

bool Nft::Fault::is(int error) const { return text.rfind(std::strerror(error), 0) == 0; }

void Nft::Free::operator()(nft_ctx* context) const { nft_ctx_free(context); }

Result<Nft> Nft::open() {
  Nft nft{nft_ctx_new(NFT_CTX_DEFAULT)};
  if (!nft.context_) return failure("libnftables cannot start");
  nft_ctx_buffer_error(nft.context_.get());
  nft_ctx_buffer_output(nft.context_.get());
  return nft;
}

std::vector<Nft::Fault> Nft::runAll(const std::string& commands, Mode mode) {
  if (commands.empty()) return {};
  CommandFile file{commands};
  if (!file.isOpen())
    return {{"the commands for nftables cannot be written to memory: " + std::string{std::strerror(errno)}, {}}};
  nft_ctx_set_dry_run(context_.get(), mode == Mode::check);
  bool isDone = nft_run_cmd_from_filename(context_.get(), file.path().c_str()) == 0;
  nft_ctx_set_dry_run(context_.get(), false);
  // Both buffers are emptied by looking at them.
  auto faults = faultsFrom(nft_ctx_get_error_buffer(context_.get()));
  nft_ctx_get_output_buffer(context_.get());
  if (isDone) faults.clear();
  return faults;
}

std::optional<Nft::Fault> Nft::run(const std::string& commands, Mode mode) {
  auto faults = runAll(commands, mode);
  if (faults.empty()) return std::nullopt;
  return faults.front();
}

Result<std::string> Nft::output(const std::string& command, unsigned flags) {
  OutputFlags scope{context_.get(), flags};
  bool isDone = nft_run_cmd_from_buffer(context_.get(), command.c_str()) == 0;
  std::string output{nft_ctx_get_output_buffer(context_.get())};
  auto fault = faultsFrom(nft_ctx_get_error_buffer(context_.get())).front();
  if (isDone) return output;
  return failure(fault.is(ENOENT) ? SnmpStatus::noSuchName : SnmpStatus::genErr, "nft " + command + ": " + fault.text);
}

Result<std::string> Nft::listText(const std::string& command) { return listText(command, Listing{}); }
Result<nlohmann::json> Nft::list(const std::string& command) { return list(command, Listing{}); }

Result<std::string> Nft::listText(const std::string& command, Listing listing) { return output(command, flagsOf(listing)); }

Result<nlohmann::json> Nft::list(const std::string& command, Listing listing) {
  auto text = output(command, flagsOf(listing) | NFT_CTX_OUTPUT_JSON);
  if (!text) return failure(text.error());
  auto root = nlohmann::json::parse(*text, nullptr, false);
  if (!root.is_object() || !root.contains("nftables") || !root["nftables"].is_array())
    return failure("nft " + command + ": its answer is no JSON");
  return root["nftables"];
}

std::string textIn(const nlohmann::json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::uint64_t numberIn(const nlohmann::json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::optional<std::string> nftQuoted(std::string_view text) {
  bool isPlain = std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= ' ' && c != '"' && c != 0x7f; });
  if (!isPlain) return std::nullopt;
  return '"' + std::string{text} + '"';
}

}  // namespace vmmig
