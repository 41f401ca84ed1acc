// SPDX-License-Identifier: GPL-2.0-or-later
// The doctor's checks against an agent that is ill in one way at a time.
#include "manager/doctor.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>

#include "common/unique_fd.h"
#include "mibs/check_table.h"
#include "tests/unit/fake_session.h"

namespace vmmig::doctor {
namespace {

using namespace std::chrono_literals;
using test::await;

/// Never answers when it is told so, and has troubles of its own.
class Patient : public test::FakeSession {
 public:
  SessionSecurity security() const override { return security_; }
  Trouble trouble() const override { return trouble_; }
  Task<Result<Response>> get(std::vector<Oid> names, Haste haste) override {
    if (isSilent) co_await sleepFor(loop_, 1h);
    co_return co_await FakeSession::get(std::move(names), std::move(haste));
  }
  explicit Patient(EventLoop& loop) : FakeSession(loop), loop_(loop) {}
  SessionSecurity security_{.version = "3", .level = "authPriv", .user = "vmmig"};
  Trouble trouble_ = Trouble::none;
  bool isSilent = false;

 private:
  EventLoop& loop_;
};

class Doctor : public testing::Test {
 protected:
  Doctor() {
    scalars.descr.value = "vmmigd";
    scalars.backEnd.value = "linux";
    for (auto each : {Capability::tcpConn, Capability::image, Capability::block, Capability::windowRead, Capability::windowWrite})
      scalars.capabilities.set(each);
    scalars.maxRows = 1000;
    scalars.maxTransfers = 4;
    auto now = std::chrono::system_clock::now().time_since_epoch();
    scalars.clock.value = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  }
  Examination& examine() {
    patient->put(scalars);
    examination.emplace(loop, Subject{.name = "fw-a", .role = role, .peer = "tcp:fw-a", .agent = device});
    return *examination;
  }
  void run(Task<> task) {
    bool done = false;
    spawn(std::move(task), [&] { done = true; });
    ASSERT_TRUE(loop.runUntil([&] { return done; }, Clock::now() + 10s));
  }
  /// With vmMigDevice read already.
  Examination& afterAgent() {
    auto& is = examine();
    run(is.checkAgent());
    EXPECT_TRUE(is.scalars());
    return is;
  }
  std::vector<Finding> ill() {
    std::vector<Finding> found;
    for (const auto& each : examination->findings()) {
      EXPECT_EQ(each.remedy.empty(), each.level == Level::ok) << each.text;
      if (each.level != Level::ok) found.push_back(each);
    }
    return found;
  }
  /// The one thing that is not well.
  Finding onlyIll() {
    auto found = ill();
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? Finding{} : found.front();
  }

