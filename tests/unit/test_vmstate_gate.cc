// SPDX-License-Identifier: GPL-2.0-or-later
// The gate on a real private bus, with this program in QEMU's place: it looks for the service and calls it as dbus-vmstate does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "common/log.h"
#include "subagent/vmstate_bus.h"
#include "subagent/vmstate_gate.h"

namespace vmmig::test {
namespace {

using namespace std::chrono_literals;

const Uuid vm{{7}}, otherVm{{8}};
constexpr const char* serviceName = "org.qemu.VMState1";
constexpr const char* objectPath = "/org/qemu/VMState1";

/// QEMU's connection. Its calls block.
class Qemu {
 public:
  explicit Qemu(const std::string& path) {
    sd_bus_new(&bus_);
    sd_bus_set_address(bus_, VmstateBus::addressOf(path).c_str());
    sd_bus_set_bus_client(bus_, 1);
    code_ = sd_bus_start(bus_);
  }
  Qemu(const Qemu&) = delete;
  Qemu& operator=(const Qemu&) = delete;
  ~Qemu() { sd_bus_flush_close_unref(bus_); }

  /// What it answers, or the text of the error. Load is called with one octet.
  std::string call(const std::string& method) {
    if (code_ < 0) return "no bus";
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message* call = nullptr;
    sd_bus_message* reply = nullptr;
    std::uint8_t octet = 1;
    sd_bus_message_new_method_call(bus_, &call, serviceName, objectPath, serviceName, method.c_str());
    if (method == "Load") sd_bus_message_append_array(call, 'y', &octet, 1);
    std::string result = sd_bus_call(bus_, call, 0, &error, &reply) < 0 ? error.message : sizeOf(reply);
    sd_bus_error_free(&error);
    sd_bus_message_unref(call);
    sd_bus_message_unref(reply);
    return result;
  }
  int requestName() { return sd_bus_request_name(bus_, serviceName, SD_BUS_NAME_QUEUE); }
  std::string id() {
    char* text = nullptr;
    sd_bus_get_property_string(bus_, serviceName, objectPath, serviceName, "Id", nullptr, &text);
    std::string id = text ? text : "";
    ::free(text);
    return id;
  }

 private:
  static std::string sizeOf(sd_bus_message* reply) {
    const void* data = nullptr;
    std::size_t size = 0;
    if (sd_bus_message_read_array(reply, 'y', &data, &size) <= 0) return "nothing";
    return std::to_string(size) + " octets";
  }

  sd_bus* bus_ = nullptr;
  int code_ = 0;
};

/// Something that QEMU does, in a thread of its own, while the loop turns.
class Doing {
 public:
  template <class Run>
  explicit Doing(Run run)
      : thread_([this, run] {
          result_ = run();
          isOver_ = true;
        }) {}
  ~Doing() { thread_.join(); }
  bool isOver() const { return isOver_; }
  const std::string& result() const { return result_; }

