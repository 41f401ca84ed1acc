// SPDX-License-Identifier: GPL-2.0-or-later
// TrapListener against Net-SNMP's own snmpinform and snmptrap: who is heard, who is not, and what strangers' datagrams do.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "common/hex.h"
#include "manager/trap_listener.h"
#include "mibs/phase_table.h"

namespace vmmig {
namespace {

constexpr const char* users =
    "createUser informer SHA-256 inform-authentication AES inform-privacy\n"
    "createUser stranger SHA-256 stranger-authentication AES stranger-privacy\n"
    "createUser -e 0x8000000001020304 trapper SHA-256 trap-authentication AES trap-privacy\n"
    "authUser log informer priv\n"
    "authUser log trapper priv\n";

// Below the kernel's ip_local_port_range, or any connection of another test could be given the port before it is used.
std::uint16_t freePort() {
  std::random_device random;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto port = static_cast<std::uint16_t>(12000 + random() % 8000);
    UniqueFd fd{::socket(AF_INET, SOCK_DGRAM, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return port;
  }
  throw std::runtime_error{"no free port between 12000 and 19999"};
}

PhaseRow phase() {
  PhaseRow row;
  row.uuid = *parseUuid("6ba7b810-9dad-41d1-80b4-00c04fd430c8");
  row.vmName.value = "web1";
  row.phase = Phase::stopped;
  row.sequence = 7;
  row.sourceHost.value = "host-a";
  row.destinationHost.value = "host-b";
  row.macAddresses.value = *fromHex("525400123456");
  row.holdStatus = HoldStatus::held;
  row.holdDeadline.value = 10'000;
  return row;
}

/// The words that snmpinform wants behind the address.
std::vector<std::string> phaseChanged() {
  const auto& info = mib::allNotifications()[0];
  std::vector<std::string> words{"", toString(mib::notifications() + static_cast<std::uint32_t>(info.number))};
  AnyRow row{phase()};
  for (auto name : info.objects) {
    const auto& column = *info.table->column(name);
    auto value = row.get(column);
    words.push_back(toString(mib::oidOf(*info.table, column, row.index())));
    bool text = value.type == smi::Type::octetString;
    words.emplace_back(!text ? value.type == smi::Type::integer ? "i" : "u" : value.octets.empty() ? "s" : "x");
    words.push_back(text ? toHex(value.octets) : std::to_string(value.number));
  }
  return words;
}

class TrapListenerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/vmmig-trap-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory = name;
    ::setenv("SNMPCONFPATH", name, 1);
    ::setenv("SNMP_PERSISTENT_DIR", name, 1);
    ::setenv("MIBS", "", 1);
    loop.onSignal(SIGCHLD, [] {});
    writeUsers(users);
    TrapListener::Options options{"udp:127.0.0.1:" + std::to_string(port), directory + "/users"};
    auto opened = TrapListener::open(loop, options, [this](ReceivedNotification notification) { seen.push_back(notification); });
    ASSERT_TRUE(opened) << opened.error().text;
    listener = std::move(*opened);
  }
  void TearDown() override {
    listener.reset();
    if (!directory.empty()) EXPECT_EQ(std::system(("rm -r " + directory).c_str()), 0);
  }

  void writeUsers(const std::string& text) {
    std::ofstream{directory + "/users"} << text;
    ::chmod((directory + "/users").c_str(), 0600);
  }

