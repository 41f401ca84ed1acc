// SPDX-License-Identifier: GPL-2.0-or-later
// Notes the entries of connection tracking whose packets come by, when one of their addresses is followed; and lets only the events of such entries through
// to a ctnetlink socket. vmmigd attaches the one by netfilter links, the other by SO_ATTACH_BPF.
//
// Connection tracking changes an entry at priority -200 of the hooks PRE_ROUTING and LOCAL_OUT: `of_known` stands right behind, at -199. A connection's first
// packet is different: its entry is translated later, and enters the table at the very end of POST_ROUTING or LOCAL_IN, where `of_new` stands right before.
// So each packet that changes the table is noted once; one that runs through a loopback, twice.
#include <linux/bpf.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "subagent/bpf/changed_connections.h"

// Of the kernel's types only what is used: libbpf finds the members in the running kernel's (CO-RE), also when connection tracking is a module.
union nf_inet_addr {
  __u32 all[4];
};
union nf_conntrack_man_proto {
  __be16 all;
} __attribute__((preserve_access_index));
struct nf_conntrack_man {
  union nf_inet_addr u3;
  union nf_conntrack_man_proto u;
  __u16 l3num;
} __attribute__((preserve_access_index));
struct nf_conntrack_tuple {
  struct nf_conntrack_man src;
  struct {
    union nf_inet_addr u3;
    union {
      __be16 all;
    } u;
    __u8 protonum;
  } dst;
} __attribute__((preserve_access_index));
struct nf_conntrack_tuple_hash {
  struct nf_conntrack_tuple tuple;
} __attribute__((preserve_access_index));
struct nf_conntrack_zone {
  __u16 id;
  __u8 dir;
} __attribute__((preserve_access_index));
struct nf_conn {
  struct nf_conntrack_zone zone;
  struct nf_conntrack_tuple_hash tuplehash[2];
  unsigned long status;
} __attribute__((preserve_access_index));
struct sk_buff {
  unsigned long _nfct;
} __attribute__((preserve_access_index));
struct net_device {
  int ifindex;
} __attribute__((preserve_access_index));
struct nf_hook_state {
  struct net_device *in;
} __attribute__((preserve_access_index));
// include/linux/netfilter/bpf_link: the context of a program of the type netfilter.
struct bpf_nf_ctx {
  struct nf_hook_state *state;
  struct sk_buff *skb;
};

#define AF_INET6 10
#define EEXIST 17
#define NF_ACCEPT 1
#define NFCT_PTRMASK (~7ul)
#define ORIGINAL 0
#define REPLY 1

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 16384);
  __type(key, struct vmmig_address);
  __type(value, __u8);
} followed SEC(".maps");

// Allocated beforehand, so that noting fails only when the map is full. vmmigd sets how large it is.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct vmmig_changed);
  __type(value, __u8);
} changed SEC(".maps");

// Something was noted since vmmigd last looked: walking through an empty map takes a millisecond.
__u32 noted = 0;
// An entry could not be noted.
__u32 overflow = 0;
// The interface whose packets are vmmigd's own; 0: none.
int own_interface = 0;

static int is_followed(const __u32 *octets, __u32 is_ipv6) {
  struct vmmig_address address = {.is_ipv6 = is_ipv6};
  __builtin_memcpy(address.octets, octets, sizeof address.octets);
  return bpf_map_lookup_elem(&followed, &address) != 0;
}

static int is_same(const __u32 *one, const __u32 *other) {
  return one[0] == other[0] && one[1] == other[1] && one[2] == other[2] && one[3] == other[3];
}

static int is_wanted(const struct vmmig_changed *entry) {
  const struct vmmig_tuple *original = &entry->original, *reply = &entry->reply;
  if (is_followed(original->source, entry->is_ipv6) || is_followed(original->destination, entry->is_ipv6)) return 1;
  // Without translation the reply has the same ones.
  if (!is_same(reply->source, original->destination) && is_followed(reply->source, entry->is_ipv6)) return 1;
  return !is_same(reply->destination, original->source) && is_followed(reply->destination, entry->is_ipv6);
}

static void copy_address(__u32 *to, const void *from) {
  const __u32 *octets = from;
  to[0] = octets[0], to[1] = octets[1], to[2] = octets[2], to[3] = octets[3];
}

// Reads one of a connection's tuples at once, which costs half of reading its members one by one, and finds them in it.
struct tuple_octets {
  __u8 octets[64];
} __attribute__((aligned(8)));
#define READ(whole, from) bpf_core_read((whole)->octets, bpf_core_type_size(struct nf_conntrack_tuple), from)
#define MEMBER(whole, member) ((const void *)((whole)->octets + bpf_core_field_offset(struct nf_conntrack_tuple, member)))

static void copy_tuple(struct vmmig_tuple *to, const struct tuple_octets *from) {
  copy_address(to->source, MEMBER(from, src.u3));
  copy_address(to->destination, MEMBER(from, dst.u3));
  to->source_port = *(const __u16 *)MEMBER(from, src.u.all);
  to->destination_port = *(const __u16 *)MEMBER(from, dst.u.all);
}

