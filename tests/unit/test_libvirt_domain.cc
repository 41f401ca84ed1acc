// SPDX-License-Identifier: GPL-2.0-or-later
// Which phases follow from what libvirt and QEMU tell of a domain: the orders of events that two libvirtd were seen to send, and
// those in which something is missing.
#include <gtest/gtest.h>

#include "mibs/labels.h"
#include "subagent/libvirt_domain.h"

namespace vmmig::test {
namespace {

using Answer = LibvirtDomain::SaveAnswer;
using Role = LibvirtDomain::Role;
using Verdict = LibvirtDomain::Verdict;

/// Writes down what is told: "preCopy stopped cancelled(why)".
class LibvirtDomainTest : public testing::Test {
 protected:
  void migration(std::initializer_list<const char*> statuses) {
    for (const char* status : statuses) note(domain_.onMigration(status));
  }
  void stop() { note(domain_.onStop()); }
  void resume() { note(domain_.onResume()); }
  void lifecycle(DomainLifecycle event) { note(domain_.onLifecycle(event)); }
  void job(DomainJob job) { note(domain_.onJob(job)); }
  void probe(bool isHere, bool isRunning, DomainJob job) { note(domain_.onProbe(isHere, isRunning, job)); }
  void note(const LibvirtDomain::Steps& steps) {
    for (const auto& step : steps) {
      told_ += (told_.empty() ? "" : " ") + labelOf(step.phase);
      lastError_ = step.error;
    }
  }
  /// Until the VM stands, in the order in which it was seen.
  void leave() {
    migration({"setup"});
    job(DomainJob::migrationOut);
    migration({"active"});
    stop();
    migration({"pre-switchover", "device"});
  }

