BENCH_TARGETS += bench/throughput
EXTRA_PROGRAMS += bench/throughput
bench_throughput_SOURCES = bench/throughput.cc
bench_throughput_LDADD = libmanager.a libmibs.a libcommon.a $(SNMP_LIBS) $(CRYPTO_LIBS) $(SQLITE_LIBS)
EXTRA_DIST += bench/bench.py
