# SPDX-License-Identifier: GPL-2.0-or-later
# libsubagent.a is all of vmmigd but main.cc, for the tests. Each part appends its files.
noinst_LIBRARIES += libsubagent.a
sbin_PROGRAMS += vmmigd
DEMO_TARGETS += vmmigd

# The handler, the SET transaction and the stores of the agent's own tables.
libsubagent_a_SOURCES = \
  subagent/agent.cc subagent/agent.h \
  subagent/agentx_agent.cc subagent/agentx_agent.h \
  subagent/agentx_notifier.cc subagent/agentx_notifier.h \
  subagent/back_end.cc subagent/back_end.h \
  subagent/capacity_watch.cc subagent/capacity_watch.h \
  subagent/check_store.cc subagent/check_store.h \
  subagent/device_table_store.cc subagent/device_table_store.h \
  subagent/finding.cc subagent/finding.h \
  subagent/forwarding_back_end.h \
  subagent/notifier.h \
  subagent/options.cc subagent/options.h \
  subagent/request_handler.cc subagent/request_handler.h \
  subagent/row_source.cc subagent/row_source.h \
  subagent/row_status.cc subagent/row_status.h \
  subagent/row_store.cc subagent/row_store.h \
  subagent/scalar_store.cc subagent/scalar_store.h \
  subagent/set_transaction.cc subagent/set_transaction.h \
  subagent/snapshot_store.cc subagent/snapshot_store.h \
  subagent/staged_rows.cc subagent/staged_rows.h \
  subagent/start_up.cc subagent/start_up.h \
  subagent/vm_registry.cc subagent/vm_registry.h \
  subagent/vm_store.cc subagent/vm_store.h

SUBAGENT_LIBS = libsubagent.a libmibs.a libcommon.a $(SNMP_AGENT_LIBS) $(MNL_LIBS) $(NFTABLES_LIBS) $(BPF_LIBS) $(CRYPTO_LIBS) \
  $(LIBVIRT_LIBS) $(SYSTEMD_LIBS) -lpthread

vmmigd_SOURCES = subagent/main.cc
vmmigd_LDADD = $(SUBAGENT_LIBS) -lboost_program_options

# The back ends.
libsubagent_a_SOURCES += \
  subagent/linux_attributes.h \
  subagent/linux_back_end.cc subagent/linux_back_end.h \
  subagent/linux_block.cc subagent/linux_block.h \
  subagent/linux_bridge_mib.cc subagent/linux_bridge_mib.h \
  subagent/linux_conntrack_codec.cc subagent/linux_conntrack_codec.h \
  subagent/linux_conntrack_cursor.cc subagent/linux_conntrack_cursor.h \
  subagent/linux_conntrack_events.cc subagent/linux_conntrack_events.h \
  subagent/linux_conntrack_follower.cc subagent/linux_conntrack_follower.h \
  subagent/linux_conntrack_table.cc subagent/linux_conntrack_table.h subagent/linux_tcp_conn_table.cc subagent/linux_tcp_conn_table.h \
  subagent/linux_exchanged_table.cc subagent/linux_exchanged_table.h \
  subagent/linux_netlink.cc subagent/linux_netlink.h \
  subagent/linux_nft.cc subagent/linux_nft.h subagent/linux_nft_transaction.cc \
  subagent/linux_sysctl.cc subagent/linux_sysctl.h \
  subagent/linux_window_learning.cc subagent/linux_window_learning.h \
  subagent/memory_back_end.cc subagent/memory_back_end.h \
  subagent/memory_firewall.cc subagent/memory_firewall.h \
  subagent/memory_follower.cc subagent/memory_follower.h \
  subagent/mapped_back_end.cc \
  subagent/name_map.cc subagent/name_map.h \
  subagent/resources.cc subagent/resources.h \
  subagent/rule_text.cc subagent/rule_text.h \
  subagent/tcp_conn_tuples.cc subagent/tcp_conn_tuples.h

