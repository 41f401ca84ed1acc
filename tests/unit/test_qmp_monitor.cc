// SPDX-License-Identifier: GPL-2.0-or-later
// The monitor's connection against a scripted QEMU at the other end of a socket, which may say anything.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>

#include "common/log.h"
#include "subagent/qmp_monitor.h"

namespace vmmig::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const std::string greeting = R"({"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": ["oob"]}})";

struct Recorder final : QmpMonitor::Listener {
  void ready() override { told += "ready "; }
  void received(const QmpEvent& event) override {
    told += event.name + " ";
    last = event;
  }
  void answered(const QmpCommand& command, const QmpAnswer& answer) override {
    told += command.execute + "=" + (answer ? answer->dump() : answer.error().text) + " ";
  }
  void ended(const std::string& why) override { told += "ended: " + why; }
  std::string told;
  QmpEvent last;
};

class MonitorTest : public testing::Test {
 protected:
  MonitorTest() {
    log::setLevel(static_cast<log::Level>(2));
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    qemu_ = UniqueFd{ends[0]};
    monitor_.emplace(loop_, UniqueFd{ends[1]}, "/run/vm.qmp", recorder_);
  }
  /// QEMU says a line, in pieces when the socket is full.
  void say(std::string line) {
    line += "\n";
    for (std::size_t at = 0; at < line.size();) {
      auto sent = ::send(qemu_.get(), line.data() + at, line.size() - at, MSG_NOSIGNAL);
      if (sent > 0)
        at += static_cast<std::size_t>(sent);
      else
        turn();
    }
    turn();
  }
  /// Until everything that was said is taken.
  void turn() {
    for (int i = 0; i < 4; ++i) loop_.runUntil([] { return false; }, Clock::now() + 1ms);
  }
  /// What QEMU was told since the last call, by lines.
  std::vector<json> heard() {
    char buffer[65536];
    for (ssize_t got; (got = ::recv(qemu_.get(), buffer, sizeof buffer, 0)) > 0;)
      in_.append(buffer, static_cast<std::size_t>(got));
    std::vector<json> lines;
    for (std::size_t end; (end = in_.find('\n')) != in_.npos; in_.erase(0, end + 1))
      lines.push_back(json::parse(in_.substr(0, end)));
    return lines;
  }
  void negotiate() {
    say(greeting);
    say(R"({"return": {}, "id": 1})");
    heard();
    recorder_.told.clear();
  }
  std::string told() { return std::exchange(recorder_.told, ""); }

  EventLoop loop_;
  Recorder recorder_;
  UniqueFd qemu_;
  std::optional<QmpMonitor> monitor_;
  std::string in_;
};

TEST_F(MonitorTest, ItNegotiatesAndIsReady) {
  ASSERT_TRUE(monitor_->debt());
  EXPECT_EQ(monitor_->debt()->what, "its greeting");
  say(greeting);
  auto lines = heard();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], (json{{"execute", "qmp_capabilities"}, {"id", 1}}));
  EXPECT_FALSE(monitor_->isReady());
  say(R"({"event": "STOP"})");
  EXPECT_EQ(told(), "") << "not yet";
  say(R"({"return": {}, "id": 1})");
  EXPECT_EQ(told(), "ready ");
  EXPECT_TRUE(monitor_->isReady());
  EXPECT_FALSE(monitor_->debt());
}

TEST_F(MonitorTest, ARefusalEndsIt) {
  say(greeting);
  say(R"({"error": {"class": "GenericError", "desc": "no"}, "id": 1})");
  EXPECT_EQ(told(), "ended: QEMU refuses to speak QMP: no");
}