 private:
  std::string result_;
  std::atomic<bool> isOver_ = false;
  std::thread thread_;
};

class VmstateTest : public testing::Test {
 protected:
  VmstateTest() {
    log::setLevel(static_cast<log::Level>(2));
    ::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/vmstate-XXXXXX";
    directory_ = ::mkdtemp(name);
    ::chmod(directory_.c_str(), 0711);
    bus_ = makeBus();
    tick();
  }
  ~VmstateTest() override {
    gate_.reset();
    bus_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::unique_ptr<VmstateBus> makeBus() {
    return std::make_unique<VmstateBus>(loop_, path(),
                                        VmstateBus::Callbacks{[this] { told_ += "up "; }, [this] { told_ += "down "; }});
  }
  /// With what D-Bus and QEMU write in another way.
  std::string path() const { return directory_ + "/a,b=c;d.bus"; }
  bool until(const std::function<bool()>& done) { return loop_.runUntil(done, Clock::now() + 5s); }
  /// What happens in other threads does not turn the loop.
  void tick() {
    loop_.after(5ms, [this] { tick(); });
  }

  void serve(std::chrono::milliseconds longest = VmstateGate::longestSave) {
    ASSERT_TRUE(until([&] { return bus_->isUp(); })) << bus_->trouble();
    VmstateGate::Callbacks callbacks{[] {}, [this](const Uuid& each) { asked_.push_back(each); }, [this] { isLost_ = true; },
                                     [this](pid_t process) {
                                       EXPECT_EQ(process, ::getpid());
                                       return caller_;
                                     }};
    gate_ = std::make_unique<VmstateGate>(loop_, std::move(callbacks), longest);
    ASSERT_TRUE(gate_->connect(VmstateBus::addressOf(path())));
    ASSERT_TRUE(until([&] { return gate_->isServing(); }));
  }
  /// QEMU as another user, if this one may be another.
  template <class Run>
  Doing& startAsNobody(Run run) {
    return doings_.emplace_back([run] {
      constexpr uid_t nobody = 65534;
      ::syscall(SYS_setresuid, nobody, nobody, nobody);  // of this thread alone
      return run();
    });
  }
  Doing& start(const std::string& method) {
    return doings_.emplace_back([=, path = path()] { return Qemu{path}.call(method); });
  }
  /// A Save() that has arrived, and waits.
  Doing& startSave() {
    auto before = asked_.size();
    auto& doing = start("Save");
    EXPECT_TRUE(until([&] { return asked_.size() > before; }));
    EXPECT_FALSE(doing.isOver());
    return doing;
  }
  std::string end(Doing& doing) {
    EXPECT_TRUE(until([&] { return doing.isOver(); }));
    return doing.isOver() ? doing.result() : "still waiting";
  }

  EventLoop loop_;
  std::string directory_;
  std::string told_;
  std::unique_ptr<VmstateBus> bus_;
  std::optional<Uuid> caller_ = vm;
  std::vector<Uuid> asked_;
  bool isLost_ = false;
  std::list<Doing> doings_;  // each ends when its bus does
  std::unique_ptr<VmstateGate> gate_;
};

TEST_F(VmstateTest, QemuFindsTheGateByItsId) {
  serve();
  auto& doing = doings_.emplace_back([path = path()] { return Qemu{path}.id(); });
  EXPECT_EQ(end(doing), VmstateGate::id);
}

TEST_F(VmstateTest, SaveWaitsUntilItIsAllowed) {
  serve();
  auto& save = startSave();
  EXPECT_TRUE(gate_->isAsked(vm));
  gate_->allow(otherVm);
  gate_->refuse(otherVm, "what is decided of another VM");
  EXPECT_TRUE(gate_->isAsked(vm));
  gate_->allow(vm);
  EXPECT_EQ(end(save), "1 octets") << "QEMU takes none for a failure";
  EXPECT_FALSE(gate_->isAsked(vm));
}

TEST_F(VmstateTest, ARefusedSaveIsAnError) {
  serve();
  auto& save = startSave();
  gate_->refuse(vm, "because");
  EXPECT_EQ(end(save), "vmmigd: because");
  EXPECT_FALSE(gate_->isAsked(vm));
}

TEST_F(VmstateTest, EachVmIsHeldByItself) {
  serve();
  auto& first = startSave();
  caller_ = otherVm;
  auto& second = startSave();
  EXPECT_EQ(asked_, (std::vector{vm, otherVm}));
  gate_->refuse(otherVm, "you");
  EXPECT_EQ(end(second), "vmmigd: you");
  EXPECT_FALSE(first.isOver());
  gate_->allow(vm);
  EXPECT_EQ(end(first), "1 octets");
}

TEST_F(VmstateTest, ASaveThatNobodyAnswersIsRefusedBeforeQemuGivesUp) {
  EXPECT_LT(VmstateGate::longestSave, 25s);
  serve(50ms);
  EXPECT_EQ(end(startSave()), "vmmigd: vmmigd knows no answer");
  EXPECT_FALSE(gate_->isAsked(vm));
}

TEST_F(VmstateTest, AStrangerIsRefusedAtOnce) {
  serve();
  caller_ = std::nullopt;
  EXPECT_EQ(end(start("Save")), "vmmigd: vmmigd does not know this QEMU");
  EXPECT_TRUE(asked_.empty());
}

TEST_F(VmstateTest, LoadIsAnsweredAtOnce) {
  serve();
  EXPECT_EQ(end(start("Load")), "nothing");
}

TEST_F(VmstateTest, AnyUsersQemuCallsTheGate) {
  serve();
  auto& load = startAsNobody([path = path()] { return Qemu{path}.call("Load"); });
  EXPECT_EQ(end(load), "nothing");
}

TEST_F(VmstateTest, NobodyButOurUserIsAGate) {
  serve();
  auto& claim = startAsNobody([path = path()] {
    auto code = Qemu{path}.requestName();
    return (::geteuid() == 65534) == (code < 0) ? "as it should be" : "code " + std::to_string(code);
  });
  EXPECT_EQ(end(claim), "as it should be");
}

TEST_F(VmstateTest, AnotherMethodIsAnError) {
  serve();
  EXPECT_NE(end(start("Destroy")).find("Destroy"), std::string::npos);
}

TEST_F(VmstateTest, AGateThatEndsRefusesWhatWaits) {
  serve();
  auto& save = startSave();
  gate_.reset();
  EXPECT_EQ(end(save), "vmmigd: vmmigd ends");
}

TEST_F(VmstateTest, TheBusIsStartedAgainAndTheGateIsToldThatItIsLost) {
  serve();
  auto& save = startSave();
  auto before = bus_->process();
  ::kill(before, SIGKILL);
  EXPECT_NE(end(save).find("onnection"), std::string::npos) << "QEMU rolls back";
  ASSERT_TRUE(until([&] { return isLost_ && told_ == "up down up "; })) << told_;
  EXPECT_NE(bus_->process(), before);
  EXPECT_FALSE(gate_->isServing());
  EXPECT_FALSE(gate_->isAsked(vm));
  serve();
  EXPECT_EQ(end(start("Load")), "nothing");
}

TEST_F(VmstateTest, TheBusEndsWithItsOwnerAndLeavesNothing) {
  ASSERT_TRUE(until([&] { return bus_->isUp(); }));
  auto child = bus_->process();
  bus_.reset();
  EXPECT_NE(::kill(child, 0), 0);
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(VmstateTest, ASocketThatAKilledOneHasLeftIsNoHindrance) {
  ASSERT_TRUE(until([&] { return bus_->isUp(); }));
  bus_.reset();
  int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{AF_UNIX, {}};
  path().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(left, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(left);
  bus_ = makeBus();
  EXPECT_TRUE(until([&] { return bus_->isUp(); })) << bus_->trouble();
}

TEST_F(VmstateTest, ABusThatAnswersAlreadyIsNotTakenAway) {
  ASSERT_TRUE(until([&] { return bus_->isUp(); }));
  auto second = makeBus();
  ASSERT_TRUE(until([&] { return second->trouble().find("another program") != std::string::npos; })) << second->trouble();
  EXPECT_FALSE(second->isUp());
  second.reset();
  serve();
}

TEST_F(VmstateTest, APathThatCannotBeIsSaid) {
  for (const std::string& path : {std::string{"relative.bus"}, "/tmp/" + std::string(200, 'x'), std::string{"/dev/null/x/bus"}}) {
    VmstateBus bus{loop_, path, {[] {}, [] {}}};
    ASSERT_TRUE(until([&] { return bus.trouble().find("is being started") == std::string::npos; }));
    EXPECT_FALSE(bus.isUp());
    EXPECT_FALSE(bus.trouble().empty());
  }
}

TEST(VmOfQemu, TheUuidIsOnItsCommandLine) {
  auto uuid = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
  int ready[2], held[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe2(held, O_CLOEXEC), 0);
  pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ready[1], 1);
    ::dup2(held[0], 0);  // or the child ends at once where the tests have no input
    ::execl("/bin/sh", "qemu", "-c", "echo; read wait; :", "-name", "web-1", "-uuid", uuid, nullptr);
    ::_exit(127);
  }
  char octet;
  ASSERT_EQ(::read(ready[0], &octet, 1), 1);
  EXPECT_EQ(vmOfQemu(child), parseUuid(uuid));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(vmOfQemu(child), std::nullopt) << "it is gone";
  EXPECT_EQ(vmOfQemu(::getpid()), std::nullopt) << "no QEMU";
  for (int fd : {ready[0], ready[1], held[0], held[1]}) ::close(fd);
}

}  // namespace
}  // namespace vmmig::test
