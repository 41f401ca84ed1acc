// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_tcp_windows.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <iterator>

#include "common/log.h"
#include "subagent/bpf/tcp_windows.h"
#include "subagent/bpf/tcp_windows.skel.h"
#include "subagent/linux_netlink.h"
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

namespace {

// Linux 6.10 made struct bpf_ct_opts longer; each kernel refuses the other's size when it is asked, not when it loads.
constexpr std::uint32_t optionSizes[] = {16, 12};

vmmig_lookup lookupOf(const TcpConnRow& row) {
  auto tuple = tuplesOf(row).original;
  vmmig_lookup lookup{};
  std::memcpy(lookup.source, tuple.source.address.octets.data(), sizeof lookup.source);
  std::memcpy(lookup.destination, tuple.destination.address.octets.data(), sizeof lookup.destination);
  lookup.source_port = htons(tuple.source.port);
  lookup.destination_port = htons(tuple.destination.port);
  lookup.zone = row.zone;
  lookup.is_ipv6 = row.localAddress.type == InetAddressType::ipv6;
  return lookup;
}

/// An entry that netlink has made knows nothing before a packet of each end has come.
bool isKnown(const vmmig_window& window) { return window.td_maxwin != 0 && (window.flags & IP_CT_TCP_FLAG_MAXACK_SET); }

void take(TcpConnRow& row, const vmmig_lookup& answer) {
  bool isOpener = (row.opener == TcpOpener::local) == (answer.direction == 0);
  const auto& local = answer.seen[isOpener ? 0 : 1];
  const auto& rem = answer.seen[isOpener ? 1 : 0];
  row.windowKnown = answer.error == 0 && isKnown(local) && isKnown(rem);
  if (!row.windowKnown) return;
  row.seqNumber = local.td_end;
  row.ackNumber = local.td_maxack;
  row.localMaxEnd = local.td_maxend;
  row.localMaxWindow = local.td_maxwin;
  row.remSeqNumber = rem.td_end;
  row.remAckNumber = rem.td_maxack;
  row.remMaxEnd = rem.td_maxend;
  row.remMaxWindow = rem.td_maxwin;
}

/// The kernel's HZ. Its coarse clocks tell the length of a tick; its configuration is not to be had everywhere.
std::uint32_t ticksPerSecond() {
  timespec tick{};
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0 || tick.tv_nsec <= 0) return 100;
  return static_cast<std::uint32_t>((1'000'000'000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

LinuxTcpWindows::Seen seenIn(const vmmig_lookup& answer) {
  static const std::uint32_t hz = ticksPerSecond();
  if (answer.error != 0) return {};
  auto left = static_cast<std::uint32_t>(std::max(answer.jiffies_left, 0)) / hz;
  auto flagsOf = [&](int direction) { return static_cast<std::uint8_t>(answer.seen[direction].flags); };
  return {true, answer.has_events != 0, answer.status, answer.state, left, answer.mark, {flagsOf(0), flagsOf(1)}};
}

int printToLog(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  char text[512];  // libbpf's words on one thing; more of them helps nobody
  std::vsnprintf(text, sizeof text, format, arguments);
  log::debug(std::string{"libbpf: "} + text);
  return 0;
}

}  // namespace

struct LinuxTcpWindows::Program {
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  explicit Program(tcp_windows* opened) : skeleton(opened) {}
  ~Program() { tcp_windows__destroy(skeleton); }

  static Result<std::unique_ptr<Program>> load(std::uint32_t optionsSize);
  Status run(std::size_t count) const;
  std::span<vmmig_lookup> lookups() const { return skeleton->bss->lookups; }

 private:
  tcp_windows* skeleton;
};

Result<std::unique_ptr<LinuxTcpWindows::Program>> LinuxTcpWindows::Program::load(std::uint32_t optionsSize) {
  libbpf_set_print(printToLog);
  auto* opened = tcp_windows__open();
  if (!opened) return failure("libbpf cannot open the program: " + errnoText(errno));
  auto program = std::make_unique<Program>(opened);
  opened->rodata->options_size = optionsSize;
  if (int error = tcp_windows__load(opened); error != 0)
    return failure("the kernel does not load the BPF program that reads windows: " + errnoText(-error) +
                   (error == -EPERM ? "; vmmigd needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
                                    : "; it needs BTF and bpf_xdp_ct_lookup (Linux 5.18, CONFIG_DEBUG_INFO_BTF)"));
  return program;
}

Status LinuxTcpWindows::Program::run(std::size_t count) const {
  skeleton->bss->wanted = static_cast<std::uint32_t>(count);
  char packet[64] = {};  // that there is one is all that BPF_PROG_TEST_RUN asks
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = packet;
  options.data_size_in = sizeof packet;
  options.repeat = 1;
  if (int error = bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.read_windows), &options); error != 0)
    return failure("the BPF program that reads windows cannot be run: " + errnoText(-error));
  return {};
}

LinuxTcpWindows::LinuxTcpWindows(std::unique_ptr<Program> program) : program_(std::move(program)) {}
LinuxTcpWindows::LinuxTcpWindows(LinuxTcpWindows&&) noexcept = default;
LinuxTcpWindows& LinuxTcpWindows::operator=(LinuxTcpWindows&&) noexcept = default;
LinuxTcpWindows::~LinuxTcpWindows() = default;

Result<LinuxTcpWindows> LinuxTcpWindows::open() {
  for (auto size : optionSizes) {
    auto program = Program::load(size);
    if (!program) return failure(program.error());
    // No connection has port 0.
    (*program)->lookups()[0] = {};
    if (auto ran = (*program)->run(1); !ran) return failure(ran.error());
    if ((*program)->lookups()[0].error != -EINVAL) return LinuxTcpWindows{std::move(*program)};
  }
  return failure("the kernel's bpf_xdp_ct_lookup takes other options than vmmigd knows");
}

Status LinuxTcpWindows::read(std::span<TcpConnRow> rows) {
  auto looked = look(rows);
  return looked ? Status{} : failure(looked.error());
}

Result<std::vector<LinuxTcpWindows::Seen>> LinuxTcpWindows::look(std::span<TcpConnRow> rows) {
  std::vector<Seen> result;
  result.reserve(rows.size());
  for (std::size_t at = 0; at < rows.size(); at += VMMIG_LOOKUPS) {
    auto some = rows.subspan(at, std::min<std::size_t>(rows.size() - at, VMMIG_LOOKUPS));
    auto answers = lookUp(some);
    if (!answers) return failure(answers.error());
    for (std::size_t i = 0; i < some.size(); ++i) take(some[i], (*answers)[i]);
    std::transform(answers->begin(), answers->end(), std::back_inserter(result), seenIn);
  }
  return result;
}

Result<std::span<const vmmig_lookup>> LinuxTcpWindows::lookUp(std::span<const TcpConnRow> rows) {
  auto lookups = program_->lookups();
  std::transform(rows.begin(), rows.end(), lookups.begin(), lookupOf);
  if (auto status = program_->run(rows.size()); !status) return failure(status.error());
  return lookups.first(rows.size());
}

}  // namespace vmmig
