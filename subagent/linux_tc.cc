// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_tc.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "common/log.h"
#include "subagent/linux_child.h"
#include "subagent/linux_tc_text.h"

namespace vmmig {

namespace {

/// As tc itself reads it (tc_core.c).
double ticksPerMicrosecond() {
  std::ifstream file{"/proc/net/psched"};
  std::uint64_t ticksToMicroseconds = 0, microsecondsToTicks = 0, resolution = 0;
  file >> std::hex >> ticksToMicroseconds >> microsecondsToTicks >> resolution;
  if (!file || microsecondsToTicks == 0) return 15.625;  // of every kernel since 2.6.31
  return static_cast<double>(ticksToMicroseconds) / static_cast<double>(microsecondsToTicks) * static_cast<double>(resolution) /
         1e6;
}

/// "Error: Specified qdisc kind is unknown.\nCommand failed -:3" without what is said around the reason.
std::string reasonIn(const std::string& errors) {
  auto lines = linesOf(errors);
  for (const auto& line : lines)
    if (line.starts_with("Error: ")) return line.substr(7);
  for (const auto& line : lines)
    if (!line.starts_with("Warning") && !line.starts_with("Command failed")) return line;
  return "tc gives no reason";
}

Result<std::string> show(const std::vector<std::string>& words) {
  std::vector<std::string> all{"tc", "-details", "-raw"};
  all.insert(all.end(), words.begin(), words.end());
  auto child = runChild(all);
  if (!child) return failure(child.error());
  if (child->status != 0) return failure("tc: " + reasonIn(child->errors));
  return child->output;
}

/// Runs commands, one a line, until one fails; the error names it.
Status runBatch(const std::vector<std::string>& commands, const TcLines& said) {
  std::string input;
  for (const auto& command : commands) input += command + "\n";
  auto child = runChild({"tc", "-batch", "-"}, input);
  if (!child) return failure(child.error());
  if (child->status == 0) return {};
  auto error = "tc refuses it: " + reasonIn(child->errors);
  if (auto at = child->errors.rfind("Command failed -:"); at != std::string::npos) {
    auto number = std::strtoul(child->errors.c_str() + at + 17, nullptr, 10) - 1;
    if (number < said.size()) error += " (" + said[number] + ")";
  }
  return failure(SnmpStatus::commitFailed, error);
}

struct Batch {
  std::vector<std::string> commands;
  TcLines said;  // the line that each is for
};

void addDeletions(Batch& batch, const std::string& port, const TcLines& lines) {
  for (const auto& line : lines) {
    auto words = wordsOf(line);
    if (words.size() < 2 || words[0] != "qdisc" || words[1] == "parent") continue;  // it goes with its parent
    batch.commands.push_back("qdisc del dev " + port + " " + words[1]);
    batch.said.push_back("delete " + line);
  }
}

Status addLines(Batch& batch, const std::string& port, const TcLines& lines) {
  for (const auto& line : lines) {
    auto command = tcCommand(line, port);
    if (!command) return failure(command.error());
    batch.commands.push_back(*command);
    batch.said.push_back(line);
  }
  return {};
}

/// Whatever a batch that failed has left.
void deleteAll(const std::string& port) {
  for (const char* place : {"root", "clsact", "ingress"})
    if (auto child = runChild({"tc", "qdisc", "del", "dev", port, place}); !child) log::error(child.error().text);
}

/// A port that is there as long as this object.
class TrialPort {
 public:
  TrialPort() {
    // A kernel that has no dummies has bridges, where there are VMs.
    for (const char* type : {"dummy", "bridge"}) {
      auto child = runChild({"ip", "link", "add", name_, "type", type});
      isThere_ = child && child->status == 0;
      if (isThere_) return;
    }
  }
  ~TrialPort() {
    if (isThere_) (void)runChild({"ip", "link", "del", name_});
  }
  TrialPort(const TrialPort&) = delete;
  TrialPort& operator=(const TrialPort&) = delete;
  bool isThere() const { return isThere_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_ = "vmmig" + std::to_string(getpid());
  bool isThere_ = false;
};

}  // namespace

Result<TcLines> readQos(const std::string& port) {
  TcReader reader{ticksPerMicrosecond()};
  auto about = [&](const Error& error) { return failure(error.status, "port " + port + ": " + error.text); };
  auto qdiscs = show({"qdisc", "show", "dev", port});
  if (!qdiscs) return about(qdiscs.error());
  if (auto read = reader.readQdiscs(*qdiscs); !read) return about(read.error());
  auto places = reader.filterPlaces();
  if (std::any_of(places.begin(), places.end(), [](const auto& place) { return place.starts_with("parent"); })) {
    auto classes = show({"class", "show", "dev", port});
    if (!classes) return about(classes.error());
    if (auto read = reader.readClasses(*classes); !read) return about(read.error());
  }
  for (const auto& place : reader.filterPlaces()) {
    std::vector<std::string> words{"filter", "show", "dev", port};
    for (auto& word : wordsOf(place)) words.push_back(std::move(word));
    auto filters = show(words);
    if (!filters) return about(filters.error());
    if (auto read = reader.readFilters(place, *filters); !read) return about(read.error());
  }
  return reader.lines();
}

Status replaceQos(const std::string& port, const TcLines& now, const TcLines& wanted) {
  Batch batch;
  addDeletions(batch, port, now);
  if (auto added = addLines(batch, port, wanted); !added) return added;
  if (batch.commands.empty()) return {};
  auto done = runBatch(batch.commands, batch.said);
  if (done) return {};
  deleteAll(port);
  Batch back;
  auto restored = addLines(back, port, now);
  if (restored && !back.commands.empty()) restored = runBatch(back.commands, back.said);
  if (!restored) log::error("port " + port + " has lost its QoS: " + restored.error().text);
  return failure(done.error().status, "port " + port + ": " + done.error().text);
}

Status rehearseQos(const TcLines& wanted) {
  TrialPort port;
  if (!port.isThere()) {
    log::warning("QoS cannot be tried before the VM stops: this kernel has neither dummy interfaces nor bridges");
    return {};
  }
  if (auto done = replaceQos(port.name(), {}, wanted); !done) return done;
  auto made = readQos(port.name());
  if (!made) return failure(made.error());
  if (*made == wanted) return {};
  auto [is, should] = std::mismatch(made->begin(), made->end(), wanted.begin(), wanted.end());
  return failure(SnmpStatus::inconsistentValue, "the kernel makes something else of it: `" + (is == made->end() ? "" : *is) +
                                                    "` instead of `" + (should == wanted.end() ? "" : *should) + "`");
}

}  // namespace vmmig
