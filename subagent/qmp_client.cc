// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/qmp_client.h"

#include "common/log.h"

namespace vmmig {

namespace {
using namespace std::chrono_literals;
}

QmpClient::QmpClient(EventLoop& loop, UniqueFd socket, std::string path, Host& host)
    : loop_(loop), path_(std::move(path)), host_(host), monitor_(loop, std::move(socket), path_, *this) {}

QmpClient::~QmpClient() {
  if (look_) loop_.cancel(*look_);
}

void QmpClient::ready() {
  wasReady_ = true;
  run(machine_.ready());
}

void QmpClient::ended(const std::string& why) {
  // What is told last, is told of a VM that is still known.
  run(machine_.ended(why));
  host_.ended(*this);
}

void QmpClient::run(QmpActions actions) {
  for (auto& action : actions) carryOut(action);
}

void QmpClient::carryOut(QmpAction& action) {
  if (auto* command = std::get_if<QmpCommand>(&action)) return monitor_.send(std::move(*command));
  if (const auto* tell = std::get_if<QmpTell>(&action)) return host_.told(*this, *tell);
  if (std::holds_alternative<QmpHoldLost>(action)) return host_.holdLost(*this);
  if (std::holds_alternative<QmpLookAgain>(action)) return lookSoon();
  const auto& said = std::get<QmpSay>(action);
  log::write(said.isWarning ? log::Level::warning : log::Level::notice, machine_.identity().label() + " " + said.text);
}

void QmpClient::lookSoon() {
  if (look_) return;
  look_ = loop_.after(20ms, [this] {
    look_.reset();
    run(machine_.lookAgain());
  });
}

void QmpClient::finish(Clock::time_point deadline) {
  const auto isAtRest = [this] {
    return machine_.stage() != QmpMachine::Stage::held && machine_.stage() != QmpMachine::Stage::goingBack;
  };
  do {
    monitor_.drain(deadline, [&] { return isAtRest() && !monitor_.debt(); });
    // The loop does not turn any more.
    if (std::exchange(look_, std::nullopt)) run(machine_.lookAgain());
  } while (!(isAtRest() && !monitor_.debt()) && Clock::now() < deadline && monitor_.isReady());
}

}  // namespace vmmig
