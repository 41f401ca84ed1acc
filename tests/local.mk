# SPDX-License-Identifier: GPL-2.0-or-later
# `make check`: GoogleTest programs (tests/unit) and pytest files, which find our programs in $VMMIG_BUILDDIR.
TEST_EXTENSIONS = .py
PY_LOG_COMPILER = /usr/bin/python3 -m pytest
AM_PY_LOG_FLAGS = -p no:cacheprovider -rs --confcutdir=$(abs_top_srcdir)/tests
AM_TESTS_ENVIRONMENT = VMMIG_BUILDDIR='$(abs_top_builddir)'; PYTHONDONTWRITEBYTECODE=1; export VMMIG_BUILDDIR PYTHONDONTWRITEBYTECODE;


# --- common/ and mibs/: unit tests and fuzzers
unit_ldadd = libmibs.a libcommon.a -lgtest_main $(GTEST_LIBS) $(CRYPTO_LIBS) -lpthread
unit_tests = \
  tests/unit/test_event_loop \
  tests/unit/test_identifiers \
  tests/unit/test_image \
  tests/unit/test_layering \
  tests/unit/test_mib_conformance \
  tests/unit/test_oer \
  tests/unit/test_replace_file \
  tests/unit/test_row \
  tests/unit/test_row_json \
  tests/unit/test_syntax \
  tests/unit/test_task