# BPF programs. bpftool makes a header of each compiled one, for libbpf. BUILT_SOURCES holds for all, check and install only, hence
# the objects' own lines.
bpf_stems = subagent/bpf/changed_connections subagent/bpf/incoming_packets subagent/bpf/tcp_windows
bpf_skeletons = $(bpf_stems:=.skel.h)
libsubagent_a_SOURCES += subagent/bpf/changed_connections.h subagent/bpf/incoming_packets.h subagent/bpf/tcp_windows.h
EXTRA_DIST += $(bpf_stems:=.bpf.c)
BUILT_SOURCES += $(bpf_skeletons)
CLEANFILES += $(bpf_skeletons) $(bpf_stems:=.bpf.o)
%.bpf.o: %.bpf.c %.h
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(CLANG) $(BPF_CFLAGS) -I$(top_srcdir) -c -o $@ $<
%.skel.h: %.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton $< name $(notdir $*) > $@.new && mv $@.new $@
subagent/linux_changed_connections.$(OBJEXT): subagent/bpf/changed_connections.skel.h
subagent/linux_incoming_packets.$(OBJEXT): subagent/bpf/incoming_packets.skel.h
subagent/linux_tcp_windows.$(OBJEXT): subagent/bpf/tcp_windows.skel.h

# Sequence numbers and windows of TCP.
libsubagent_a_SOURCES += \
  subagent/linux_incoming_packets.cc subagent/linux_incoming_packets.h \
  subagent/linux_tcp_priming.cc subagent/linux_tcp_priming.h \
  subagent/linux_tcp_windows.cc subagent/linux_tcp_windows.h \
  subagent/linux_tap.cc subagent/linux_tap.h \
  subagent/tcp_segment.cc subagent/tcp_segment.h

# Which connections' packets were seen.
libsubagent_a_SOURCES += subagent/linux_changed_connections.cc subagent/linux_changed_connections.h

# Transfers.
libsubagent_a_SOURCES += \
  subagent/early_rows.cc subagent/early_rows.h \
  subagent/early_rows_file.cc subagent/early_rows_file.h \
  subagent/state_file.cc subagent/state_file.h \
  subagent/image_log.cc subagent/image_log.h \
  subagent/image_rows.cc subagent/image_rows.h \
  subagent/image_staging.cc subagent/image_staging.h \
  subagent/image_store.cc subagent/image_store.h \
  subagent/transfer.cc subagent/transfer.h \
  subagent/transfer_clock.cc subagent/transfer_clock.h \
  subagent/transfer_commit.cc \
  subagent/transfer_destination.cc subagent/transfer_destination.h \
  subagent/transfer_early.cc \
  subagent/transfer_engine.cc subagent/transfer_engine.h \
  subagent/transfer_exchange.cc \
  subagent/transfer_rehearsal.cc \
  subagent/transfer_source.cc subagent/transfer_source.h \
  subagent/transfer_store.cc subagent/transfer_store.h \
  subagent/transfer_text.cc subagent/transfer_text.h \
  subagent/transfer_tracking.cc \
  subagent/transfer_undo.cc \
  subagent/transfer_verify.cc \
  subagent/transfer_limits.h \
  subagent/phase_manager.cc subagent/phase_manager.h \
  subagent/phase_store.cc subagent/phase_store.h

# Phase sources.
libsubagent_a_SOURCES += \
  subagent/phase_source.cc subagent/phase_source.h \
  subagent/glob_watch.cc subagent/glob_watch.h \
  subagent/qmp_checks.cc subagent/qmp_checks.h \
  subagent/qmp_client.cc subagent/qmp_client.h \
  subagent/qmp_identity.cc subagent/qmp_identity.h \
  subagent/qmp_machine.cc subagent/qmp_machine.h subagent/qmp_machine_outgoing.cc \
  subagent/qmp_message.h \
  subagent/qmp_monitor.cc subagent/qmp_monitor.h \
  subagent/qmp_sockets.cc subagent/qmp_sockets.h \
  subagent/qmp_source.cc subagent/qmp_source.h
