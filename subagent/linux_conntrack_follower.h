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
  /// Looks rows up by their keys: each as it is now, or nothing.
  using LookUp = std::function<Result<std::vector<std::optional<AnyRow>>>(std::span<const AnyRow> keys)>;
  static Result<std::unique_ptr<RowFollower>> begin(ConntrackEvents& events, const Vm& vm, LookUp lookUp);
  ~ConntrackFollower() override { events_.remove(*this); }

  Result<bool> next(std::vector<AnyRow>& rows, std::vector<AnyRow>& gone) override;

 private:
  ConntrackFollower(ConntrackEvents& events, const Vm& vm, LookUp lookUp)
      : events_(events), vm_(vm), lookUp_(std::move(lookUp)) {}
  void touched(const ConntrackEntry& entry) override;
  void lost(const std::string& why) override;

  ConntrackEvents& events_;
  Vm vm_;
  LookUp lookUp_;
  std::map<std::string, AnyRow> touched_;  // keys, by image::packKey()
  std::optional<std::string> lost_;
};

}  // namespace vmmig
