# SPDX-License-Identifier: GPL-2.0-or-later
bench_programs = bench/flows bench/raw_ctnetlink bench/raw_move bench/row_by_row bench/throughput
BENCH_TARGETS += $(bench_programs)
EXTRA_PROGRAMS += $(bench_programs)
EXTRA_DIST += bench/measure.h bench/bench.py bench/blackout.py bench/bulk.py bench/conntrackd.py bench/cpu.py bench/measurements.py bench/page.py \
  bench/peers.py bench/place.py bench/qemu.py bench/svg.py

bench_manager_ldadd = libmanager.a libmibs.a libcommon.a $(SNMP_LIBS) $(CRYPTO_LIBS) $(SQLITE_LIBS)
bench_throughput_SOURCES = bench/throughput.cc
bench_throughput_LDADD = $(bench_manager_ldadd)
bench_row_by_row_SOURCES = bench/row_by_row.cc
bench_row_by_row_LDADD = $(bench_manager_ldadd)

# The limit that the kernel sets.
bench_subagent_ldadd = libsubagent.a libmibs.a libcommon.a $(MNL_LIBS) $(NFTABLES_LIBS) $(BPF_LIBS) $(CRYPTO_LIBS)
bench_raw_ctnetlink_SOURCES = bench/raw_ctnetlink.cc
bench_raw_ctnetlink_LDADD = $(bench_subagent_ldadd)
bench_raw_move_SOURCES = bench/raw_move.cc
bench_raw_move_LDADD = $(bench_subagent_ldadd)

bench_flows_SOURCES = bench/flows.cc
bench_flows_LDADD = libcommon.a