  EventLoop loop;
  Patient* patient = new Patient{loop};  // the device's
  std::shared_ptr<Device> device = std::make_shared<Device>("fw-a", std::unique_ptr<SnmpSession>{patient});
  DeviceScalars scalars;
  Role role = Role::device;
  std::optional<Examination> examination;
};

TEST_F(Doctor, aWellDeviceGivesNoWork) {
  auto& is = afterAgent();
  is.checkSecurity();
  run(is.checkWriting());
  is.checkCapabilities();
  is.checkCapacity();
  run(is.checkClock());
  run(is.checkItself());
  run(is.checkSnmpd());
  run(is.checkMessageSize());
  EXPECT_TRUE(ill().empty());
  EXPECT_GE(is.findings().size(), 8u);
}

TEST_F(Doctor, eachTroubleOfSecurityHasItsOwnRemedy) {
  std::set<std::string> remedies;
  for (auto [trouble, word] : {std::pair{Trouble::unknownUser, "createUser vmmig"},
                               {Trouble::wrongDigest, "defAuthPassphrase"},
                               {Trouble::decryption, "make defPrivPassphrase"},
                               {Trouble::securityLevel, "defSecurityLevel"},
                               {Trouble::timeWindow, "engineBoots"},
                               {Trouble::noAnswer, "looks like this"}}) {
    patient->trouble_ = trouble;
    patient->transport = [](int) { return Error{SnmpStatus::genErr, "fw-a: no"}; };
    auto& is = examine();
    run(is.checkAgent());
    EXPECT_FALSE(is.isReached());
    auto found = onlyIll();
    EXPECT_EQ(found.level, Level::fault);
    EXPECT_NE(found.remedy.find(word), std::string::npos) << found.remedy;
    remedies.insert(found.remedy);
  }
  EXPECT_EQ(remedies.size(), 6u);
}

TEST_F(Doctor, lessThanAuthPrivIsAWarning) {
  patient->security_.level = "authNoPriv";
  examine().checkSecurity();
  EXPECT_EQ(onlyIll().level, Level::warning);
  patient->security_ = {.version = "2c", .level = "noAuthNoPriv", .user = {}};
  examine().checkSecurity();
  EXPECT_NE(onlyIll().text.find("SNMPv2c"), std::string::npos);
}

TEST_F(Doctor, snmpdsListOfModulesTellsAMissingVmmigdFromAViewThatHidesIt) {
  const Oid nsModuleName = *parseOid("1.3.6.1.4.1.8072.1.2.1.1.4");
  auto ours = nsModuleName + 0u;
  ours.push_back(static_cast<std::uint32_t>(mib::objects().size()));
  ours = ours + mib::objects() + 127u;
  auto& unseen = examine();
  patient->objects.clear();
  run(unseen.checkAgent());
  EXPECT_NE(onlyIll().text.find("or the view"), std::string::npos) << "both are possible";

  auto& missing = examine();
  patient->objects.clear();
  patient->objects[nsModuleName + 0u + 1u + 1u + 127u] = smi::Value::string("mibII");
  run(missing.checkAgent());
  EXPECT_EQ(onlyIll().text, "snmpd answers, and vmmigd is not connected to it");

  auto& hidden = examine();
  patient->objects.clear();
  patient->objects[ours] = smi::Value::string("AgentX subagent 7");
  run(hidden.checkAgent());
  EXPECT_EQ(onlyIll().check, "rights");
}

TEST_F(Doctor, writingIsProvenWithWhatIsThereAlready) {
  scalars.notificationsEnable = false;
  auto& is = afterAgent();
  run(is.checkWriting());
  EXPECT_TRUE(ill().empty());
  ASSERT_EQ(patient->sets.size(), 1u);
  EXPECT_EQ(patient->sets[0][0].value, Codec<bool>::toValue(false));
}

TEST_F(Doctor, aUserThatMayOnlyReadIsToldWhatToAdd) {
  for (auto status : {SnmpStatus::noAccess, SnmpStatus::authorizationError}) {
    patient->refuse = [status](const smi::VarBind&) { return status; };
    run(afterAgent().checkWriting());
    auto found = onlyIll();
    EXPECT_NE(found.text.find(vmmig::name(status)), std::string::npos) << found.text;
    EXPECT_NE(found.remedy.find("rwuser vmmig priv"), std::string::npos) << found.remedy;
  }
}

TEST_F(Doctor, aClockThatIsWrongByMoreThanASecondIsAWarning) {
  auto right = scalars.clock.value;
  for (auto [offset, isIll] : {std::pair{500'000L, false}, {-500'000L, false}, {5'000'000L, true}, {-5'000'000L, true}}) {
    scalars.clock.value = right + static_cast<std::uint64_t>(offset);
    run(afterAgent().checkClock());
    EXPECT_EQ(!ill().empty(), isIll) << offset;
    if (isIll) EXPECT_NE(onlyIll().remedy.find("NTP"), std::string::npos);
  }
}

TEST_F(Doctor, whatTheDeviceFindsOfItselfIsPassedOn) {
  CheckRow row;
  row.name.value = "aclList authenticated";
  row.health = Health::degraded;
  row.text.value = "the set inet filter authenticated does not exist\n";
  row.remedy.value = "create it";
  patient->put(row);
  row.name.value = "conntrack";
  row.health = Health::up;
  row.text.value = "3 of 10 entries are in use";
  row.remedy.value = "";
  patient->put(row);
  run(afterAgent().checkItself());
  auto found = onlyIll();
  EXPECT_EQ(found.check, "aclList authenticated");
  EXPECT_EQ(found.level, Level::warning);
  EXPECT_EQ(found.text.find('\n'), std::string::npos) << "what a device says must not move a terminal's cursor";
  EXPECT_EQ(found.remedy, "create it");
}

TEST_F(Doctor, rolesAndCapabilitiesMustFit) {
  role = Role::host;
  afterAgent().checkCapabilities();
  EXPECT_NE(onlyIll().remedy.find("role = hypervisor"), std::string::npos);
  role = Role::device;
  scalars.capabilities = {};
  scalars.capabilities.set(Capability::image);
  afterAgent().checkCapabilities();
  EXPECT_NE(onlyIll().text.find("traffic"), std::string::npos);
}

TEST_F(Doctor, fullTransfersAndAFlappingAgentXAreSeen) {
  scalars.transfers = scalars.maxTransfers;
  afterAgent().checkCapacity();
  EXPECT_EQ(onlyIll().level, Level::fault);
  scalars.transfers = 0;
  scalars.agentXReconnects.value = 5;
  afterAgent().checkCapacity();
  EXPECT_NE(onlyIll().text.find("5 times"), std::string::npos);
}

TEST_F(Doctor, aTimeoutOfTheModuleThatIsTooShortIsSeenWhereSnmpdShowsIt) {
  auto name = *parseOid("1.3.6.1.4.1.8072.1.2.1.1.6.0");
  name.push_back(static_cast<std::uint32_t>(mib::objects().size()));
  name = name + mib::objects() + 127u;
  for (auto [centiseconds, isIll] : {std::pair{0, false}, {100, true}, {3000, false}}) {
    patient->objects[name] = smi::Value::integer(centiseconds);
    run(afterAgent().checkSnmpd());
    EXPECT_EQ(!ill().empty(), isIll) << centiseconds;
  }
}

TEST_F(Doctor, aLargeMessageThatDoesNotComeThroughIsSeen) {
  auto& is = afterAgent();
  patient->transport = [](int) { return Error{SnmpStatus::genErr, "no answer"}; };
  run(is.checkMessageSize());
  EXPECT_EQ(onlyIll().check, "message size");
}

TEST_F(Doctor, anAgentThatNeverAnswersIsNotWaitedFor) {
  patient->isSilent = true;
  patient->put(scalars);
  // Reachability is tried on the network: at an address that nobody can have.
  auto silent =
      std::make_shared<Examination>(loop, Subject{.name = "fw-a", .role = role, .peer = "unix:nowhere", .agent = device});
  auto begun = Clock::now();
  run(examineWithin(loop, silent, 200ms));
  EXPECT_LT(Clock::now() - begun, 2s);
  EXPECT_FALSE(silent->isReached());
  EXPECT_EQ(silent->findings().back().check, "time");
}

TEST(Pair, whatOneKeepsAndTheOtherDoesNotIsNamed) {
  DeviceScalars from, to;
  for (auto each : {Capability::tcpConn, Capability::flow, Capability::image, Capability::block}) from.capabilities.set(each);
  to.capabilities = from.capabilities;
  auto same = comparePair("fw-a", from, "fw-b", to);
  ASSERT_EQ(same.size(), 1u);
  EXPECT_EQ(same[0].level, Level::ok);
  to.capabilities.set(Capability::flow, false);
  auto different = comparePair("fw-a", from, "fw-b", to);
  ASSERT_EQ(different.size(), 1u);
  EXPECT_EQ(different[0].level, Level::warning);
  EXPECT_NE(different[0].text.find("fw-a keeps flow state and fw-b does not"), std::string::npos) << different[0].text;
  EXPECT_EQ(comparePair("fw-b", to, "fw-a", from).size(), 1u) << "nothing stays behind on the way back";
}

TEST(Endpoint, aPeerIsTakenApartAsSnmpcmdSays) {
  struct Case {
    const char* peer;
    bool tcp, ipv6;
    const char *host, *port;
  };
  for (const auto& each :
       {Case{"10.0.0.1", false, false, "10.0.0.1", "161"}, Case{"tcp:fw-a:1161", true, false, "fw-a", "1161"},
        Case{"tcp6:[fd00::1]", true, true, "fd00::1", "161"}, Case{"udp6:[fd00::1]:99", false, true, "fd00::1", "99"},
        Case{"fw-a:99", false, false, "fw-a", "99"}, Case{"udp:fw-a", false, false, "fw-a", "161"}}) {
    auto is = endpointOf(each.peer);
    ASSERT_TRUE(is) << each.peer;
    EXPECT_EQ(is->tcp, each.tcp) << each.peer;
    EXPECT_EQ(is->ipv6, each.ipv6) << each.peer;
    EXPECT_EQ(is->host, each.host) << each.peer;
    EXPECT_EQ(is->port, each.port) << each.peer;
  }
  EXPECT_FALSE(endpointOf("unix:/run/snmpd"));
}

/// A port of the loopback that nobody serves: what is bound and does not listen refuses.
struct DeadPort {
  explicit DeadPort(int type, bool listens = false) : fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    if (listens) ::listen(fd.get(), 1);
    socklen_t size = sizeof address;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = std::to_string(ntohs(address.sin_port));
  }
  UniqueFd fd;
  std::string port;
};

TEST(ReachTest, refusedAndSilentAreToldApart) {
  EventLoop loop;
  DeadPort refusing{SOCK_STREAM}, silent{SOCK_STREAM, true}, silentUdp{SOCK_DGRAM};
  auto at = [&](bool tcp, const std::string& port) {
    Endpoint endpoint{.tcp = tcp, .ipv6 = false, .host = "127.0.0.1", .port = port};
    return await(loop, reach(loop, endpoint, 200ms)).is;
  };
  EXPECT_EQ(at(true, refusing.port), Reach::Is::refused);
  EXPECT_EQ(at(true, silent.port), Reach::Is::silent);
  EXPECT_EQ(at(false, silentUdp.port), Reach::Is::silent);
  EXPECT_EQ(at(false, refusing.port), Reach::Is::refused) << "no UDP socket has this port";
}

}  // namespace
}  // namespace vmmig::doctor
