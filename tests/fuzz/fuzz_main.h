// SPDX-License-Identifier: GPL-2.0-or-later
// What a fuzzer gives: the target, in libFuzzer's form, and good inputs to start from.
//
// `make check` runs each with fuzz_main.cc: the seeds, then seeded random mutations of them, so that a run can be repeated.
// With coverage guidance instead (clang; from a build directory, fuzz_index and fuzz_json alike):
//   make tests/fuzz/fuzz_image && mkdir corpus && tests/fuzz/fuzz_image --write-seeds corpus
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I. -I$srcdir $srcdir/tests/fuzz/fuzz_image.cc \
//     $srcdir/mibs/*.cc $srcdir/common/{digest,hex,inet_address,oer,oid,smi_value,uuid}.cc -lcrypto -o fuzz_image && ./fuzz_image
//     corpus
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace vmmig::fuzz {

std::vector<std::string> seeds();

/// A finding: says what, and ends the process, as fuzzers expect.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

}  // namespace vmmig::fuzz