TEST_F(MonitorTest, AnswersFindTheirCommandsByTheirIds) {
  negotiate();
  monitor_->send({"query-status"});
  monitor_->send({"qom-get", {{"path", "/x"}, {"property", "mac"}}});
  auto lines = heard();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_FALSE(lines[0].contains("arguments"));
  EXPECT_EQ(lines[1]["arguments"]["path"], "/x");
  say(json{{"error", {{"desc", "no such property"}}}, {"id", lines[1]["id"]}}.dump());
  EXPECT_EQ(monitor_->debt()->what, "query-status");
  say(json{{"return", {{"status", "running"}}}, {"id", lines[0]["id"]}}.dump());
  EXPECT_EQ(told(), R"(qom-get=no such property query-status={"status":"running"} )");
  EXPECT_FALSE(monitor_->debt());
}

TEST_F(MonitorTest, EventsHaveQemusTime) {
  negotiate();
  say(R"({"timestamp": {"seconds": 1795433592, "microseconds": 459823}, "event": "STOP"})");
  EXPECT_EQ(recorder_.last.time.value, 1795433592459823u);
  say(R"({"timestamp": {"seconds": -1, "microseconds": -1}, "event": "RESUME", "data": {"a": 1}})");
  EXPECT_EQ(recorder_.last.time.value, 0u);
  EXPECT_EQ(recorder_.last.data, (json{{"a", 1}}));
  for (auto stamp : {R"({"seconds": 99999999999999})", R"("now")", R"({"seconds": "5"})", "null"}) {
    say(R"({"event": "STOP", "timestamp": )" + std::string{stamp} + "}");
    EXPECT_EQ(recorder_.last.time.value, 0u) << stamp;
  }
}

TEST_F(MonitorTest, ALineMayComeInPiecesAndSeveralAtOnce) {
  negotiate();
  std::string two = R"({"event": "STOP"})"
                    "\r\n"
                    R"({"event": "RESUME"})"
                    "\n\n";
  for (char each : two) ASSERT_EQ(::send(qemu_.get(), &each, 1, 0), 1), turn();
  ASSERT_GT(::send(qemu_.get(), two.data(), two.size(), 0), 0);
  turn();
  EXPECT_EQ(told(), "STOP RESUME STOP RESUME ");
  EXPECT_EQ(monitor_->malformed(), 0u);
}

TEST_F(MonitorTest, WhatIsNoQmpIsCountedAndSurvived) {
  negotiate();
  const std::vector<std::string> nonsense = {"hello",
                                             "{",
                                             "[1,2]",
                                             "7",
                                             "null",
                                             "{}",
                                             R"({"event": 5})",
                                             R"({"event": ""})",
                                             R"({"return": {}})",
                                             R"({"return": {}, "id": "1"})",
                                             R"({"return": {}, "id": 99})",
                                             R"({"error": 5, "id": -1})",
                                             greeting,
                                             "\xff\xfe{}",
                                             R"({"event": "\ud800"})",
                                             std::string(50000, '['),
                                             std::string("\0\0\0", 3)};
  for (const auto& line : nonsense) say(line);
  EXPECT_EQ(monitor_->malformed(), nonsense.size());
  EXPECT_EQ(told(), "");
  say(R"({"event": "STOP", "data": 5})");
  EXPECT_EQ(told(), "STOP ");
  EXPECT_TRUE(recorder_.last.data.is_object());
}

TEST_F(MonitorTest, AnErrorWithoutADescriptionIsAnError) {
  negotiate();
  for (auto error : {"5", "{}", R"({"desc": 5})", "null"}) {
    monitor_->send({"cont"});
    say(R"({"error": )" + std::string{error} + R"(, "id": )" + heard().at(0)["id"].dump() + "}");
    EXPECT_EQ(told(), "cont= ") << error;
  }
}

TEST_F(MonitorTest, ALineThatIsTooLongIsDroppedAndTheNextIsTaken) {
  negotiate();
  say(R"({"event": "LONG", "data": ")" + std::string(3 * QmpMonitor::maxLine, 'x') + "\"}");
  say(R"({"event": "STOP"})");
  EXPECT_EQ(told(), "STOP ");
  EXPECT_EQ(monitor_->malformed(), 1u);
  say(R"({"event": ")" + std::string(QmpMonitor::maxLine - 100, 'x') + "\"}");
  EXPECT_EQ(told().size(), QmpMonitor::maxLine - 99) << "one that is just not";
}

