// SPDX-License-Identifier: GPL-2.0-or-later
// Reads TCP windows from connection tracking, which ctnetlink does not tell. Nothing is attached: vmmigd fills `lookups`, which it has mapped, and runs
// the program by BPF_PROG_TEST_RUN, in the network namespace whose connections are meant.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "subagent/bpf/tcp_windows.h"

#define EOPNOTSUPP 95

// Of the kernel's types only what is used: libbpf finds the members in the running kernel's (CO-RE).
struct ip_ct_tcp_state {
  __u32 td_end, td_maxend, td_maxwin, td_maxack;
  __u8 flags;
} __attribute__((preserve_access_index));
struct ip_ct_tcp {
  struct ip_ct_tcp_state seen[2];
  __u8 state;
} __attribute__((preserve_access_index));
union nf_conntrack_proto {
  struct ip_ct_tcp tcp;
} __attribute__((preserve_access_index));
struct nf_ct_ext {
  __u8 offset[1];
} __attribute__((preserve_access_index));
enum nf_ct_ext_id { NF_CT_EXT_ECACHE = 4 };  // another one with another configuration
struct nf_conn {
  __u32 timeout;
  unsigned long status;
  __u32 mark;
  struct nf_ct_ext *ext;
  union nf_conntrack_proto proto;
} __attribute__((preserve_access_index));

// net/netfilter/nf_conntrack_bpf.c; before Linux 6.10 without what follows dir, 12 octets long.
struct bpf_ct_opts {
  __s32 netns_id;
  __s32 error;
  __u8 l4proto;
  __u8 dir;
  __u16 ct_zone_id;
  __u8 ct_zone_dir;
  __u8 reserved[3];
};
extern struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *, struct bpf_sock_tuple *, __u32, struct bpf_ct_opts *, __u32) __ksym;
extern void bpf_ct_release(struct nf_conn *) __ksym;

// Set before loading: how much of bpf_ct_opts this kernel knows.
const volatile __u32 options_size = sizeof(struct bpf_ct_opts);

struct vmmig_lookup lookups[VMMIG_LOOKUPS];
// How many of them are asked.
__u32 wanted = 0;

static void take(struct vmmig_window *window, const struct ip_ct_tcp_state *seen) {
  window->td_end = seen->td_end;
  window->td_maxend = seen->td_maxend;
  window->td_maxwin = seen->td_maxwin;
  window->td_maxack = seen->td_maxack;
  window->flags = seen->flags;
}

// Without the extension (nf_conntrack_events, `ct event set`) an entry never tells ctnetlink what happens to it.
static __u8 has_events(const struct nf_conn *connection) {
  const struct nf_ct_ext *extensions = BPF_CORE_READ(connection, ext);
  __u8 offset = 0;
  if (!extensions || !bpf_core_enum_value_exists(enum nf_ct_ext_id, NF_CT_EXT_ECACHE)) return 0;
  bpf_probe_read_kernel(&offset, sizeof offset,
                        (const __u8 *)extensions + bpf_core_field_offset(extensions->offset) +
                            bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_ECACHE));
  return offset != 0;
}

static void take_rest(struct vmmig_lookup *to, const struct nf_conn *connection) {
  to->status = connection->status;
  to->mark = bpf_core_field_exists(connection->mark) ? connection->mark : 0;
  to->jiffies_left = (__s32)(connection->timeout - (__u32)bpf_jiffies64());
  to->state = connection->proto.tcp.state;
  to->has_events = has_events(connection);
}

static long look_up(__u32 at, void *data) {
  struct xdp_md **context = data;
  if (at >= VMMIG_LOOKUPS) return 1;
  struct vmmig_lookup *each = &lookups[at];
  struct bpf_ct_opts options = {.netns_id = -1, .l4proto = 6 /* TCP */};
  if (options_size > 12) options.ct_zone_id = each->zone;
  // An older kernel would find another zone's.
  if (options_size <= 12 && each->zone) {
    each->error = -EOPNOTSUPP;
    return 0;
  }
  struct bpf_sock_tuple tuple = {};
  __u32 size = sizeof tuple.ipv4;
  if (each->is_ipv6) {
    size = sizeof tuple.ipv6;
    __builtin_memcpy(tuple.ipv6.saddr, each->source, sizeof each->source);
    __builtin_memcpy(tuple.ipv6.daddr, each->destination, sizeof each->destination);
    tuple.ipv6.sport = each->source_port;
    tuple.ipv6.dport = each->destination_port;
  } else {
    tuple.ipv4.saddr = each->source[0];
    tuple.ipv4.daddr = each->destination[0];
    tuple.ipv4.sport = each->source_port;
    tuple.ipv4.dport = each->destination_port;
  }
  struct nf_conn *connection = bpf_xdp_ct_lookup(*context, &tuple, size, &options, options_size);
  each->error = connection ? 0 : options.error;
  if (!connection) return 0;
  each->direction = options.dir;
  take(&each->seen[0], &connection->proto.tcp.seen[0]);
  take(&each->seen[1], &connection->proto.tcp.seen[1]);
  take_rest(each, connection);
  bpf_ct_release(connection);
  return 0;
}

SEC("xdp")
int read_windows(struct xdp_md *context) {
  bpf_loop(wanted, look_up, &context, 0);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