libvirt_sources = \
  subagent/libvirt_calls.cc subagent/libvirt_calls.h \
  subagent/libvirt_connection.cc subagent/libvirt_connection.h \
  subagent/libvirt_domain.cc subagent/libvirt_domain.h \
  subagent/libvirt_gates.cc subagent/libvirt_gates.h \
  subagent/libvirt_loop.cc subagent/libvirt_loop.h \
  subagent/libvirt_source.cc subagent/libvirt_source.h \
  subagent/vmstate_bus.cc subagent/vmstate_bus.h \
  subagent/vmstate_gate.cc subagent/vmstate_gate.h
EXTRA_DIST += $(libvirt_sources)
if WITH_LIBVIRT
libsubagent_a_SOURCES += $(libvirt_sources)
endif

# The tables of the back end linux, but the connections; and those of the back end memory.
libsubagent_a_SOURCES += \
  subagent/linux_acl_table.cc subagent/linux_acl_table.h \
  subagent/linux_bridge_ports.cc subagent/linux_bridge_ports.h \
  subagent/linux_conntrack_tuples.cc subagent/linux_conntrack_tuples.h \
  subagent/linux_counter_kinds.h subagent/linux_counter_objects.cc subagent/linux_counter_sets.cc \
  subagent/linux_counter_table.cc subagent/linux_counter_table.h \
  subagent/linux_dhcp_binding_table.cc subagent/linux_dhcp_binding_table.h \
  subagent/linux_dhcp_file.cc subagent/linux_dhcp_file.h \
  subagent/linux_dhcp_learner.cc subagent/linux_dhcp_learner.h \
  subagent/linux_dhcp_packet.cc subagent/linux_dhcp_packet.h \
  subagent/linux_dhcp_snooper.cc subagent/linux_dhcp_snooper.h \
  subagent/linux_dhcp_text.cc subagent/linux_dhcp_text.h \
  subagent/linux_conntrack_requests.cc subagent/linux_conntrack_requests.h \
  subagent/linux_expect_codec.cc subagent/linux_expect_codec.h \
  subagent/linux_expect_table.cc subagent/linux_expect_table.h \
  subagent/linux_flow_codec.cc subagent/linux_flow_codec.h \
  subagent/linux_flow_table.cc subagent/linux_flow_table.h \
  subagent/linux_mdb.cc subagent/linux_mdb.h \
  subagent/linux_multicast_changes.cc \
  subagent/linux_multicast_claims.cc subagent/linux_multicast_claims.h \
  subagent/linux_multicast_ports.cc subagent/linux_multicast_ports.h \
  subagent/linux_multicast_rows.cc subagent/linux_multicast_rows.h \
  subagent/linux_multicast_table.cc subagent/linux_multicast_table.h \
  subagent/linux_nft_elements.cc subagent/linux_nft_elements.h \
  subagent/linux_nft_match.cc subagent/linux_nft_match.h \
  subagent/linux_nft_referrers.cc subagent/linux_nft_referrers.h \
  subagent/linux_child.cc subagent/linux_child.h \
  subagent/linux_policy_chain.cc subagent/linux_policy_chain.h \
  subagent/linux_policy_exchange.cc \
  subagent/linux_policy_pieces.cc subagent/linux_policy_pieces.h \
  subagent/linux_policy_table.cc subagent/linux_policy_table.h \
  subagent/linux_rtnetlink.cc subagent/linux_rtnetlink.h \
  subagent/linux_source_guard.cc subagent/linux_source_guard.h \
  subagent/linux_tc.cc subagent/linux_tc.h \
  subagent/linux_tc_text.cc subagent/linux_tc_text.h \
  subagent/linux_tc_words.cc subagent/linux_tc_words.h \
  subagent/memory_counter_table.cc subagent/memory_counter_table.h \
  subagent/memory_table.cc subagent/memory_table.h \
  subagent/memory_tcp_table.cc subagent/memory_tcp_table.h
