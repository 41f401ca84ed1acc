// SPDX-License-Identifier: GPL-2.0-or-later
// Follows a VM's rows of a table over connection tracking: notes which entries something happens to, and looks those up when it
// is asked. Row is TcpConnRow or FlowRow.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "subagent/back_end.h"
#include "subagent/linux_conntrack_events.h"

namespace vmmig {

template <class Row>
class ConntrackFollower final : public RowFollower, private ConntrackEvents::Listener {
 public:
  struct Looks {
    /// Looks rows up by their keys: each as it is now, or nothing.
    std::function<Result<std::vector<std::optional<AnyRow>>>(std::span<const AnyRow> keys)> up;
    /// Looks again at rows as they were known, of which packets alone may have changed something: true for those that it has
    /// brought up to date.
    std::function<std::vector<bool>(std::span<AnyRow> rows)> again;
  };
  static Result<std::unique_ptr<RowFollower>> begin(ConntrackEvents& events, const Vm& vm, Looks looks, KnownRows known);
  ~ConntrackFollower() override { events_.remove(*this); }

  Result<bool> next(std::vector<AnyRow>& rows, std::vector<AnyRow>& gone) override;

 private:
  struct Touched {
    AnyRow key;
    Touch touch;
  };

  ConntrackFollower(ConntrackEvents& events, const Vm& vm, Looks looks, KnownRows known)
      : events_(events), vm_(vm), looks_(std::move(looks)), known_(std::move(known)) {}
  void touched(const ConntrackEntry& entry, Touch touch) override;
  void lost(const std::string& why) override;
  std::vector<AnyRow> lookAgain(std::vector<Touched>& touched, std::vector<AnyRow>& rows);

  ConntrackEvents& events_;
  Vm vm_;
  Looks looks_;
  KnownRows known_;
  std::map<std::string, Touched> touched_;  // by image::packKey()
  std::optional<std::string> lost_;
};

}  // namespace vmmig
