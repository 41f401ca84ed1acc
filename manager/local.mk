# SPDX-License-Identifier: GPL-2.0-or-later
# libmanager.a is all of vmmig but main.cc, for the tests. Each part appends its files.
bin_PROGRAMS += vmmig
noinst_LIBRARIES += libmanager.a
libmanager_a_SOURCES = \
  manager/at_once.cc manager/at_once.h \
  manager/command.cc manager/command.h \
  manager/command_line.cc manager/command_line.h \
  manager/command_list.cc \
  manager/completion.cc manager/completion.h \
  manager/counted.h \
  manager/commands/completion.cc \
  manager/commands/diff.cc \
  manager/commands/doctor.cc \
  manager/commands/export.cc \
  manager/commands/import.cc \
  manager/commands/phase.cc \
  manager/commands/show.cc \
  manager/device.cc manager/device.h \
  manager/doctor.cc manager/doctor.h \
  manager/doctor_access.cc manager/doctor_device.cc manager/doctor_snmpd.cc \
  manager/reach.cc manager/reach.h manager/writable.h \
  manager/notification.cc manager/notification.h \
  manager/progress.cc manager/progress.h \
  manager/snmp_library.cc manager/snmp_library.h \
  manager/snmp_session.cc manager/snmp_session.h \
  manager/snmp_transport.cc manager/snmp_transport.h \
  manager/table_printer.cc manager/table_printer.h \
  manager/table_walk.cc manager/table_walk.h \
  manager/trap_listener.cc manager/trap_listener.h \
  manager/trap_users.cc manager/trap_users.h \
  manager/vm_state.cc manager/vm_state.h

MANAGER_LIBS = libmanager.a libmibs.a libcommon.a $(SNMP_LIBS) $(CRYPTO_LIBS) $(SQLITE_LIBS) $(SYSTEMD_LIBS) \
  -lboost_program_options $(SMI_LIBS)

vmmig_SOURCES = manager/main.cc
vmmig_LDADD = $(MANAGER_LIBS)

# Migrations.
libmanager_a_SOURCES += \
  manager/backoff.h manager/wakeup.h manager/phases.h \
  manager/commands/journal.cc \
  manager/commands/locate.cc \
  manager/commands/migrate.cc \
  manager/commands/serve.cc \
  manager/device_pool.cc manager/device_pool.h \
  manager/image_census.cc manager/image_census.h \
  manager/image_copier.cc manager/image_copier.h \
  manager/inventory.cc manager/inventory.h \
  manager/itinerary.cc manager/itinerary.h \
  manager/journal.cc manager/journal.h \
  manager/journal_choice.cc manager/journal_choice.h \
  manager/locate.cc manager/locate.h \
  manager/migration.cc manager/migration.h \
  manager/migration_actions.cc \
  manager/migration_advance.cc manager/migration_stepper.h \
  manager/migration_progress.cc manager/migration_progress.h \
  manager/migration_runner.cc manager/migration_runner.h \
  manager/migration_trace.cc manager/migration_trace.h \
  manager/migration_words.cc \
  manager/report.cc manager/report.h \
  manager/row_copier.cc manager/row_copier.h \
  manager/service.cc manager/service.h \
  manager/service_begin.cc \
  manager/service_recovery.cc \
  manager/service_unlisted.cc \
  manager/standard_mibs.cc manager/standard_mibs.h \
  manager/topology.cc manager/topology.h \
  manager/transfer_side.cc manager/transfer_side.h \
  manager/unlisted_hosts.cc manager/unlisted_hosts.h

# What people look at.
libmanager_a_SOURCES += \
  manager/commands/report.cc \
  manager/page/chart.cc manager/page/chart.h \
  manager/page/format.cc manager/page/format.h \
  manager/page/html.cc manager/page/html.h \
  manager/page/page.cc manager/page/page.h \
  manager/page/section_tables.cc manager/page/sections.cc manager/page/sections.h \
  manager/page/story.cc manager/page/story.h \
  manager/page/style.cc manager/page/style.h \
  manager/page/timeline.cc manager/page/timeline.h \
  manager/commands/top.cc \
  manager/top/frame.cc manager/top/frame_agents.cc manager/top/frame_json.cc manager/top/frame_parts.h \
  manager/top/frame_transfers.cc \
  manager/top/model.cc manager/top/model.h \
  manager/top/picture.cc manager/top/picture.h \
  manager/top/poller.cc manager/top/poller.h \
  manager/top/screen.cc manager/top/screen.h \
  manager/top/snapshot.h \
  manager/top/terminal.cc manager/top/terminal.h

# Packs for network management systems, made from the module that is installed.
AM_CPPFLAGS += -DVMMIG_MODULE_PATH='"$(mibsdir):$(ietfmibsdir)"' $(SMI_CFLAGS)
libmanager_a_SOURCES += \
  manager/commands/nms.cc \
  manager/nms/access.cc manager/nms/access.h \
  manager/nms/grafana.cc \
  manager/nms/icinga.cc \
  manager/nms/librenms.cc \
  manager/nms/model.cc manager/nms/model.h \
  manager/nms/opennms.cc \
  manager/nms/overlay.cc manager/nms/overlay_data.cc manager/nms/overlay.h \
  manager/nms/pack.cc manager/nms/pack.h \
  manager/nms/prometheus.cc manager/nms/prometheus_rules.cc manager/nms/prometheus.h \
  manager/nms/smi_module.cc manager/nms/smi_module.h \
  manager/nms/snmptrapd.cc \
  manager/nms/snmptt.cc \
  manager/nms/trap_decoder.cc manager/nms/trap_decoder.h \
  manager/nms/zabbix.cc manager/nms/zabbix_triggers.cc manager/nms/zabbix.h

# The plugin for Nagios and Icinga, where their plugins are.
libmanager_a_SOURCES += \
  manager/check/modes.cc manager/check/modes.h \
  manager/check/range.cc manager/check/range.h \
  manager/check/verdict.cc manager/check/verdict.h
pluginsdir = $(prefix)/lib/nagios/plugins
plugins_PROGRAMS = check_vmmig
check_vmmig_SOURCES = manager/check/main.cc
check_vmmig_LDADD = $(MANAGER_LIBS)

# What bash completes, from the commands' own descriptions.
bashcompletiondir = $(datadir)/bash-completion/completions
nodist_bashcompletion_DATA = completions/vmmig
CLEANFILES += completions/vmmig
completions/vmmig: vmmig$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completions && ./vmmig$(EXEEXT) completion bash > $@.tmp && mv $@.tmp $@

# What people copy and change.
examplesdir = $(docdir)/examples
dist_examples_DATA = docs/vmmig.conf.example
dist_examples_SCRIPTS = docs/hooks/generic docs/hooks/libvirt-gate docs/hooks/libvirt-phase