  LibvirtDomain domain_;
  std::string told_;
  std::string lastError_;
};

TEST_F(LibvirtDomainTest, AVmThatLeaves) {
  leave();
  EXPECT_EQ(told_, "preCopy stopped");
  EXPECT_EQ(domain_.saveAnswer(), Answer::hold);
  domain_.decide(Verdict::goOn);
  EXPECT_EQ(domain_.saveAnswer(), Answer::now);
  migration({"completed"});
  lifecycle(DomainLifecycle::stoppedMigrated);
  EXPECT_EQ(told_, "preCopy stopped") << "that it runs there, its destination knows";
  EXPECT_EQ(domain_.role(), Role::gone);
}

TEST_F(LibvirtDomainTest, ThePreCopyIsToldBeforeTheStop) {
  migration({"setup"});
  EXPECT_TRUE(domain_.asksForJob());
  job(DomainJob::migrationOut);
  EXPECT_EQ(told_, "preCopy");
  EXPECT_FALSE(domain_.asksForJob());
}

TEST_F(LibvirtDomainTest, AVmThatStopsBeforeLibvirtHasSaidWhy) {
  migration({"setup", "active"});
  stop();
  EXPECT_EQ(told_, "");
  EXPECT_EQ(domain_.saveAnswer(), Answer::unsure);
  migration({"pre-switchover"});
  EXPECT_EQ(told_, "preCopy stopped");
  job(DomainJob::migrationOut);
  EXPECT_EQ(told_, "preCopy stopped") << "the answer comes too late to matter";
}

TEST_F(LibvirtDomainTest, TheAnswerOfLibvirtIsEnoughForAStop) {
  migration({"setup", "active"});
  stop();
  job(DomainJob::migrationOut);
  EXPECT_EQ(told_, "preCopy stopped");
}

TEST_F(LibvirtDomainTest, ASavedVmIsNoMigration) {
  stop();
  migration({"setup"});
  job(DomainJob::other);
  migration({"active"});
  EXPECT_EQ(domain_.saveAnswer(), Answer::unsure);
  migration({"completed"});
  lifecycle(DomainLifecycle::stopped);
  EXPECT_EQ(told_, "");
}

TEST_F(LibvirtDomainTest, ASnapshotThatLeavesTheVmRunning) {
  migration({"setup"});
  job(DomainJob::other);
  migration({"active"});
  stop();
  migration({"completed"});
  resume();
  EXPECT_EQ(told_, "");
  EXPECT_EQ(domain_.role(), Role::resident);
}

TEST_F(LibvirtDomainTest, ARefusedHoldEndsCancelledAtTheSource) {
  leave();
  domain_.decide(Verdict::goBack);
  EXPECT_EQ(domain_.saveAnswer(), Answer::refuse) << "Save() may come after the verdict";
  migration({"completed"});  // QEMU does not know that its destination could not load it
  resume();
  EXPECT_EQ(told_, "preCopy stopped cancelled");
  EXPECT_NE(lastError_.find("hold"), std::string::npos);
  EXPECT_EQ(domain_.role(), Role::resident);
}

TEST_F(LibvirtDomainTest, AFailureAfterTheStop) {
  leave();
  domain_.decide(Verdict::goOn);
  migration({"failed"});
  EXPECT_EQ(told_, "preCopy stopped") << "it does not run yet";
  resume();
  EXPECT_EQ(told_, "preCopy stopped failed");
}

TEST_F(LibvirtDomainTest, AnAbortInTheHoldIsACancelWhateverTheManagerSaid) {
  leave();
  domain_.decide(Verdict::goOn);
  migration({"cancelling", "completed"});
  resume();
  EXPECT_EQ(told_, "preCopy stopped cancelled");
}

TEST_F(LibvirtDomainTest, AnEndBeforeTheStop) {
  for (auto [status, phase] : {std::pair{"cancelled", "cancelled"}, {"failed", "failed"}}) {
    told_.clear();
    migration({"setup"});
    job(DomainJob::migrationOut);
    migration({"active", status});
    EXPECT_EQ(told_, std::string{"preCopy "} + phase);
    EXPECT_EQ(domain_.role(), Role::resident);
  }
}

TEST_F(LibvirtDomainTest, ASecondMigrationKnowsNothingOfTheFirst) {
  leave();
  domain_.decide(Verdict::goBack);
  migration({"cancelled"});
  resume();
  told_.clear();
  leave();
  EXPECT_EQ(told_, "preCopy stopped");
  EXPECT_EQ(domain_.saveAnswer(), Answer::hold);
  migration({"failed"});
  resume();
  EXPECT_EQ(told_, "preCopy stopped failed") << "not cancelled, as the one before";
}

TEST_F(LibvirtDomainTest, ASuspendedVmStopsWhenItIsSwitchedOver) {
  stop();
  migration({"setup"});
  job(DomainJob::migrationOut);
  EXPECT_EQ(told_, "preCopy");
  migration({"active", "pre-switchover"});
  EXPECT_EQ(told_, "preCopy stopped");
  migration({"failed"});
  EXPECT_EQ(told_, "preCopy stopped failed") << "nobody resumes it";
}

TEST_F(LibvirtDomainTest, AVmSuspendedAndResumedDuringThePreCopyBeginsAnew) {
  migration({"setup"});
  job(DomainJob::migrationOut);
  stop();
  domain_.decide(Verdict::goOn);
  resume();
  EXPECT_EQ(told_, "preCopy stopped cancelled preCopy");
  stop();
  migration({"pre-switchover"});
  EXPECT_EQ(told_, "preCopy stopped cancelled preCopy stopped");
  EXPECT_EQ(domain_.saveAnswer(), Answer::hold) << "the first verdict was of a VM that ran on";
}

TEST_F(LibvirtDomainTest, SaveItselfProvesTheStop) {
  migration({"setup"});
  job(DomainJob::migrationOut);
  note(domain_.onSave());
  EXPECT_EQ(told_, "preCopy stopped");
  EXPECT_EQ(domain_.saveAnswer(), Answer::hold);
}

TEST_F(LibvirtDomainTest, PostcopyIsKnown) {
  migration({"setup"});
  job(DomainJob::migrationOut);
  EXPECT_FALSE(domain_.isPostcopy());
  migration({"postcopy-active"});
  stop();
  EXPECT_TRUE(domain_.isPostcopy());
}

TEST_F(LibvirtDomainTest, ADomainThatEndsAtTheSourceHasFailed) {
  leave();
  lifecycle(DomainLifecycle::stopped);
  EXPECT_EQ(told_, "preCopy stopped failed");
}

TEST_F(LibvirtDomainTest, AVmThatArrives) {
  lifecycle(DomainLifecycle::startedMigrated);
  migration({"setup", "active", "completed"});
  EXPECT_EQ(told_, "prepared");
  EXPECT_EQ(domain_.saveAnswer(), Answer::now);
  resume();
  EXPECT_EQ(told_, "prepared resumed");
  EXPECT_EQ(domain_.role(), Role::resident);
  leave();
  EXPECT_EQ(told_, "prepared resumed preCopy stopped") << "and goes on its way again";
}

TEST_F(LibvirtDomainTest, ASuspendedVmArrivesWithoutRunning) {
  lifecycle(DomainLifecycle::startedMigrated);
  lifecycle(DomainLifecycle::suspendedPaused);
  EXPECT_EQ(told_, "prepared resumed");
  EXPECT_NE(lastError_.find("suspended"), std::string::npos);
}

TEST_F(LibvirtDomainTest, AnIncomingDomainThatEndsHasFailed) {
  for (auto event : {DomainLifecycle::stopped, DomainLifecycle::stoppedMigrated}) {
    told_.clear();
    lifecycle(DomainLifecycle::startedMigrated);
    lifecycle(event);
    EXPECT_EQ(told_, "prepared failed");
    EXPECT_EQ(domain_.role(), Role::gone);
  }
}

TEST_F(LibvirtDomainTest, ADomainThatIsFoundOnItsWay) {
  note(domain_.found(true, DomainJob::migrationOut));
  EXPECT_EQ(told_, "preCopy");
  stop();
  EXPECT_EQ(told_, "preCopy stopped");
  LibvirtDomain incoming;
  told_.clear();
  note(incoming.found(false, DomainJob::migrationIn));
  EXPECT_EQ(told_, "prepared");
  LibvirtDomain resident;
  told_.clear();
  note(resident.found(true, DomainJob::other));
  EXPECT_EQ(told_, "");
}

TEST_F(LibvirtDomainTest, AProbeFindsWhatNoEventTold) {
  leave();
  probe(true, false, DomainJob::migrationOut);
  EXPECT_EQ(told_, "preCopy stopped") << "all is as it was";
  probe(true, true, DomainJob::none);
  EXPECT_EQ(told_, "preCopy stopped failed");
  leave();
  told_.clear();
  probe(false, false, DomainJob::none);
  EXPECT_EQ(told_, "") << "it stood, so it may run at its destination";
  EXPECT_EQ(domain_.role(), Role::gone);
}

TEST_F(LibvirtDomainTest, AProbeOfAnIncomingDomain) {
  for (auto [isHere, isRunning, phase] :
       {std::tuple{true, true, "resumed"}, {true, false, "resumed"}, {false, false, "failed"}}) {
    told_.clear();
    lifecycle(DomainLifecycle::startedMigrated);
    probe(isHere, isRunning, DomainJob::none);
    EXPECT_EQ(told_, std::string{"prepared "} + phase);
  }
}

TEST_F(LibvirtDomainTest, AProbeLetsAResidentDomainBe) {
  probe(true, true, DomainJob::none);
  EXPECT_EQ(domain_.role(), Role::resident);
  probe(true, true, DomainJob::migrationOut);
  EXPECT_EQ(told_, "preCopy") << "whose beginning was missed";
}

TEST(LibvirtXml, MacAddressesAreThoseOfItsInterfaces) {
  EXPECT_EQ(macAddressesOf("<domain><metadata><mac address='02:00:00:00:00:99'/></metadata><devices><interface>"
                           "<mac address='52:54:00:0a:0B:0c'/></interface><interface><mac address='02:00:00:00:00:05'/>"
                           "</interface></devices></domain>"),
            std::string("\x52\x54\x00\x0a\x0b\x0c\x02\x00\x00\x00\x00\x05", 12));
  EXPECT_EQ(macAddressesOf("<domain><devices><mac address='52:54:00"), "");
  EXPECT_EQ(macAddressesOf("<domain><devices><mac address='no:address:atall!'/></devices></domain>"), "");
  EXPECT_EQ(macAddressesOf(""), "");
  std::string many = "<devices>";
  for (int i = 0; i < 100; ++i) many += "<mac address='02:00:00:00:00:05'/>";
  EXPECT_EQ(macAddressesOf(many).size(), 252u);
}

TEST(LibvirtXml, TheObjectIsFoundByItsService) {
  std::string xml = "<qemu:arg value='-object'/><qemu:arg value='dbus-vmstate,id=vmmig,addr=unix:path=/run/b,id-list=vmmig'/>";
  EXPECT_TRUE(hasVmstateObject(xml, "vmmig"));
  EXPECT_FALSE(hasVmstateObject(xml, "slirp"));
  EXPECT_FALSE(hasVmstateObject("<qemu:arg value='dbus-vmstate,id-list=vmmig-other'/>", "vmmig"));
  EXPECT_FALSE(hasVmstateObject("<qemu:arg value='dbus-vmstate,id-list=vmmig", "vmmi"));
  EXPECT_FALSE(hasVmstateObject("", "vmmig"));
}

}  // namespace
}  // namespace vmmig::test