fuzzers = tests/fuzz/fuzz_dhcp tests/fuzz/fuzz_image tests/fuzz/fuzz_index tests/fuzz/fuzz_json
check_PROGRAMS += $(unit_tests) $(fuzzers)
TESTS += $(unit_tests) $(fuzzers)
CLEANFILES += tests/fuzz/*.crash

tests_unit_test_event_loop_SOURCES = tests/unit/test_event_loop.cc
tests_unit_test_event_loop_LDADD = $(unit_ldadd)
tests_unit_test_identifiers_SOURCES = tests/unit/test_identifiers.cc
tests_unit_test_identifiers_LDADD = $(unit_ldadd)
tests_unit_test_image_SOURCES = tests/unit/test_image.cc tests/unit/random_row.h
tests_unit_test_image_LDADD = $(unit_ldadd)
tests_unit_test_layering_SOURCES = tests/unit/test_layering.cc tests/unit/source_dir.h
tests_unit_test_layering_LDADD = $(unit_ldadd)
tests_unit_test_mib_conformance_SOURCES = tests/unit/test_mib_conformance.cc tests/unit/libsmi.h tests/unit/source_dir.h
tests_unit_test_mib_conformance_LDADD = $(unit_ldadd) $(SMI_LIBS)
tests_unit_test_oer_SOURCES = tests/unit/test_oer.cc
tests_unit_test_oer_LDADD = $(unit_ldadd)
tests_unit_test_replace_file_SOURCES = tests/unit/test_replace_file.cc
tests_unit_test_replace_file_LDADD = $(unit_ldadd)
tests_unit_test_row_SOURCES = tests/unit/test_row.cc tests/unit/random_row.h
tests_unit_test_row_LDADD = $(unit_ldadd)
tests_unit_test_row_json_SOURCES = tests/unit/test_row_json.cc tests/unit/random_row.h
tests_unit_test_row_json_LDADD = $(unit_ldadd)
tests_unit_test_syntax_SOURCES = tests/unit/test_syntax.cc tests/unit/random_row.h
tests_unit_test_syntax_LDADD = $(unit_ldadd)
tests_unit_test_task_SOURCES = tests/unit/test_task.cc
tests_unit_test_task_LDADD = $(unit_ldadd)

tests_fuzz_fuzz_dhcp_SOURCES = tests/fuzz/fuzz_dhcp.cc tests/fuzz/fuzz_main.cc tests/fuzz/fuzz_main.h tests/unit/dhcp_frames.h
tests_fuzz_fuzz_dhcp_LDADD = libsubagent.a libmibs.a libcommon.a $(CRYPTO_LIBS)
tests_fuzz_fuzz_image_SOURCES = tests/fuzz/fuzz_image.cc tests/fuzz/fuzz_main.cc tests/fuzz/fuzz_main.h tests/unit/random_row.h
tests_fuzz_fuzz_image_LDADD = libmibs.a libcommon.a $(CRYPTO_LIBS)
tests_fuzz_fuzz_index_SOURCES = tests/fuzz/fuzz_index.cc tests/fuzz/fuzz_main.cc tests/fuzz/fuzz_main.h tests/unit/random_row.h
tests_fuzz_fuzz_index_LDADD = libmibs.a libcommon.a $(CRYPTO_LIBS)
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.cc tests/fuzz/fuzz_main.cc tests/fuzz/fuzz_main.h tests/unit/random_row.h
tests_fuzz_fuzz_json_LDADD = libmibs.a libcommon.a $(CRYPTO_LIBS)
# The handler and the stores of the agent.
check_PROGRAMS += tests/unit/test_capacity_watch tests/unit/test_options tests/unit/test_request_handler tests/unit/test_set_transaction tests/unit/test_stores
TESTS += tests/unit/test_capacity_watch tests/unit/test_options tests/unit/test_request_handler tests/unit/test_set_transaction tests/unit/test_stores
tests_unit_test_options_SOURCES = tests/unit/test_options.cc
tests_unit_test_options_LDADD = libsubagent.a -lboost_program_options $(unit_ldadd)
tests_unit_test_request_handler_SOURCES = tests/unit/test_request_handler.cc tests/unit/memory_store.h
tests_unit_test_request_handler_LDADD = libsubagent.a $(unit_ldadd)
tests_unit_test_set_transaction_SOURCES = tests/unit/test_set_transaction.cc tests/unit/memory_store.h
tests_unit_test_set_transaction_LDADD = libsubagent.a $(unit_ldadd)
tests_unit_test_capacity_watch_SOURCES = tests/unit/test_capacity_watch.cc
tests_unit_test_capacity_watch_LDADD = $(SUBAGENT_LIBS) $(unit_ldadd)
tests_unit_test_stores_SOURCES = tests/unit/test_stores.cc
tests_unit_test_stores_LDADD = $(SUBAGENT_LIBS) $(unit_ldadd)

# vmmigd under a stock snmpd.
agentx_tests = tests/agentx/test_walk.py tests/agentx/test_pysnmp.py tests/agentx/test_pysnmp_security.py \
  tests/agentx/test_pysnmp_set.py tests/agentx/test_set.py tests/agentx/test_sessions.py
TESTS += $(agentx_tests)
EXTRA_DIST += tests/agentx/conftest.py tests/agentx/pysnmp_agent.py $(agentx_tests)

# The back ends: the model firewall with the draft's story, the contract of both, and Linux with real traffic.
back_end_tests = tests/unit/test_memory_firewall tests/unit/test_back_end_contract tests/unit/test_linux_back_end
back_end_ldadd = libsubagent.a libmibs.a libcommon.a -lgtest_main $(GTEST_LIBS) $(MNL_LIBS) $(NFTABLES_LIBS) $(BPF_LIBS) $(CRYPTO_LIBS) \
  -lpthread
check_PROGRAMS += $(back_end_tests)
TESTS += $(back_end_tests)
tests_unit_test_memory_firewall_SOURCES = tests/unit/test_memory_firewall.cc
tests_unit_test_memory_firewall_LDADD = $(back_end_ldadd)
tests_unit_test_back_end_contract_SOURCES = tests/unit/test_back_end_contract.cc tests/unit/back_end_contract_rows.h \
  tests/unit/network_namespace.h
tests_unit_test_back_end_contract_LDADD = $(back_end_ldadd)
tests_unit_test_linux_back_end_SOURCES = tests/unit/test_linux_back_end.cc tests/unit/back_end_contract_rows.h \
  tests/unit/firewall_lab.h tests/unit/network_namespace.h
tests_unit_test_linux_back_end_LDADD = $(back_end_ldadd)

# Migrations: the state machine, its runner between fake devices, the journal and the inventory.
migration_tests = tests/unit/test_image_copier tests/unit/test_inventory tests/unit/test_itinerary tests/unit/test_journal \
  tests/unit/test_migration tests/unit/test_migration_legs tests/unit/test_migration_runner tests/unit/test_migration_walk \
  tests/unit/test_service tests/unit/test_service_unlisted tests/unit/test_standard_mibs tests/unit/test_topology
migration_ldadd = $(MANAGER_LIBS) -lgtest_main $(GTEST_LIBS) -lpthread
check_PROGRAMS += $(migration_tests)
TESTS += $(migration_tests)
tests_unit_test_image_copier_SOURCES = tests/unit/test_image_copier.cc tests/unit/fake_agent.cc tests/unit/fake_agent.h
tests_unit_test_image_copier_LDADD = $(migration_ldadd)
tests_unit_test_inventory_SOURCES = tests/unit/test_inventory.cc tests/unit/source_dir.h
tests_unit_test_inventory_LDADD = $(migration_ldadd)
tests_unit_test_itinerary_SOURCES = tests/unit/test_itinerary.cc
tests_unit_test_itinerary_LDADD = $(migration_ldadd)
tests_unit_test_journal_SOURCES = tests/unit/test_journal.cc
tests_unit_test_journal_LDADD = $(migration_ldadd)
tests_unit_test_migration_SOURCES = tests/unit/test_migration.cc tests/unit/migration_events.h
tests_unit_test_migration_LDADD = $(migration_ldadd)
tests_unit_test_migration_legs_SOURCES = tests/unit/test_migration_legs.cc tests/unit/fake_agent.cc tests/unit/fake_agent.h
tests_unit_test_migration_legs_LDADD = $(migration_ldadd)
tests_unit_test_migration_runner_SOURCES = tests/unit/test_migration_runner.cc tests/unit/fake_agent.cc tests/unit/fake_agent.h
tests_unit_test_migration_runner_LDADD = $(migration_ldadd)
tests_unit_test_migration_walk_SOURCES = tests/unit/test_migration_walk.cc tests/unit/migration_events.h
tests_unit_test_migration_walk_LDADD = $(migration_ldadd)
tests_unit_test_service_SOURCES = tests/unit/test_service.cc tests/unit/serve_fixture.h tests/unit/fake_agent.cc \
  tests/unit/fake_agent.h
tests_unit_test_service_LDADD = $(migration_ldadd)
tests_unit_test_service_unlisted_SOURCES = tests/unit/test_service_unlisted.cc tests/unit/serve_fixture.h tests/unit/fake_agent.cc \
  tests/unit/fake_agent.h
tests_unit_test_service_unlisted_LDADD = $(migration_ldadd)
tests_unit_test_standard_mibs_SOURCES = tests/unit/test_standard_mibs.cc tests/unit/fake_session.h
tests_unit_test_standard_mibs_LDADD = $(migration_ldadd)
tests_unit_test_topology_SOURCES = tests/unit/test_topology.cc
tests_unit_test_topology_LDADD = $(migration_ldadd)
TESTS += tests/agentx/test_migrate.py
EXTRA_DIST += tests/agentx/test_migrate.py docs/hooks/generic docs/hooks/libvirt-phase docs/vmmig.conf.example

# What people look at: the page of a migration, and the devices live.
look_tests = tests/unit/test_image_census tests/unit/test_report_page tests/unit/test_top tests/unit/test_top_poller
check_PROGRAMS += $(look_tests)
TESTS += $(look_tests) tests/system/test_report.py tests/system/test_top.py
EXTRA_DIST += tests/system/test_report.py tests/system/test_top.py tests/lab/browser.py tests/lab/report_page.py tests/lab/terminal.py
tests_unit_test_image_census_SOURCES = tests/unit/test_image_census.cc
tests_unit_test_image_census_LDADD = $(migration_ldadd)
tests_unit_test_report_page_SOURCES = tests/unit/test_report_page.cc tests/unit/test_report_figures.cc
tests_unit_test_report_page_LDADD = $(migration_ldadd)
tests_unit_test_top_SOURCES = tests/unit/test_top.cc tests/unit/test_top_screen.cc
tests_unit_test_top_LDADD = $(migration_ldadd)
tests_unit_test_top_poller_SOURCES = tests/unit/test_top_poller.cc tests/unit/fake_agent.cc tests/unit/fake_agent.h
tests_unit_test_top_poller_LDADD = $(migration_ldadd)

# The manager: devices, the command line, files, notifications.
manager_tests = \
  tests/unit/test_command_line \
  tests/unit/test_device \
  tests/unit/test_doctor \
  tests/unit/test_notification \
  tests/unit/test_trap_listener \
  tests/unit/test_vm_state \
  tests/unit/test_wakeup
manager_ldadd = $(MANAGER_LIBS) -lgtest_main $(GTEST_LIBS) -lpthread
check_PROGRAMS += $(manager_tests)
TESTS += $(manager_tests) tests/agentx/test_manager_cli.py
EXTRA_DIST += tests/agentx/test_manager_cli.py
tests_unit_test_command_line_SOURCES = tests/unit/test_command_line.cc
tests_unit_test_command_line_LDADD = $(manager_ldadd)
tests_unit_test_device_SOURCES = tests/unit/test_device.cc tests/unit/fake_session.h
tests_unit_test_device_LDADD = $(manager_ldadd)
tests_unit_test_doctor_SOURCES = tests/unit/test_doctor.cc tests/unit/fake_session.h
tests_unit_test_doctor_LDADD = $(manager_ldadd)
tests_unit_test_notification_SOURCES = tests/unit/test_notification.cc
tests_unit_test_notification_LDADD = $(manager_ldadd)
tests_unit_test_trap_listener_SOURCES = tests/unit/test_trap_listener.cc
tests_unit_test_trap_listener_LDADD = $(manager_ldadd)
tests_unit_test_vm_state_SOURCES = tests/unit/test_vm_state.cc tests/unit/fake_session.h
tests_unit_test_vm_state_LDADD = $(manager_ldadd)
tests_unit_test_wakeup_SOURCES = tests/unit/test_wakeup.cc
tests_unit_test_wakeup_LDADD = $(manager_ldadd)

# The lab, its traffic tool, and what runs in it: whole migrations between network namespaces.
check_PROGRAMS += tests/traffic/traffic
tests_traffic_traffic_SOURCES = \
  tests/traffic/connection.cc tests/traffic/connection.h \
  tests/traffic/options.cc tests/traffic/options.h \
  tests/traffic/pattern.h \
  tests/traffic/totals.h \
  tests/traffic/traffic.cc
system_tests = \
  tests/system/test_acl.py \
  tests/system/test_bench_report.py \
  tests/system/test_counters.py \
  tests/system/test_demo.py \
  tests/system/test_dhcp_snooping.py \
  tests/system/test_export.py \
  tests/system/test_flows.py \
  tests/system/test_guest.py \
  tests/system/test_hooks.py \
  tests/system/test_kill.py \
  tests/system/test_kill_device.py \
  tests/system/test_lab.py \
  tests/system/test_linux_rows.py \
  tests/system/test_locate.py \
  tests/system/test_migration.py \
  tests/system/test_multicast.py \
  tests/system/test_policy.py \
  tests/system/test_qemu_migration.py \
  tests/system/test_scale.py \
  tests/system/test_two_devices.py
TESTS += $(system_tests)
EXTRA_DIST += $(system_tests) \
  tests/conftest.py \
  tests/lab/__init__.py \
  tests/lab/addresses.py \
  tests/lab/ctnetlink.py \
  tests/lab/firewall.py \
  tests/lab/fleet.py \
  tests/lab/guest.py \
  tests/lab/hypervisor.py \
  tests/lab/inside.py \
  tests/lab/kept.py \
  tests/lab/lldp.py \
  tests/lab/many.py \
  tests/lab/netns.py \
  tests/lab/newer_exporter.py \
  tests/lab/ports.py \
  tests/lab/privilege.py \
  tests/lab/probe.py \
  tests/lab/procs.py \
  tests/lab/pysnmp_peer.py \
  tests/lab/pytest_plugin.py \
  tests/lab/remote.py \
  tests/lab/scene.py \
  tests/lab/services.py \
  tests/lab/snmpd.py \
  tests/lab/stock.py \
  tests/lab/streams.py \
  tests/lab/switch.py \
  tests/lab/topology.py \
  tests/lab/traffic.py \
  tests/lab/vm.py \
  tests/lab/vmmig.py \
  tests/lab/workload.py \
  tests/lab/zabbix.py

# Transfers, phases and the state file.
transfer_tests = \
  tests/unit/test_phase_manager \
  tests/unit/test_state_file \
  tests/unit/test_transfer \
  tests/unit/test_transfer_commit \
  tests/unit/test_transfer_crash \
  tests/unit/test_transfer_early \
  tests/unit/test_transfer_exchange \
  tests/unit/test_transfer_image
check_PROGRAMS += $(transfer_tests)
TESTS += $(transfer_tests)
transfer_ldadd = libsubagent.a $(unit_ldadd)
tests_unit_test_phase_manager_SOURCES = tests/unit/test_phase_manager.cc
tests_unit_test_phase_manager_LDADD = $(transfer_ldadd)
tests_unit_test_state_file_SOURCES = tests/unit/test_state_file.cc
tests_unit_test_state_file_LDADD = $(transfer_ldadd)
tests_unit_test_transfer_SOURCES = tests/unit/test_transfer.cc tests/unit/transfer_fixture.h tests/unit/fake_exchanged_tables.h tests/unit/memory_store.h
tests_unit_test_transfer_LDADD = $(transfer_ldadd)
tests_unit_test_transfer_commit_SOURCES = tests/unit/test_transfer_commit.cc tests/unit/transfer_fixture.h tests/unit/fake_exchanged_tables.h
tests_unit_test_transfer_commit_LDADD = $(transfer_ldadd)
tests_unit_test_transfer_crash_SOURCES = tests/unit/test_transfer_crash.cc tests/unit/transfer_fixture.h tests/unit/fake_exchanged_tables.h
tests_unit_test_transfer_crash_LDADD = $(transfer_ldadd)
tests_unit_test_transfer_early_SOURCES = tests/unit/test_transfer_early.cc tests/unit/transfer_fixture.h tests/unit/fake_exchanged_tables.h
tests_unit_test_transfer_early_LDADD = $(transfer_ldadd)
tests_unit_test_transfer_exchange_SOURCES = tests/unit/test_transfer_exchange.cc tests/unit/transfer_fixture.h tests/unit/fake_exchanged_tables.h
tests_unit_test_transfer_exchange_LDADD = $(transfer_ldadd)
tests_unit_test_transfer_image_SOURCES = tests/unit/test_transfer_image.cc tests/unit/transfer_fixture.h tests/unit/fake_exchanged_tables.h
tests_unit_test_transfer_image_LDADD = $(transfer_ldadd)

# The phase source qmp.
qmp_tests = tests/unit/test_qmp_machine tests/unit/test_qmp_machine_late tests/unit/test_qmp_monitor tests/unit/test_qmp_source
check_PROGRAMS += $(qmp_tests)
TESTS += $(qmp_tests) tests/system/test_qmp.py tests/system/test_qmp_vmmigd.py tests/system/test_qmp_limits.py tests/system/test_qemu_failures.py
EXTRA_DIST += tests/system/test_qmp.py tests/system/test_qmp_vmmigd.py tests/system/test_qmp_limits.py tests/system/test_qemu_failures.py tests/lab/qemu.py \
  tests/lab/qmp_hosts.py tests/lab/held_vm.py
tests_unit_test_qmp_machine_SOURCES = tests/unit/test_qmp_machine.cc tests/unit/qmp_machine_fixture.h tests/unit/qemu_model.h
tests_unit_test_qmp_machine_late_SOURCES = tests/unit/test_qmp_machine_late.cc tests/unit/qmp_machine_fixture.h tests/unit/qemu_model.h
tests_unit_test_qmp_machine_late_LDADD = $(transfer_ldadd)
tests_unit_test_qmp_machine_LDADD = $(transfer_ldadd)
tests_unit_test_qmp_monitor_SOURCES = tests/unit/test_qmp_monitor.cc
tests_unit_test_qmp_monitor_LDADD = $(transfer_ldadd)
tests_unit_test_qmp_source_SOURCES = tests/unit/test_qmp_source.cc tests/unit/fake_qemu.h tests/unit/qemu_model.h
tests_unit_test_qmp_source_LDADD = $(transfer_ldadd)

# The phase source libvirt.
libvirt_tests = tests/unit/test_libvirt_domain tests/unit/test_vmstate_gate
EXTRA_DIST += tests/unit/test_libvirt_domain.cc tests/unit/test_vmstate_gate.cc tests/system/test_libvirt.py tests/lab/libvirt.py \
  tests/system/test_libvirt_migration.py tests/lab/libvirt_vm.py docs/hooks/libvirt-gate
if WITH_LIBVIRT
check_PROGRAMS += $(libvirt_tests)
TESTS += $(libvirt_tests) tests/system/test_libvirt.py tests/system/test_libvirt_migration.py
tests_unit_test_libvirt_domain_SOURCES = tests/unit/test_libvirt_domain.cc
tests_unit_test_libvirt_domain_LDADD = $(SUBAGENT_LIBS) $(unit_ldadd)
tests_unit_test_vmstate_gate_SOURCES = tests/unit/test_vmstate_gate.cc
tests_unit_test_vmstate_gate_LDADD = $(SUBAGENT_LIBS) $(unit_ldadd)
endif

# The tables of a device.
table_tests = \
  tests/unit/test_dhcp_packet \
  tests/unit/test_linux_acl_table \
  tests/unit/test_linux_changed_connections \
  tests/unit/test_linux_counter_table \
  tests/unit/test_linux_dhcp_binding_table \
  tests/unit/test_linux_expect_table \
  tests/unit/test_linux_flow_table \
  tests/unit/test_linux_bridge_mib \
  tests/unit/test_linux_follow \
  tests/unit/test_linux_multicast_table \
  tests/unit/test_linux_nft \
  tests/unit/test_linux_policy_table \
  tests/unit/test_linux_tcp_windows \
  tests/unit/test_memory_table \
  tests/unit/test_name_map \
  tests/unit/test_resources \
  tests/unit/test_table_checks \
  tests/unit/test_table_contract
check_PROGRAMS += $(table_tests)
TESTS += $(table_tests) tests/agentx/test_tables.py tests/agentx/test_doctor.py
EXTRA_DIST += tests/agentx/test_tables.py tests/agentx/test_doctor.py
tests_unit_test_dhcp_packet_SOURCES = tests/unit/test_dhcp_packet.cc tests/unit/dhcp_frames.h
tests_unit_test_dhcp_packet_LDADD = $(back_end_ldadd)
tests_unit_test_linux_acl_table_SOURCES = tests/unit/test_linux_acl_table.cc tests/unit/linux_table_lab.h tests/unit/network_namespace.h
tests_unit_test_linux_acl_table_LDADD = $(back_end_ldadd)
tests_unit_test_linux_changed_connections_SOURCES = tests/unit/test_linux_changed_connections.cc \
  tests/unit/test_linux_event_filter.cc tests/unit/changed_connections_lab.h tests/unit/firewall_lab.h \
  tests/unit/network_namespace.h
tests_unit_test_linux_changed_connections_LDADD = $(back_end_ldadd)
tests_unit_test_linux_counter_table_SOURCES = tests/unit/test_linux_counter_table.cc tests/unit/linux_table_lab.h tests/unit/network_namespace.h
tests_unit_test_linux_counter_table_LDADD = $(back_end_ldadd)
tests_unit_test_linux_dhcp_binding_table_SOURCES = tests/unit/test_linux_dhcp_binding_table.cc tests/unit/linux_table_lab.h tests/unit/network_namespace.h tests/unit/dhcp_frames.h tests/unit/dhcp_switch.h
tests_unit_test_linux_dhcp_binding_table_LDADD = $(back_end_ldadd)
tests_unit_test_linux_expect_table_SOURCES = tests/unit/test_linux_expect_table.cc tests/unit/back_end_contract_rows.h \
  tests/unit/firewall_lab.h tests/unit/network_namespace.h
tests_unit_test_linux_expect_table_LDADD = $(back_end_ldadd)
tests_unit_test_linux_flow_table_SOURCES = tests/unit/test_linux_flow_table.cc tests/unit/back_end_contract_rows.h \
  tests/unit/firewall_lab.h tests/unit/network_namespace.h
tests_unit_test_linux_flow_table_LDADD = $(back_end_ldadd)
tests_unit_test_linux_bridge_mib_SOURCES = tests/unit/test_linux_bridge_mib.cc tests/unit/network_namespace.h
tests_unit_test_linux_bridge_mib_LDADD = $(back_end_ldadd)
tests_unit_test_linux_multicast_table_SOURCES = tests/unit/test_linux_multicast_table.cc tests/unit/test_linux_multicast_claims.cc \
  tests/unit/multicast_switch.h tests/unit/network_namespace.h
tests_unit_test_linux_multicast_table_LDADD = $(back_end_ldadd)
tests_unit_test_linux_nft_SOURCES = tests/unit/test_linux_nft.cc tests/unit/linux_table_lab.h tests/unit/network_namespace.h
tests_unit_test_linux_nft_LDADD = $(back_end_ldadd)
tests_unit_test_linux_policy_table_SOURCES = tests/unit/test_linux_policy_table.cc tests/unit/linux_table_lab.h tests/unit/network_namespace.h
tests_unit_test_linux_policy_table_LDADD = $(back_end_ldadd)
tests_unit_test_linux_follow_SOURCES = tests/unit/test_linux_follow.cc tests/unit/back_end_contract_rows.h \
  tests/unit/firewall_lab.h tests/unit/network_namespace.h
tests_unit_test_linux_follow_LDADD = $(back_end_ldadd)
tests_unit_test_linux_tcp_windows_SOURCES = tests/unit/test_linux_tcp_windows.cc tests/unit/test_linux_incoming_packets.cc tests/unit/back_end_contract_rows.h \
  tests/unit/firewall_lab.h tests/unit/network_namespace.h
tests_unit_test_linux_tcp_windows_LDADD = $(back_end_ldadd)
tests_unit_test_memory_table_SOURCES = tests/unit/test_memory_table.cc
tests_unit_test_memory_table_LDADD = $(back_end_ldadd)
tests_unit_test_name_map_SOURCES = tests/unit/test_name_map.cc tests/unit/transfer_fixture.h tests/unit/fake_exchanged_tables.h
tests_unit_test_name_map_LDADD = $(back_end_ldadd)
tests_unit_test_resources_SOURCES = tests/unit/test_resources.cc
tests_unit_test_resources_LDADD = $(back_end_ldadd)
tests_unit_test_table_checks_SOURCES = tests/unit/test_table_checks.cc
tests_unit_test_table_checks_LDADD = $(unit_ldadd)
tests_unit_test_table_contract_SOURCES = tests/unit/test_table_contract.cc tests/unit/table_contract_rows.h \
  tests/unit/linux_table_lab.h tests/unit/network_namespace.h
tests_unit_test_table_contract_LDADD = $(back_end_ldadd)

# Packs for network management systems, and the plugin.
nms_tests = tests/nms/test_handlers.py tests/nms/test_icinga.py tests/nms/test_icinga_live.py tests/nms/test_nagios.py \
  tests/nms/test_making_packs.py tests/nms/test_packs.py tests/nms/test_packs_not_run.py \
  tests/nms/test_prometheus.py tests/nms/test_prometheus_live.py tests/nms/test_traps.py tests/nms/test_traps_live.py \
  tests/nms/test_zabbix.py tests/nms/test_zabbix_live.py
check_PROGRAMS += tests/unit/test_nms tests/unit/test_check_plugin
TESTS += tests/unit/test_nms tests/unit/test_check_plugin tests/agentx/test_check_vmmig.py $(nms_tests)
EXTRA_DIST += tests/agentx/test_check_vmmig.py tests/nms/conftest.py tests/nms/icinga_daemon.py tests/nms/watched.py \
  tests/nms/zabbix_template.py $(nms_tests)
tests_unit_test_nms_SOURCES = tests/unit/test_nms.cc tests/unit/source_dir.h
tests_unit_test_nms_LDADD = $(manager_ldadd)
tests_unit_test_check_plugin_SOURCES = tests/unit/test_check_plugin.cc
tests_unit_test_check_plugin_LDADD = $(manager_ldadd)

# Packages, and what they bring along. STAGE_TESTS need something built or made ahead: they run only when they are named.
STAGE_TESTS = tests/packages/test_packages.py tests/packages/test_running.py
# They have one chroot to begin with, and one tree to pack again.
tests/packages/test_running.log: tests/packages/test_packages.log
TESTS += tests/packages/test_completion.py
EXTRA_DIST += tests/packages/test_completion.py $(STAGE_TESTS) tests/packages/conftest.py tests/lab/booted.py tests/lab/chroot.py tests/lab/unit.py

# Documents and man pages: what they say is run, and compared with the module.
doc_tests = tests/docs/test_docs.py tests/docs/test_man.py tests/docs/test_mib.py
TESTS += $(doc_tests)
EXTRA_DIST += $(doc_tests) tests/lab/documents.py tests/lab/image_reader.py tests/lab/module_text.py
