// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/vmstate_bus.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/log.h"
#include "subagent/linux_child.h"

namespace vmmig {

namespace {

using namespace std::chrono_literals;

constexpr auto pauseBeforeAgain = 1s;

/// No user but ours may own a name: a second owner of org.qemu.VMState1 would stop every migration.
std::string configuration(const std::string& address) {
  return R"(<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>)" +
         address + R"(</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <deny send_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow send_destination="org.qemu.VMState1"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
  </policy>
  <policy user=")" +
         std::to_string(::geteuid()) + R"(">
    <allow own="org.qemu.VMState1"/>
  </policy>
  <limit name="max_completed_connections">8192</limit>
  <limit name="max_connections_per_user">8192</limit>
</busconfig>
)";
}

std::string text(const std::string& what) { return what + ": " + std::strerror(errno); }

/// A file in memory: nothing of it stays when the process is killed.
Result<UniqueFd> memoryFile(const std::string& content) {
  UniqueFd file{memfd_create("vmstate-bus.conf", MFD_CLOEXEC)};
  if (!file || ::write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()))
    return failure(text("no memory for the configuration of dbus-daemon"));
  return file;
}

/// Numbers that the child finds its configuration and its pipe under.
constexpr int configurationFd = 3, printFd = 4;

/// In the child, between fork and exec: system calls alone.
[[noreturn]] void execute(const char* path, char* const arguments[], pid_t parent, int file, int pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(EXIT_FAILURE);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  int nothing = ::open("/dev/null", O_RDWR);
  ::dup2(nothing, 0);
  ::dup2(nothing, 1);
  // First out of each other's way.
  file = ::fcntl(file, F_DUPFD, printFd + 1);
  pipe = ::fcntl(pipe, F_DUPFD, printFd + 1);
  ::dup2(file, configurationFd);
  ::dup2(pipe, printFd);
  ::close_range(printFd + 1, ~0U, 0);
  char* environment[] = {nullptr};
  ::execve(path, arguments, environment);
  ::_exit(127);
}

}  // namespace

VmstateBus::VmstateBus(EventLoop& loop, std::string path, Callbacks callbacks)
    : loop_(loop), path_(std::move(path)), callbacks_(std::move(callbacks)) {
  again_ = loop_.after(0s, [this] { start(); });
}

VmstateBus::~VmstateBus() {
  if (again_) loop_.cancel(*again_);
  if (child_ <= 0) return;
  ::kill(child_, SIGKILL);  // it has nothing to save
  end();
  ::unlink(path_.c_str());
}

std::string VmstateBus::addressOf(const std::string& path) {
  constexpr std::string_view plain = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz/.";
  constexpr char digits[] = "0123456789abcdef";
  std::string address = "unix:path=";
  for (char each : path) {
    auto octet = static_cast<unsigned char>(each);
    address += plain.find(each) != plain.npos ? std::string{each} : std::string{'%', digits[octet >> 4], digits[octet & 15]};
  }
  return address;
}

void VmstateBus::start() {
  again_.reset();
  if (auto started = tryStart(); !started) startAgain(started.error().text);
}

Status VmstateBus::clearPath() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.empty() || path_[0] != '/' || path_.size() >= sizeof address.sun_path)
    return failure("vmstate-bus = " + path_ + " is no absolute path of at most " + std::to_string(sizeof address.sun_path - 1) +
                   " octets; correct it in vmmigd.conf");
  path_.copy(address.sun_path, path_.size());
  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return failure("another program answers at " + path_ + "; end it, or choose another vmstate-bus in vmmigd.conf");
  if (errno == ECONNREFUSED) ::unlink(path_.c_str());
  std::error_code wrong;
  auto directory = std::filesystem::path{path_}.parent_path();
  if (!std::filesystem::exists(directory, wrong)) std::filesystem::create_directory(directory, wrong);
  if (wrong) return failure("the directory " + directory.string() + " cannot be made: " + wrong.message());
  return {};
}

Status VmstateBus::tryStart() {
  auto program = pathOfProgram("dbus-daemon");
  if (program.empty()) return failure("dbus-daemon is not installed: install the package dbus-daemon");
  if (auto cleared = clearPath(); !cleared) return cleared;
  auto file = memoryFile(configuration(addressOf(path_)));
  if (!file) return failure(file.error());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failure(text("no pipe"));
  UniqueFd reading{ends[0]}, writing{ends[1]};
  std::string words[] = {program,
                         "--nofork",
                         "--nopidfile",
                         "--nosyslog",
                         "--config-file=/proc/self/fd/" + std::to_string(configurationFd),
                         "--print-address=" + std::to_string(printFd)};
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t parent = ::getpid();
  pid_t child = ::fork();
  if (child < 0) return failure(text("dbus-daemon cannot be started"));
  if (child == 0) execute(program.c_str(), arguments.data(), parent, file->get(), writing.get());
  child_ = child;
  handle_ = UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, child, 0))};
  printed_ = std::move(reading);
  loop_.watch(handle_.get(), [this] { onEnd(); });
  loop_.watch(printed_.get(), [this] { onPrinted(); });
  return {};
}

void VmstateBus::onPrinted() {
  char buffer[256];
  auto size = ::read(printed_.get(), buffer, sizeof buffer);
  loop_.unwatch(printed_.get());
  printed_ = {};
  if (size <= 0) return;  // it is about to end
  isUp_ = true;
  trouble_.clear();
  log::info("the bus for QEMU listens at " + path_);
  callbacks_.up();
}

void VmstateBus::onEnd() {
  end();
  startAgain("dbus-daemon ended; its words are in this log");
}

/// Waits for the child, which has ended or been told to.
void VmstateBus::end() {
  if (child_ <= 0) return;
  loop_.unwatch(handle_.get());
  if (printed_) loop_.unwatch(printed_.get());
  printed_ = {};
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) continue;
  child_ = 0;
  handle_ = {};
}

void VmstateBus::startAgain(const std::string& trouble) {
  // Once, not every second.
  if (trouble_ != trouble) log::error("no bus for QEMU at " + path_ + ", so no VM can be held: " + trouble);
  trouble_ = trouble;
  again_ = loop_.after(pauseBeforeAgain, [this] { start(); });
  if (std::exchange(isUp_, false)) callbacks_.down();
}

}  // namespace vmmig
