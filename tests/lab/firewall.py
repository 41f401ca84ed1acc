# SPDX-License-Identifier: GPL-2.0-or-later
"""A strict Linux firewall: what passes it must belong to a connection whose opening it has seen, and fit its window."""

import json
import xml.etree.ElementTree

TABLE = "inet firewall"

# The invalid are dropped ahead of routing, so that also those to the public address are counted. Priority: after NAT (-100),
# and far from the hooks that a subagent uses (below -300 to block, -150 to prime). Management traffic is not tracked.
RULESET = """\
table {table} {{
    counter invalid {{ }}
    counter refused {{ }}
    chain untracked {{
        type filter hook prerouting priority raw; policy accept;
        iifname "mgmt" notrack
    }}
    chain untrackedOut {{
        type filter hook output priority raw; policy accept;
        oifname "mgmt" notrack
    }}
    chain strict {{
        type filter hook prerouting priority filter; policy accept;
        ct state invalid counter name "invalid" drop
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        ct state new tcp flags & (fin | syn | rst | ack) == syn accept
        iifname "vms" ct state new meta l4proto {{ udp, icmp, ipv6-icmp }} accept
        counter name "refused"
    }}
    chain nat {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "clients" ip saddr {vm_net} tcp dport {snat_port} snat to {public}
    }}
}}
"""


class Firewall:
    """The rules and the connection tracking of one firewall's namespace (links: vms, clients, mgmt)."""

    def __init__(self, namespace):
        self.namespace = namespace

    def configure(self, vm_net, snat_port, public):
        self.namespace.run("nft", "-f", "-", text=RULESET.format(table=TABLE, vm_net=vm_net, snat_port=snat_port,
                                                                  public=public))
        self.namespace.sysctl(net__netfilter__nf_conntrack_tcp_loose=0, net__netfilter__nf_conntrack_tcp_be_liberal=0,
                              net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1,
                              net__ipv4__conf__all__send_redirects=0)

    def counter(self, name):
        """Packets that a named counter has seen."""
        objects = json.loads(self.namespace.run("nft", "-j", "list", "counter", *TABLE.split(), name).stdout)["nftables"]
        return next(each["counter"]["packets"] for each in objects if "counter" in each)

    def conntrack_rows(self, addresses):
        """The connections of a VM, as dictionaries: protocol, state, timeout, status, mark, original and reply tuple."""
        rows = []
        for family in ("ipv4", "ipv6"):
            text = self.namespace.run("conntrack", "-L", "-f", family, "-o", "xml", timeout=60).stdout
            # no rows: no document at all
            flows = xml.etree.ElementTree.fromstring(text) if "<" in text else ()
            rows += filter(lambda row: addresses & row["addresses"], map(_row, flows))
        return rows


def _row(flow):
    row = {"status": []}
    for meta in flow.findall("meta"):
        if meta.get("direction") == "independent":
            for each in meta:
                if len(each) == 0 and each.text is None:
                    row["status"].append(each.tag)
                elif len(each) == 0:
                    row[each.tag] = int(each.text) if each.text.isdigit() else each.text
        else:
            row[meta.get("direction")] = _tuple(meta)
    row["protocol"] = row["original"]["protocol"]
    row["addresses"] = {row[way][end] for way in ("original", "reply") for end in ("src", "dst")}
    return row


def _tuple(meta):
    layer3, layer4 = meta.find("layer3"), meta.find("layer4")
    port = lambda name: int(layer4.findtext(name, "0"))
    return {"protocol": layer4.get("protoname"), "src": layer3.findtext("src"), "dst": layer3.findtext("dst"),
            "sport": port("sport"), "dport": port("dport")}
