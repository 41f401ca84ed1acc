noinst_LIBRARIES += libmibs.a
libmibs_a_SOURCES = \
  mibs/acl_table.cc mibs/acl_table.h \
  mibs/check_table.h \
  mibs/column.h \
  mibs/counter_table.cc mibs/counter_table.h \
  mibs/device_scalars.h \
  mibs/dhcp_binding_table.cc mibs/dhcp_binding_table.h \
  mibs/element_name.cc mibs/element_name.h \
  mibs/expect_table.cc mibs/expect_table.h \
  mibs/flow_table.cc mibs/flow_table.h \
  mibs/image.cc mibs/image.h mibs/image_keys.h \
  mibs/image_table.h \
  mibs/labels.h \
  mibs/multicast_table.cc mibs/multicast_table.h \
  mibs/phase_table.h \
  mibs/policy_table.cc mibs/policy_table.h \
  mibs/registry.cc mibs/registry.h \
  mibs/row.cc mibs/row.h \
  mibs/row_check.h \
  mibs/row_json.cc mibs/row_json.h \
  mibs/standard_tables.h \
  mibs/syntax.cc mibs/syntax.h \
  mibs/tcp_conn_table.h \
  mibs/textual_conventions.h \
  mibs/transfer_table.h \
  mibs/vm_address_table.h \
  mibs/vm_table.h

# The module, at the place in the OID tree that configure was told. Users have `mibdirs +$(mibsdir)`; the few IETF modules that it
# needs lie apart, for systems that have no better ones.
nodist_mibs_DATA = mibs/VM-MIGRATION-MIB.txt
ietfmibsdir = $(datadir)/vmmig/mibs/ietf
dist_ietfmibs_DATA = \
  mibs/ietf/HCNUM-TC.txt \
  mibs/ietf/INET-ADDRESS-MIB.txt \
  mibs/ietf/SNMP-FRAMEWORK-MIB.txt \
  mibs/ietf/SNMPv2-CONF.txt \
  mibs/ietf/SNMPv2-SMI.txt \
  mibs/ietf/SNMPv2-TC.txt \
  mibs/ietf/UUID-TC-MIB.txt
EXTRA_DIST += mibs/VM-MIGRATION-MIB.txt.in
CLEANFILES += mibs/VM-MIGRATION-MIB.txt

mibs/VM-MIGRATION-MIB.txt: $(srcdir)/mibs/VM-MIGRATION-MIB.txt.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	  sed 's/@MIB_ROOT[_]SMI@/$(MIB_ROOT_SMI)/' $(srcdir)/mibs/VM-MIGRATION-MIB.txt.in > $@.tmp && mv $@.tmp $@
