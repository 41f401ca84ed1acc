// SPDX-License-Identifier: GPL-2.0-or-later
// The kinds of vmMigCounterTable: what stands behind a counter = line of the configuration.
#pragma once

#include "subagent/linux_exchanged_table.h"
#include "subagent/resources.h"

namespace vmmig {

/// The rows of an exchange that are one counter's.
struct CounterPart {
  struct Created {
    CounterRow row;  // completed()
    std::size_t number;
  };
  std::vector<const CounterRow*> remove;
  std::vector<Created> create;
};

class LinuxCounter {
 public:
  LinuxCounter(Nft& nft, CounterSource source) : nft_(nft), source_(std::move(source)) {}
  virtual ~LinuxCounter() = default;
  const CounterSource& source() const { return source_; }

  /// None when the object does not exist.
  virtual Result<std::vector<CounterRow>> rows(const Vm& vm) = 0;
  /// Could it hold this row, which is completed() and of this kind and VM?
  virtual Status check(const Vm& vm, const CounterRow& row) = 0;
  /// What is created is checked here, too.
  virtual std::optional<Refusal> stage(NftTransaction& transaction, const Vm& vm, const CounterPart& part) = 0;
  virtual CheckRow check() = 0;

 protected:
  Nft& nft() const { return nft_; }
  CounterRow rowOf(const Vm& vm) const;
  std::string path(const Vm& vm) const { return source_.object.text(vm.name); }
  std::string subject(const CounterRow& row) const;
  tl::unexpected<Error> refused(const CounterRow& row, SnmpStatus status, const std::string& why) const;
  /// For an object of each VM: whether its table is there.
  CheckRow checkTable();

 private:
  Nft& nft_;
  CounterSource source_;
};

/// linux_counter_objects.cc: named counters and quotas.
std::unique_ptr<LinuxCounter> makeNamedCounter(Nft& nft, CounterSource source);
/// linux_counter_sets.cc: a VM's set of half-open connections, and sets that count by element.
std::unique_ptr<LinuxCounter> makeHalfOpenCounter(Nft& nft, CounterSource source);
std::unique_ptr<LinuxCounter> makeElementCounter(Nft& nft, CounterSource source);

}  // namespace vmmig
