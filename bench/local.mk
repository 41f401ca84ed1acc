# SPDX-License-Identifier: GPL-2.0-or-later
BENCH_TARGETS += bench/throughput bench/raw_ctnetlink
EXTRA_PROGRAMS += bench/throughput bench/raw_ctnetlink
EXTRA_DIST += bench/bench.py

bench_throughput_SOURCES = bench/throughput.cc
bench_throughput_LDADD = libmanager.a libmibs.a libcommon.a $(SNMP_LIBS) $(CRYPTO_LIBS) $(SQLITE_LIBS)

# The limit that the kernel sets.
bench_raw_ctnetlink_SOURCES = bench/raw_ctnetlink.cc
bench_raw_ctnetlink_LDADD = libsubagent.a libmibs.a libcommon.a $(MNL_LIBS) $(NFTABLES_LIBS) $(BPF_LIBS) $(CRYPTO_LIBS)