static __u16 zone_of(const struct nf_conn *connection) {
  if (!bpf_core_field_exists(connection->zone)) return 0;
  __u16 id = BPF_CORE_READ(connection, zone.id);
  return id && BPF_CORE_READ(connection, zone.dir) & (1 << ORIGINAL) ? id : 0;
}

static int note(const struct bpf_nf_ctx *context, unsigned long confirmed) {
  const struct nf_conn *connection = (const struct nf_conn *)(context->skb->_nfct & NFCT_PTRMASK);
  if (!connection) return NF_ACCEPT;
  unsigned long status = BPF_CORE_READ(connection, status);
  if ((status & IPS_CONFIRMED) != confirmed || status & IPS_TEMPLATE) return NF_ACCEPT;
  struct vmmig_changed entry = {};
  struct tuple_octets original, reply;
  READ(&original, &connection->tuplehash[ORIGINAL].tuple);
  READ(&reply, &connection->tuplehash[REPLY].tuple);
  copy_tuple(&entry.original, &original);
  copy_tuple(&entry.reply, &reply);
  entry.is_ipv6 = *(const __u16 *)MEMBER(&original, src.l3num) == AF_INET6;
  entry.protocol = *(const __u8 *)MEMBER(&original, dst.protonum);
  if (!is_wanted(&entry)) return NF_ACCEPT;
  entry.zone = zone_of(connection);
  __u8 is_there = 1;
  // No look-up of its own first: that would not lock, and might still see what is being taken out at this moment.
  long error = bpf_map_update_elem(&changed, &entry, &is_there, BPF_NOEXIST);
  if (error && error != -EEXIST) overflow = 1;
  // Behind it, or vmmigd could take the news and not see the entry.
  noted = 1;
  return NF_ACCEPT;
}

static int is_own(const struct bpf_nf_ctx *context) {
  if (!own_interface) return 0;
  const struct net_device *in = BPF_CORE_READ(context->state, in);
  return in && BPF_CORE_READ(in, ifindex) == own_interface;
}

SEC("netfilter")
int of_known(struct bpf_nf_ctx *context) { return is_own(context) ? NF_ACCEPT : note(context, IPS_CONFIRMED); }

SEC("netfilter")
int of_new(struct bpf_nf_ctx *context) { return note(context, 0); }

// CTA_TUPLE_ORIG or CTA_TUPLE_REPLY as ctnetlink has always begun an event.
struct tuple_head {
  struct nlattr tuple, ip, source;
};
struct ipv4_addresses {
  __u32 source;
  struct nlattr head;
  __u32 destination;
};
struct ipv6_addresses {
  __u32 source[4];
  struct nlattr head;
  __u32 destination[4];
};

enum { none, one, different };

static int is_attribute(const struct nlattr *attribute, __u16 type, __u16 size) {
  return (attribute->nla_type & NLA_TYPE_MASK) == type && attribute->nla_len == NLA_HDRLEN + size;
}

static int of_ipv4(struct __sk_buff *message, __u32 at) {
  struct ipv4_addresses found;
  if (bpf_skb_load_bytes(message, at, &found, sizeof found)) return different;
  if (!is_attribute(&found.head, CTA_IP_V4_DST, 4)) return different;
  __u32 source[4] = {found.source}, destination[4] = {found.destination};
  return is_followed(source, 0) || is_followed(destination, 0) ? one : none;
}

static int of_ipv6(struct __sk_buff *message, __u32 at) {
  struct ipv6_addresses found;
  if (bpf_skb_load_bytes(message, at, &found, sizeof found)) return different;
  if (!is_attribute(&found.head, CTA_IP_V6_DST, 16)) return different;
  return is_followed(found.source, 1) || is_followed(found.destination, 1) ? one : none;
}

// Is one of the tuple's addresses followed? *at: where it begins; then, where the next attribute does.
static int of_tuple(struct __sk_buff *message, __u32 *at, __u16 type) {
  struct tuple_head head;
  __u32 addresses = *at + sizeof head;
  if (bpf_skb_load_bytes(message, *at, &head, sizeof head)) return different;
  if ((head.tuple.nla_type & NLA_TYPE_MASK) != type) return different;
  *at += NLA_ALIGN((__u32)head.tuple.nla_len);
  if (is_attribute(&head.ip, CTA_TUPLE_IP, 16) && is_attribute(&head.source, CTA_IP_V4_SRC, 4)) return of_ipv4(message, addresses);
  if (is_attribute(&head.ip, CTA_TUPLE_IP, 40) && is_attribute(&head.source, CTA_IP_V6_SRC, 16)) return of_ipv6(message, addresses);
  return different;
}

static int is_event(struct __sk_buff *message) {
  struct nlmsghdr header;
  if (bpf_skb_load_bytes(message, 0, &header, sizeof header)) return 0;
  if (NLMSG_ALIGN(header.nlmsg_len) < message->len) return 0;  // another one follows
  return header.nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
         header.nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE);
}

SEC("socket")
int events_of_followed(struct __sk_buff *message) {
  __u32 at = NLMSG_HDRLEN + sizeof(struct nfgenmsg);
  if (!is_event(message)) return -1;
  // What looks different is vmmigd's to read.
  if (of_tuple(message, &at, CTA_TUPLE_ORIG) != none || of_tuple(message, &at, CTA_TUPLE_REPLY) != none) return -1;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
