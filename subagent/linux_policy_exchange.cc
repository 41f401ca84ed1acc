// SPDX-License-Identifier: GPL-2.0-or-later
// How policies change: what becomes of each one's pieces, then the chains in the transaction of nftables, and tc around it.
#include <algorithm>
#include <set>

#include "common/log.h"
#include "subagent/linux_policy_table.h"
#include "subagent/linux_tc_words.h"

namespace vmmig {

namespace {

// A bound of what is kept for policies that are not complete.
constexpr std::size_t maxPending = 64;

Status checkQos(const std::string& text, const std::string& port) {
  for (const auto& line : linesOf(text))
    if (auto command = tcCommand(line, port); !command) return failure(command.error());
  return {};
}

}  // namespace

/// The pieces after the exchange.
Status LinuxPolicyTable::changePieces(PolicyPieces& pieces, const Source& source, const ExchangePart& part, std::size_t& number) {
  for (const auto* row : part.remove)
    if (const auto& policy = row->as<PolicyRow>(); policy.name.value == source.line.name) pieces.erase(policy.piece);
  for (const auto& created : part.create) {
    const auto& policy = created.row->as<PolicyRow>();
    if (policy.name.value != source.line.name) continue;
    number = created.number;
    if (!pieces.emplace(policy.piece, policy).second)
      return failure(SnmpStatus::inconsistentName,
                     "piece " + std::to_string(policy.piece) + " exists already: remove the policy first");
    if (policy.pieces != pieces.begin()->second.pieces || policy.kind != pieces.begin()->second.kind)
      return failure(SnmpStatus::inconsistentValue, "its pieces do not agree in vmMigPolicyPieces or vmMigPolicyKind");
  }
  std::size_t size = 0;
  for (const auto& [each, row] : pieces) size += row.text.value.size();
  if (size > maxPolicyText)
    return failure(SnmpStatus::resourceUnavailable, "it is longer than " + std::to_string(maxPolicyText) + " octets");
  return {};
}

/// In force when it is complete, kept here when it is not.
Status LinuxPolicyTable::settle(Plan& plan, const Vm& vm, const PolicyPieces& pieces, const ExchangePart& part) const {
  if (isComplete(pieces)) {
    plan.after = vmmig::textOf(pieces);
    return plan.source->line.kind == PolicyKind::qos ? checkQos(*plan.after, vm.port) : LinuxPolicyChain::checkText(*plan.after);
  }
  if (pieces.empty()) return {};
  if (part.rehearsal) {
    plan.after = plan.before;  // the rest is still to come
    return {};
  }
  // An undo brings back what was here before, and that need not have been complete.
  if (!isRowByRow_ && !part.isUndo)
    return failure(SnmpStatus::inconsistentValue, "it is not complete: missing are pieces " + missingOf(pieces));
  Key key{vm.uuid, plan.source->line.name};
  if (!pending_.contains(key) && pending_.size() >= maxPending)
    return failure(SnmpStatus::resourceUnavailable, std::to_string(maxPending) + " policies are not complete already");
  plan.pending = pieces;
  return {};
}

Result<std::vector<LinuxPolicyTable::Plan>> LinuxPolicyTable::plan(const Vm& vm, const ExchangePart& part, std::size_t& row) {
  std::set<std::string> names;
  for (const auto* each : part.remove) names.insert(each->as<PolicyRow>().name.value);
  for (const auto& created : part.create) {
    row = created.number;
    if (auto checked = check(vm, *created.row); !checked) return failure(checked.error());
    names.insert(created.row->as<PolicyRow>().name.value);
  }
  std::vector<Plan> plans;
  for (auto& source : sources_) {
    if (!names.contains(source->line.name)) continue;
    auto before = textOf(*source, vm);
    auto pieces = before ? piecesOf(*source, vm) : Result<PolicyPieces>{failure(before.error())};
    if (!pieces) return failure(pieces.error());
    Plan plan{source.get(), *before, {}, {}, row};
    auto settled = changePieces(*pieces, *source, part, plan.row);
    if (settled) settled = settle(plan, vm, *pieces, part);
    row = plan.row;
    if (!settled) return failure(settled.error().status, subjectOf(*source, vm) + ": " + settled.error().text);
    plans.push_back(std::move(plan));
  }
  return plans;
}

Status LinuxPolicyTable::stageOne(NftTransaction& transaction, const Vm& vm, Plan& plan) {
  if (plan.source->line.kind != PolicyKind::acl || plan.before == plan.after) return {};
  auto subject = subjectOf(*plan.source, vm);
  Status staged;
  if (plan.before) staged = plan.source->chain.stageRemove(transaction, vm, subject);
  if (staged && plan.after) staged = plan.source->chain.stageAdd(transaction, vm, *plan.after, plan.row, subject);
  return staged ? staged : failure(staged.error().status, subject + ": " + staged.error().text);
}

std::optional<Refusal> LinuxPolicyTable::stage(NftTransaction& transaction, const Vm& vm, const ExchangePart& part) {
  plans_.clear();
  std::size_t row = 0;
  auto refusal = [&](const Error& error) { return Refusal{error, part.create.empty() ? std::nullopt : std::optional{row}}; };
  auto plans = plan(vm, part, row);
  if (!plans) return refusal(plans.error());
  for (auto& each : *plans) {
    row = each.row;
    if (auto staged = stageOne(transaction, vm, each); !staged) return refusal(staged.error());
  }
  plans_ = std::move(*plans);
  return std::nullopt;
}

/// Here, because this is when the exchange is done or undone: tc, and the pieces that are kept.
std::optional<Refusal> LinuxPolicyTable::beginOther(const Vm& vm, const ExchangePart& part) {
  undoQos_.clear();
  undoPending_.clear();
  for (auto& plan : plans_) {
    if (plan.source->line.kind == PolicyKind::qos && plan.before != plan.after) {
      auto now = linesOf(plan.before.value_or("")), wanted = linesOf(plan.after.value_or(""));
      if (auto done = replaceQos(vm.port, now, wanted); !done) {
        undoOther(vm);
        return Refusal{{done.error().status, subjectOf(*plan.source, vm) + ": " + done.error().text},
                       part.create.empty() ? std::nullopt : std::optional{plan.row}};
      }
      undoQos_.push_back({vm.port, {wanted, now}});
    }
    Key key{vm.uuid, plan.source->line.name};
    auto kept = pending_.find(key);
    undoPending_[key] = kept == pending_.end() ? PolicyPieces{} : kept->second;
    keep(key, std::move(plan.pending));
  }
  return std::nullopt;
}

void LinuxPolicyTable::undoOther(const Vm& vm) {
  for (auto each = undoQos_.rbegin(); each != undoQos_.rend(); ++each)
    if (auto done = replaceQos(each->first, each->second.first, each->second.second); !done)
      log::error("the QoS of VM " + vm.label() + " is not as it was: " + done.error().text);
  for (auto& [key, pieces] : undoPending_) keep(key, std::move(pieces));
  undoQos_.clear();
  undoPending_.clear();
}

std::optional<Refusal> LinuxPolicyTable::rehearseOther(const Vm& vm, const ExchangePart&) {
  for (const auto& plan : plans_) {
    if (plan.source->line.kind != PolicyKind::qos || !plan.after || plan.before == plan.after) continue;
    if (auto tried = rehearseQos(linesOf(*plan.after)); !tried)
      return Refusal{{tried.error().status, subjectOf(*plan.source, vm) + ": " + tried.error().text}, plan.row};
  }
  return std::nullopt;
}

}  // namespace vmmig