TEST_F(MonitorTest, TheEndIsToldAfterWhatWasSaidBefore) {
  negotiate();
  ASSERT_GT(::send(qemu_.get(), "{\"event\": \"SHUTDOWN\"}\n", 22, 0), 0);
  qemu_ = {};
  turn();
  EXPECT_EQ(told(), "SHUTDOWN ended: QEMU has ended, or closed its monitor");
  monitor_->send({"cont"});
  turn();
  EXPECT_EQ(told(), "");
}

TEST_F(MonitorTest, WhatDoesNotFitIsSentLater) {
  negotiate();
  // More than a socket takes at once, and less than what we bear.
  for (int i = 0; i < 3000; ++i) monitor_->send({"qom-get", {{"path", std::string(40, 'x')}, {"property", "mac"}}});
  std::size_t count = 0;
  auto deadline = Clock::now() + 5s;
  loop_.runUntil([&] { return (count += heard().size()) == 3000; }, deadline);
  EXPECT_EQ(count, 3000u);
}

TEST_F(MonitorTest, AQemuThatDoesNotReadIsLeft) {
  negotiate();
  for (int i = 0; i < 10000; ++i) monitor_->send({"qom-get", {{"path", std::string(80, 'x')}, {"property", "mac"}}});
  say(R"({"event": "STOP"})");
  EXPECT_EQ(told(), "STOP ended: QEMU does not read what it is asked");
}

TEST_F(MonitorTest, ItWaitsForAnswersAtTheEndAndNotForEver) {
  negotiate();
  monitor_->send({"migrate_cancel"});
  auto id = heard().at(0)["id"].dump();
  auto begin = Clock::now();
  monitor_->drain(begin + 5s, [&] { return !monitor_->debt(); });
  EXPECT_LT(Clock::now() - begin, 1s) << "in slices";
  EXPECT_TRUE(monitor_->debt());
  auto line = R"({"return": {}, "id": )" + id + "}\n";
  ASSERT_GT(::send(qemu_.get(), line.data(), line.size(), 0), 0);
  monitor_->drain(begin + 5s, [&] { return !monitor_->debt(); });
  EXPECT_EQ(told(), "migrate_cancel={} ");
}

/// Lines that are nearly right, cut and changed anywhere; between them true ones, each of which must still be heard.
TEST_F(MonitorTest, ChangedLinesDoNoHarm) {
  negotiate();
  const std::vector<std::string> models = {
      greeting, R"({"return": {"status": "active", "ram": {"total": 1}}, "id": 2})",
      R"({"error": {"class": "E", "desc": "d"}, "id": 3})",
      R"({"timestamp": {"seconds": 1, "microseconds": 2}, "event": "MIGRATION", "data": {"status": "setup"}})"};
  std::mt19937 random{42};
  for (int round = 0; round < 2000; ++round) {
    auto line = models[random() % models.size()];
    for (auto changes = random() % 4; changes > 0; --changes) {
      auto at = random() % line.size();
      switch (random() % 3) {
        case 0: line[at] = static_cast<char>(random()); break;
        case 1: line.erase(at, random() % 8); break;
        default: line.insert(at, models[random() % models.size()].substr(random() % 20, random() % 20));
      }
      if (line.empty()) line = " ";
    }
    line += "\n{\"event\": \"MARK\"}\n";
    ASSERT_EQ(::send(qemu_.get(), line.data(), line.size(), 0), static_cast<ssize_t>(line.size()));
    loop_.runUntil([&] { return recorder_.told.ends_with("MARK "); }, Clock::now() + 1s);
    ASSERT_TRUE(recorder_.told.ends_with("MARK ")) << line;
    recorder_.told.clear();
  }
}

}  // namespace
}  // namespace vmmig::test
