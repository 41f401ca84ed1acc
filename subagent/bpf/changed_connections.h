// SPDX-License-Identifier: GPL-2.0-or-later
/* What changed_connections.bpf.c and linux_changed_connections.cc share: who is followed, and an entry whose packet was seen. Both are keys of hash maps, so
   neither may have a hole. */
#ifndef VMMIG_CHANGED_CONNECTIONS_H
#define VMMIG_CHANGED_CONNECTIONS_H

#include <linux/types.h>

/* An address in network order, the unused octets 0. */
struct vmmig_address {
  __u32 octets[4];
  __u32 is_ipv6;
};

/* struct nf_conntrack_tuple in network order. With ICMP the source's port is the identifier, the destination's type and code. */
struct vmmig_tuple {
  __u32 source[4];
  __u32 destination[4];
  __u16 source_port;
  __u16 destination_port;
};

struct vmmig_changed {
  struct vmmig_tuple original;
  struct vmmig_tuple reply;
  /* Host order; 0: none, or one that holds in the reply's direction alone. */
  __u16 zone;
  __u8 protocol;
  __u8 is_ipv6;
};

#endif
