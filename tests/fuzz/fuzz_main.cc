// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a fuzzer without libFuzzer: replays files that are named, or else the seeds and a bounded number of mutations of them.
//   fuzz_X [FILE...]           VMMIG_FUZZ_RUNS mutations (default 100000), from VMMIG_FUZZ_SEED (default 1)
//   fuzz_X --write-seeds DIR
// The input that is under way when the process dies is left in fuzz_X.crash.
#include <signal.h>

#include <fstream>
#include <iterator>
#include <random>
#include <string_view>

#include "tests/fuzz/fuzz_main.h"

namespace {

std::string current;
std::string crashFile;

void onAbort(int) {
  if (FILE* file = std::fopen(crashFile.c_str(), "w")) {
    std::fwrite(current.data(), 1, current.size(), file);
    std::fclose(file);
  }
}

void runOne(std::string input) {
  current = std::move(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(current.data()), current.size());
}

class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  std::string mutate(const std::vector<std::string>& seeds) {
    std::string input = seeds[below(seeds.size())];
    for (std::size_t steps = 1 + below(4); steps > 0; --steps) step(input, seeds);
    return input;
  }

 private:
  std::size_t below(std::size_t size) { return std::uniform_int_distribution<std::size_t>{0, size - 1}(random_); }
  char octet() {
    static constexpr std::string_view interesting{"\x00\x01\x7f\x80\x81\x82\xff\x04\x10", 9};
    return below(2) ? interesting[below(interesting.size())] : static_cast<char>(below(256));
  }

  void step(std::string& input, const std::vector<std::string>& seeds) {
    if (input.empty()) input += octet();
    auto at = below(input.size());
    auto count = 1 + below(std::min<std::size_t>(input.size() - at, 16));
    switch (below(7)) {
      case 0: input[at] = static_cast<char>(input[at] ^ 1 << below(8)); break;
      case 1: input[at] = octet(); break;
      case 2: input.insert(at, 1, octet()); break;
      case 3: input.erase(at, count); break;
      case 4: input.insert(at, input.substr(at, count)); break;
      case 5: input.resize(at); break;
      default: {
        const auto& other = seeds[below(seeds.size())];
        input = input.substr(0, at) + (other.empty() ? "" : other.substr(below(other.size())));
      }
    }
  }

  std::mt19937 random_;
};

std::uint32_t setting(const char* name, std::uint32_t otherwise) {
  const char* text = std::getenv(name);
  return text ? static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10)) : otherwise;
}

int writeSeeds(const std::string& directory) {
  int number = 0;
  for (const auto& seed : vmmig::fuzz::seeds()) {
    std::ofstream out{directory + "/seed-" + std::to_string(number++), std::ios::binary};
    out << seed;
    if (!out.flush()) return std::fprintf(stderr, "cannot write to %s\n", directory.c_str()), 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  crashFile = std::string{argv[0]} + ".crash";
  signal(SIGABRT, onAbort);
  signal(SIGSEGV, [](int number) {
    onAbort(number);
    signal(number, SIG_DFL);
    raise(number);
  });
  if (argc == 3 && std::string_view{argv[1]} == "--write-seeds") return writeSeeds(argv[2]);
  for (int i = 1; i < argc; ++i) {
    std::ifstream in{argv[i], std::ios::binary};
    if (!in) return std::fprintf(stderr, "cannot read %s\n", argv[i]), 1;
    runOne({std::istreambuf_iterator<char>{in}, {}});
  }
  if (argc > 1) return 0;
  auto seeds = vmmig::fuzz::seeds();
  for (const auto& seed : seeds) runOne(seed);
  auto runs = setting("VMMIG_FUZZ_RUNS", 100'000);
  Mutator mutator{setting("VMMIG_FUZZ_SEED", 1)};
  for (std::uint32_t i = 0; i < runs; ++i) runOne(mutator.mutate(seeds));
  std::printf("%zu seeds, %u mutations: nothing found\n", seeds.size(), runs);
}
