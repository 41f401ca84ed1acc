// SPDX-License-Identifier: GPL-2.0-or-later
/* What tcp_windows.bpf.c and linux_tcp_windows.cc share: one look-up of a TCP connection in the kernel's connection tracking. */
#ifndef VMMIG_TCP_WINDOWS_H
#define VMMIG_TCP_WINDOWS_H

#include <linux/types.h>

/* So many in one run. */
#define VMMIG_LOOKUPS 512

/* struct ip_ct_tcp_state (include/linux/netfilter/nf_conntrack_tcp.h) of one direction, in host order. */
struct vmmig_window {
  __u32 td_end;
  __u32 td_maxend;
  __u32 td_maxwin;
  __u32 td_maxack;
  __u32 flags;
};

struct vmmig_lookup {
  /* Asked: a tuple of the connection, in network order, but the zone. */
  __u32 source[4];
  __u32 destination[4];
  __u16 source_port;
  __u16 destination_port;
  __u16 zone;
  __u16 is_ipv6;
  /* Answered: 0, or a negative errno; the direction that the tuple is (0: the opener's), and both directions, the opener's first. */
  __s32 error;
  __u32 direction;
  struct vmmig_window seen[2];
  /* Further: IPS_*, the mark, what is left of its life in jiffies (negative: none), TCP_CONNTRACK_*, and whether it can tell of events. */
  __u32 status;
  __u32 mark;
  __s32 jiffies_left;
  __u8 state;
  __u8 has_events;
  __u16 unused;
};

#endif
