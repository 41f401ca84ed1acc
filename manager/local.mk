bin_PROGRAMS += vmmig
noinst_LIBRARIES += libmanager.a
libmanager_a_CPPFLAGS = $(AM_CPPFLAGS)
libmanager_a_SOURCES = \
  manager/at_once.h \
  manager/device.cc manager/device.h \
  manager/snmp_library.cc manager/snmp_library.h \
  manager/snmp_session.cc manager/snmp_session.h \
  manager/snmp_transport.cc manager/snmp_transport.h \
  manager/table_walk.cc manager/table_walk.h \
  manager/trap_listener.h
