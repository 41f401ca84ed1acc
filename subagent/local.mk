# SPDX-License-Identifier: GPL-2.0-or-later
# libsubagent.a is all of vmmigd but main.cc, for the tests. Each part appends its files.
noinst_LIBRARIES += libsubagent.a
sbin_PROGRAMS += vmmigd
DEMO_PROGRAMS += vmmigd

# The handler, the SET transaction and the stores of the agent's own tables.
libsubagent_a_SOURCES = \
  subagent/agentx_agent.cc subagent/agentx_agent.h \
  subagent/agentx_notifier.cc subagent/agentx_notifier.h \
  subagent/back_end.h \
  subagent/device_table_store.cc subagent/device_table_store.h \
  subagent/notifier.h \
  subagent/options.cc subagent/options.h \
  subagent/request_handler.cc subagent/request_handler.h \
  subagent/row_source.cc subagent/row_source.h \
  subagent/row_status.cc subagent/row_status.h \
  subagent/row_store.cc subagent/row_store.h \
  subagent/scalar_store.cc subagent/scalar_store.h \
  subagent/set_transaction.cc subagent/set_transaction.h \
  subagent/staged_rows.cc subagent/staged_rows.h \
  subagent/vm_registry.cc subagent/vm_registry.h \
  subagent/vm_store.cc subagent/vm_store.h

SUBAGENT_LIBS = libsubagent.a libmibs.a libcommon.a $(SNMP_AGENT_LIBS) $(CONNTRACK_LIBS) $(NFTABLES_LIBS) $(CRYPTO_LIBS)

vmmigd_SOURCES = subagent/main.cc
vmmigd_LDADD = $(SUBAGENT_LIBS) $(SYSTEMD_LIBS) -lboost_program_options
