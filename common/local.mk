noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = \
  common/digest.cc common/digest.h \
  common/event_loop.cc common/event_loop.h \
  common/hex.cc common/hex.h \
  common/inet_address.cc common/inet_address.h \
  common/log.cc common/log.h \
  common/net_snmp.cc common/net_snmp.h \
  common/oer.cc common/oer.h \
  common/oid.cc common/oid.h \
  common/replace_file.cc common/replace_file.h \
  common/result.h \
  common/smi_value.cc common/smi_value.h \
  common/task.cc common/task.h \
  common/unique_fd.h \
  common/uuid.cc common/uuid.h
