// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/qmp_monitor.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "common/log.h"

namespace vmmig {

namespace {

using nlohmann::json;
using namespace std::chrono_literals;

/// What QEMU may leave unread before we leave it: thousands of our commands.
constexpr std::size_t maxOut = 1 << 18;
/// Of malformed lines, so many are logged.
constexpr std::size_t maxComplaints = 5;

std::uint64_t numberOf(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

/// Nothing where a clock says what no clock can.
MicrosecondsUtc timeOf(const json& message) {
  auto found = message.find("timestamp");
  if (found == message.end() || !found->is_object()) return {};
  auto seconds = numberOf(*found, "seconds");
  if (seconds > 0xffffffff) return {};
  return {seconds * 1'000'000 + std::min<std::uint64_t>(numberOf(*found, "microseconds"), 999'999)};
}

}  // namespace

QmpMonitor::QmpMonitor(EventLoop& loop, UniqueFd socket, std::string name, Listener& listener)
    : loop_(loop), socket_(std::move(socket)), name_(std::move(name)), listener_(listener) {
  loop_.watch(socket_.get(), [this] { onReadable(); });
}

QmpMonitor::~QmpMonitor() {
  if (state_ != State::ended) loop_.unwatch(socket_.get());
  if (retry_) loop_.cancel(*retry_);
}

void QmpMonitor::send(QmpCommand command) {
  if (state_ == State::ended) return;
  auto id = ++lastId_;
  json message{{"execute", command.execute}, {"id", id}};
  if (!command.arguments.empty()) message["arguments"] = command.arguments;
  out_ += message.dump() + "\n";
  pending_.emplace(id, Pending{std::move(command), Clock::now()});
  flush();
}

void QmpMonitor::flush() {
  if (retry_) loop_.cancel(*retry_);
  retry_.reset();
  while (!out_.empty()) {
    auto sent = ::send(socket_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      out_.erase(0, static_cast<std::size_t>(sent));
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    // A socket that is broken says so to the reader, in the loop's next turn.
    if (sent < 0 && errno != EAGAIN) return out_.clear();
    break;
  }
  if (!out_.empty()) retry_ = loop_.after(5ms, [this] { flush(); });
}

void QmpMonitor::onReadable() {
  bool isOpen = receive();
  takeLines();
  if (state_ == State::ended) return;
  if (out_.size() > maxOut) return end("QEMU does not read what it is asked");
  if (!isOpen) end("QEMU has ended, or closed its monitor");
}

/// What has arrived, up to a measure, so that others are served as well; false at its end.
bool QmpMonitor::receive() {
  char buffer[65536];
  auto got = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (got > 0) in_.append(buffer, static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void QmpMonitor::takeLines() {
  std::size_t begin = 0;
  for (std::size_t end; state_ != State::ended && (end = in_.find('\n', begin)) != in_.npos; begin = end + 1)
    if (!std::exchange(skipping_, false)) takeLine(std::string_view{in_}.substr(begin, end - begin));
  in_.erase(0, begin);
  if (in_.size() <= maxLine) return;
  if (!skipping_) complain("a line of more than " + std::to_string(maxLine) + " octets", in_);
  skipping_ = true;
  in_.clear();
}

void QmpMonitor::takeLine(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == line.npos) return;
  auto message = json::parse(line, nullptr, false);
  if (message.is_object()) return takeMessage(message);
  complain("no JSON object", line);
}

void QmpMonitor::takeMessage(const json& message) {
  if (message.contains("event")) return takeEvent(message);
  if (message.contains("return") || message.contains("error")) return takeAnswer(message);
  if (!message.contains("QMP") || state_ != State::greeting) return complain("no message of QMP", message.dump());
  state_ = State::negotiating;
  send({"qmp_capabilities"});
}

void QmpMonitor::takeEvent(const json& message) {
  auto name = textOf(message, "event");
  if (name.empty()) return complain("an event without a name", message.dump());
  auto data = message.find("data");
  bool hasData = data != message.end() && data->is_object();
  if (state_ == State::ready) listener_.received({std::move(name), hasData ? *data : json::object(), timeOf(message)});
}

void QmpMonitor::takeAnswer(const json& message) {
  auto found = pending_.find(numberOf(message, "id"));
  if (found == pending_.end()) return complain("an answer to nothing that was asked", message.dump());
  auto command = std::move(found->second.command);
  pending_.erase(found);
  QmpAnswer answer;
  if (auto value = message.find("return"); value != message.end())
    answer = *value;
  else
    answer = failure(textOf(message["error"], "desc"));
  if (state_ != State::negotiating) return listener_.answered(command, answer);
  if (!answer) return end("QEMU refuses to speak QMP: " + answer.error().text);
  state_ = State::ready;
  listener_.ready();
}

void QmpMonitor::complain(std::string_view what, std::string_view line) {
  if (++malformed_ > maxComplaints) return;
  // It may hold anything, and the log is for people.
  std::string shown{line.substr(0, 80)};
  for (auto& each : shown)
    if (each < ' ' || each > '~') each = '?';
  log::warning("QEMU's monitor " + name_ + " says what is not understood (" + std::string{what} + "): " + shown +
               (malformed_ == maxComplaints ? "; further lines are not logged" : ""));
}

void QmpMonitor::end(std::string why) {
  state_ = State::ended;
  loop_.unwatch(socket_.get());
  if (retry_) loop_.cancel(*retry_);
  retry_.reset();
  listener_.ended(why);
}

void QmpMonitor::drain(Clock::time_point deadline, const std::function<bool()>& done) {
  auto until = std::min(deadline, Clock::now() + 20ms);
  while (state_ != State::ended && !done() && Clock::now() < until) {
    if (!out_.empty()) flush();
    pollfd fd{socket_.get(), POLLIN, 0};
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (::poll(&fd, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) > 0) onReadable();
  }
}

std::optional<QmpMonitor::Debt> QmpMonitor::debt() const {
  if (state_ == State::greeting) return Debt{begun_, "its greeting"};
  if (state_ == State::ended || pending_.empty()) return std::nullopt;
  const auto& oldest = pending_.begin()->second;
  return Debt{oldest.since, oldest.command.execute};
}

}  // namespace vmmig
