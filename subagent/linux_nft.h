// SPDX-License-Identifier: GPL-2.0-or-later
// nftables by libnftables: commands as text, answers as JSON, and transactions in which each error finds the row that it is
// about.
//
// Written as text, because JSON loses the flag `dynamic` of sets and the counters of elements.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "subagent/back_end.h"

struct nft_ctx;

namespace vmmig {

class Nft {
 public:
  struct Fault {
    std::string text;                 // "No such file or directory", "syntax error, unexpected ...": without the place
    std::optional<std::size_t> line;  // of the commands, from 0

    /// Whether the kernel answered this errno.
    bool is(int error) const;
  };
  /// `check` has the kernel go through all of it, up to the place where it would become true: also a set that is full and a
  /// counter that a rule needs show.
  enum class Mode { run, check };

  /// How much a listing tells.
  struct Listing {
    bool hasNumbers = false;  // 6 instead of tcp, 7 instead of what this machine's rt_marks calls it
    bool hasElements = true;  // of sets and maps
    bool hasHandles = false;  // as comments, in text
  };

  static Result<Nft> open();

  /// All of the commands (lines) in one transaction, or nothing and the first fault.
  std::optional<Fault> run(const std::string& commands, Mode mode = Mode::run);
  /// The same, and all faults: the kernel looks at each command, also behind one that it refuses.
  std::vector<Fault> runAll(const std::string& commands, Mode mode = Mode::run);
  /// What `nft -j COMMAND` prints, its "nftables" array. Error noSuchName when an object that the command names does not exist.
  Result<nlohmann::json> list(const std::string& command);
  Result<nlohmann::json> list(const std::string& command, Listing listing);
  /// What `nft COMMAND` prints.
  Result<std::string> listText(const std::string& command);
  Result<std::string> listText(const std::string& command, Listing listing);

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };
  explicit Nft(nft_ctx* context) : context_(context) {}
  Result<std::string> output(const std::string& command, unsigned flags);
  std::unique_ptr<nft_ctx, Free> context_;
};

/// What a listing says under a key; another type than it should be counts as nothing.
std::string textIn(const nlohmann::json& object, const char* key);
std::uint64_t numberIn(const nlohmann::json& object, const char* key);

/// A word as nft takes it in quotes, or nothing when it cannot stand there (a quote, a line end, not printable).
std::optional<std::string> nftQuoted(std::string_view text);

/// Commands of one transaction, in the order that nftables needs: what refers to something goes before it and comes after it.
class NftTransaction {
 public:
  /// dropReferrers, addReferrers: rules and map elements that stay, but have to step aside while what they refer to is made anew.
  enum class Step {
    dropElements,
    dropRules,
    dropChains,
    dropReferrers,
    dropObjects,
    addObjects,
    addReferrers,
    addChains,
    addRules,
    addElements
  };

  /// A line of its own. `row`: which row of Exchange::create it is for, and what people call it ("ACL list x, entry y").
  /// What is gone already when it is to be dropped (dropElements) is no fault.
  void add(Step step, std::string command, std::optional<std::size_t> row = {}, std::string subject = {});

  /// A command to drop something; where rules or map elements refer to it, `whenBusy` is asked to add other commands in its
  /// place.
  using WhenBusy = std::function<Status(NftTransaction&)>;
  void addUnlessBusy(Step step, std::string command, WhenBusy whenBusy, std::string subject = {});

  /// Two commands that only make sense together: where one of them finds nothing, both are left out.
  void addPair(Step dropStep, std::string drop, Step addStep, std::string add);

  bool empty() const { return commands_.empty(); }
  std::string text() const;

  std::optional<Refusal> run(Nft& nft, Nft::Mode mode = Nft::Mode::run) const;

 private:
  struct Command {
    Step step;
    std::string text;
    std::optional<std::size_t> row;
    std::string subject;
    WhenBusy whenBusy;
    std::size_t number = 0;  // from 1
    std::size_t pair = 0;    // the number of the first of both; 0: none
  };
  Command& append(Step step, std::string text);
  std::vector<const Command*> sorted() const;
  const Command* find(std::size_t number) const;
  std::size_t numberAt(const Nft::Fault& fault) const;
  void leaveOut(const Command& command);
  Result<bool> avoid(const Command& command, const Nft::Fault& fault);
  Result<bool> avoid(const std::vector<Nft::Fault>& faults);
  Refusal refusal(const Nft::Fault& fault) const;

  std::vector<Command> commands_;
  std::size_t lastNumber_ = 0;
};

}  // namespace vmmig