  /// Runs the command while the loop turns; its exit status.
  int run(std::vector<std::string> words) {
    pid_t child = ::fork();
    if (child == 0) {
      sigset_t none;
      ::sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      std::vector<char*> argv;
      for (auto& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    int status = -1;
    bool ended =
        loop.runUntil([&] { return ::waitpid(child, &status, WNOHANG) == child; }, Clock::now() + std::chrono::seconds{20});
    EXPECT_TRUE(ended);
    return ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  int send(const char* command, std::vector<std::string> options, std::vector<std::string> notification = phaseChanged()) {
    std::vector<std::string> words{command, "-t", "1", "-r", "1"};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back("127.0.0.1:" + std::to_string(port));
    words.insert(words.end(), notification.begin(), notification.end());
    return run(words);
  }
  static std::vector<std::string> as(const std::string& user, const std::string& auth, const std::string& priv) {
    return {"-v3", "-u", user, "-l", "authPriv", "-a", "SHA-256", "-A", auth, "-x", "AES", "-X", priv};
  }
  int informer() {
    auto options = as("informer", "inform-authentication", "inform-privacy");
    options.insert(options.end(), {"-t", "10"});  // what is acknowledged may take its time where the machine is busy
    return send("snmpinform", options);
  }
  void waitFor(std::size_t count) {
    EXPECT_TRUE(loop.runUntil([&] { return seen.size() >= count; }, Clock::now() + std::chrono::seconds{20}));
  }
  void waitForDrops(std::uint64_t count) {
    EXPECT_TRUE(loop.runUntil([&] { return listener->counters().dropped >= count; }, Clock::now() + std::chrono::seconds{20}))
        << listener->counters().dropped;
  }

  EventLoop loop;
  std::string directory;
  std::uint16_t port = freePort();
  std::vector<ReceivedNotification> seen;
  std::unique_ptr<TrapListener> listener;
};

TEST_F(TrapListenerTest, AnInformIsAcknowledgedAndHandedUpAsARow) {
  EXPECT_EQ(informer(), 0);
  waitFor(1);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].notification, mib::Notification::phaseChanged);
  EXPECT_EQ(seen[0].sourceAddress, "127.0.0.1");
  EXPECT_EQ(seen[0].user, "informer");
  const auto& row = seen[0].row.as<PhaseRow>();
  EXPECT_EQ(row.uuid, phase().uuid);
  EXPECT_EQ(row.phase, Phase::stopped);
  EXPECT_EQ(row.sequence, 7u);
  EXPECT_EQ(row.macAddresses.value, phase().macAddresses.value);
  EXPECT_EQ(row.holdDeadline.value, 10'000u);
  EXPECT_EQ(listener->counters().received, 1u);
}

TEST_F(TrapListenerTest, AnInformWithOurEngineIdGivenNeedsNoProbe) {
  auto options = as("informer", "inform-authentication", "inform-privacy");
  options.insert(options.end(), {"-e", std::string{TrapListener::defaultEngineId}});
  EXPECT_EQ(send("snmpinform", options), 0);
  waitFor(1);
}

TEST_F(TrapListenerTest, ATrapOfAKnownEngineIsHeard) {
  auto options = as("trapper", "trap-authentication", "trap-privacy");
  options.insert(options.end(), {"-e", "0x8000000001020304"});
  EXPECT_EQ(send("snmptrap", options), 0);
  waitFor(1);
}

TEST_F(TrapListenerTest, AnUnknownUserOrAWrongPassphraseIsNotHeard) {
  EXPECT_NE(send("snmpinform", as("nobody", "inform-authentication", "inform-privacy")), 0);
  waitForDrops(1);
  EXPECT_NE(send("snmpinform", as("informer", "wrong-authentication", "inform-privacy")), 0);
  waitForDrops(2);
  EXPECT_NE(send("snmpinform", as("informer", "inform-authentication", "wrong-privacy")), 0);
  waitForDrops(3);
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(informer(), 0);
  waitFor(1);
}

TEST_F(TrapListenerTest, AUserWithoutAuthUserIsNotHeard) {
  EXPECT_NE(send("snmpinform", as("stranger", "stranger-authentication", "stranger-privacy")), 0);
  waitForDrops(1);
  EXPECT_TRUE(seen.empty());
}

TEST_F(TrapListenerTest, NothingBelowAuthPrivIsHeard) {
  EXPECT_NE(send("snmpinform", {"-v3", "-u", "informer", "-l", "authNoPriv", "-a", "SHA-256", "-A", "inform-authentication"}), 0);
  EXPECT_NE(send("snmpinform", {"-v2c", "-c", "public"}), 0);
  EXPECT_EQ(send("snmptrap", {"-v2c", "-c", "public"}), 0);
  waitForDrops(3);
  EXPECT_TRUE(seen.empty());
}

TEST_F(TrapListenerTest, AForeignNotificationIsAcknowledgedAndDropped) {
  EXPECT_EQ(send("snmpinform", as("informer", "inform-authentication", "inform-privacy"), {"", "1.3.6.1.6.3.1.1.5.1"}), 0);
  waitForDrops(1);
  EXPECT_TRUE(seen.empty());
}

TEST_F(TrapListenerTest, GarbageIsDroppedAndWhoComesAfterItIsHeard) {
  UniqueFd fd{::socket(AF_INET, SOCK_DGRAM, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  std::mt19937 random{42};
  // A real SNMPv3 discovery message, cut and damaged everywhere, and noise.
  auto message = *fromHex(
      "303e020103301102042b4e5b3c0203010000040104020103041030"
      "0e0400020100020100040004000400301404000400a00e02047e0f7bd80201000201003000");
  for (std::size_t i = 0; i < 600; ++i) {
    std::string datagram = message.substr(0, i % message.size());
    if (i >= 200) datagram = message, datagram[random() % datagram.size()] = static_cast<char>(random());
    if (i >= 400) {
      datagram.resize(random() % 1400);
      for (auto& octet : datagram) octet = static_cast<char>(random());
    }
    ::sendto(fd.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
    // Keeps the socket's buffer from overflowing.
    if (i % 20 == 0) loop.runUntil([] { return false; }, Clock::now() + std::chrono::milliseconds{1});
  }
  EXPECT_EQ(informer(), 0);
  waitFor(1);
  EXPECT_EQ(seen.size(), 1u);
  EXPECT_GT(listener->counters().dropped, 100u);
}

TEST_F(TrapListenerTest, AnAddressThatIsTakenIsAnErrorThatNamesIt) {
  TrapListener::Options options{"udp:127.0.0.1:" + std::to_string(port), directory + "/users"};
  auto second = TrapListener::open(loop, options, [](ReceivedNotification) {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text.find(std::to_string(port)), std::string::npos);
  options.address = "tcp:127.0.0.1:" + std::to_string(port);
  EXPECT_NE(TrapListener::open(loop, options, [](ReceivedNotification) {}).error().text.find("only udp"), std::string::npos);
}

TEST_F(TrapListenerTest, ARefusedConfigurationSaysWhy) {
  auto open = [this](const std::string& engineId) {
    TrapListener::Options options{"udp:127.0.0.1:" + std::to_string(freePort()), directory + "/users", engineId};
    auto opened = TrapListener::open(loop, options, [](ReceivedNotification) {});
    return opened ? std::string{} : opened.error().text;
  };
  EXPECT_NE(open("nonsense").find("engine ID"), std::string::npos);
  EXPECT_NE(open("0x01").find("engine ID"), std::string::npos);
  writeUsers("createUser late SHA-256 short AES short\nauthUser log late\n");
  EXPECT_NE(open("").find("\"late\""), std::string::npos);
  ::chmod((directory + "/users").c_str(), 0644);
  EXPECT_NE(open("").find("chmod 600"), std::string::npos);
  ::unlink((directory + "/users").c_str());
  EXPECT_NE(open("").find("cannot read"), std::string::npos);
}

}  // namespace
}  // namespace vmmig
