// SPDX-License-Identifier: GPL-2.0-or-later
// A QmpMachine and the model of a QEMU, without anything between them.
#pragma once

#include <gtest/gtest.h>

#include <deque>

#include "mibs/labels.h"
#include "subagent/qmp_machine.h"
#include "tests/unit/qemu_model.h"

namespace vmmig::test {

using Stage = QmpMachine::Stage;

class QmpMachineTest : public testing::Test {
 protected:
  /// It is there, and has answered everything.
  void connect() {
    run(machine_.ready());
    answerAll();
  }
  /// QEMU's state changes, it tells so, and it answers whatever is asked upon that.
  void migration(const std::string& status, const std::string& runState = "") {
    qemu_.migration = status;
    if (!runState.empty()) qemu_.runState = runState;
    event("MIGRATION", {{"status", status}});
  }
  void stop(const std::string& runState = "finish-migrate") {
    qemu_.runState = runState;
    event("STOP");
  }
  void resume() {
    qemu_.runState = "running";
    event("RESUME");
  }
  void event(const std::string& name, nlohmann::json data = nlohmann::json::object()) {
    run(machine_.received({name, std::move(data), {++clock_}}));
    answerAll();
  }
  void copy() {
    migration("setup");
    migration("active");
  }
  void hold() {
    copy();
    stop();
    migration("pre-switchover");
  }
  void run(const QmpActions& actions) {
    for (const auto& action : actions) {
      if (const auto* command = std::get_if<QmpCommand>(&action)) {
        sent_ += command->execute + " ";
        asked_.push_back(*command);
      } else if (const auto* tell = std::get_if<QmpTell>(&action)) {
        told_ += labelOf(tell->phase) + (tell->isHeld ? "(held) " : tell->comes ? "(here) " : " ");
        last_ = *tell;
      } else if (const auto* said = std::get_if<QmpSay>(&action)) {
        said_ += said->text + "\n";
      } else {
        told_ += std::holds_alternative<QmpHoldLost>(action) ? "holdLost " : "";
        looksAgain_ |= std::holds_alternative<QmpLookAgain>(action);
      }
    }
  }
  void answer() {
    auto command = asked_.front();
    asked_.pop_front();
    run(machine_.answered(command, qemu_.answer(command)));
  }
  void answerAll() {
    for (int i = 0; i < 1000 && !asked_.empty(); ++i) answer();
    ASSERT_TRUE(asked_.empty()) << "it asks for ever";
  }
  /// What has been told since the last call.
  std::string told() { return std::exchange(told_, ""); }
  std::string sent() { return std::exchange(sent_, ""); }

  QemuModel qemu_;
  QmpMachine machine_;
  std::deque<QmpCommand> asked_;
  std::string told_, sent_, said_;
  QmpTell last_{};
  bool looksAgain_ = false;
  std::uint64_t clock_ = 1000;
};

}  // namespace vmmig::test
