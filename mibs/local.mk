noinst_LIBRARIES += libmibs.a
libmibs_a_SOURCES = \
  mibs/column.h \
  mibs/device_scalars.h \
  mibs/image.cc mibs/image.h \
  mibs/image_table.h \
  mibs/phase_table.h \
  mibs/registry.cc mibs/registry.h \
  mibs/row.cc mibs/row.h \
  mibs/syntax.cc mibs/syntax.h \
  mibs/tcp_conn_table.h \
  mibs/transfer_table.h \
  mibs/vm_address_table.h \
  mibs/vm_table.h
