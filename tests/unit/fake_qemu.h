// SPDX-License-Identifier: GPL-2.0-or-later
// A QEMU's monitor at a UNIX socket, in the test's own event loop: greets one client at a time, answers as its model says.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>

#include "common/event_loop.h"
#include "tests/unit/qemu_model.h"

namespace vmmig::test {

class FakeQemu : public QemuModel {
 public:
  FakeQemu(EventLoop& loop, std::filesystem::path path) : loop_(loop), path_(std::move(path)) { listen(); }
  FakeQemu(const FakeQemu&) = delete;
  FakeQemu& operator=(const FakeQemu&) = delete;
  ~FakeQemu() { kill(); }

  /// As in an accident: its socket stays behind.
  void kill() {
    hangUp();
    if (listener_) loop_.unwatch(listener_.get());
    listener_ = {};
  }
  /// Its client is gone for it; it takes the next.
  void hangUp() {
    if (client_) loop_.unwatch(client_.get());
    client_ = {};
    in_.clear();
  }
  void event(const std::string& name, nlohmann::json data = nlohmann::json::object()) {
    say({{"timestamp", {{"seconds", 1000}, {"microseconds", ++microseconds_}}}, {"event", name}, {"data", std::move(data)}});
  }
  void enter(const std::string& status, const std::string& nextRunState = "") {
    migration = status;
    if (!nextRunState.empty()) runState = nextRunState;
    event("MIGRATION", {{"status", status}});
  }
  void hold() {
    enter("setup");
    enter("active");
    runState = "finish-migrate";
    event("STOP");
    enter("pre-switchover");
  }
  /// What the commands that change something have been, since the last call.
  std::string changes() { return std::exchange(changes_, ""); }
  bool isHolding() { return capabilities["pause-before-switchover"]; }

  bool greets = true;
  /// What migrate_cancel does.
  bool cancels = true;

 private:
  void listen() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.native().copy(address.sun_path, sizeof address.sun_path - 1);
    std::filesystem::remove(path_);
    listener_ = UniqueFd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path_;
    ASSERT_EQ(::listen(listener_.get(), 1), 0);
    loop_.watch(listener_.get(), [this] { accept(); });
  }
  void accept() {
    UniqueFd next{::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (client_ || !next) return;
    client_ = std::move(next);
    loop_.watch(client_.get(), [this] { receive(); });
    if (greets) say({{"QMP", {{"version", {}}, {"capabilities", {}}}}});
  }
  void say(const nlohmann::json& message) {
    auto line = message.dump() + "\n";
    if (client_) ::send(client_.get(), line.data(), line.size(), MSG_NOSIGNAL);
  }
  void receive() {
    char buffer[4096];
    auto got = ::recv(client_.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return hangUp();
    in_.append(buffer, static_cast<std::size_t>(got));
    for (std::size_t end; (end = in_.find('\n')) != in_.npos;) {
      auto line = in_.substr(0, end);
      in_.erase(0, end + 1);
      take(nlohmann::json::parse(line));
    }
  }
  void take(const nlohmann::json& message) {
    QmpCommand command{message.at("execute"), message.value("arguments", nlohmann::json::object())};
    auto result = answer(command);
    if (result)
      say({{"return", *result}, {"id", message.at("id")}});
    else
      say({{"error", {{"class", "GenericError"}, {"desc", result.error().text}}}, {"id", message.at("id")}});
    const auto& what = command.execute;
    if (what != "migrate-continue" && what != "migrate_cancel" && what != "cont") return;
    changes_ += what + " ";
    if (what == "migrate_cancel" && cancels && result) goHome();
  }
  void goHome() {
    enter("cancelling");
    runState = "running";
    event("RESUME");
    enter("cancelled");
  }

  EventLoop& loop_;
  std::filesystem::path path_;
  UniqueFd listener_, client_;
  std::string in_, changes_;
  std::uint64_t microseconds_ = 0;
};

}  // namespace vmmig::test
