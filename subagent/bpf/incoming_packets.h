// SPDX-License-Identifier: GPL-2.0-or-later
/* What incoming_packets.bpf.c and linux_incoming_packets.cc share: the packets of one run. */
#ifndef VMMIG_INCOMING_PACKETS_H
#define VMMIG_INCOMING_PACKETS_H

#include <linux/types.h>

/* So many in one run. */
#define VMMIG_PACKETS 1024
/* An IPv6 header (RFC 8200) and one of TCP (RFC 9293). IPv4's is shorter: its length is in the header. */
#define VMMIG_PACKET_OCTETS 60

struct vmmig_packet {
  __u8 octets[VMMIG_PACKET_OCTETS];
  __u16 ether_type; /* in network order */
  __u16 unused;
};

#endif
