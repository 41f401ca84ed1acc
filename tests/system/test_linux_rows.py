# SPDX-License-Identifier: GPL-2.0-or-later
"""A connection that is written by hand, with stock snmpset alone, is real in the firewall's kernel."""

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab import ctnetlink, stock  # noqa: E402
from lab.topology import CLIENT4, PUBLIC4, SNAT_PORT, VM4, VM6, VM_ADDRESSES  # noqa: E402
from lab.vmmig import Vmmig  # noqa: E402

IPS_SEEN_REPLY, IPS_ASSURED, IPS_SRC_NAT, IPS_FIXED_TIMEOUT = 1 << 1, 1 << 2, 1 << 4, 1 << 10


@pytest.fixture
def vmmig(lab):
    """The firewall b with its vmmigd, which knows the VM."""
    vmmig = Vmmig(lab)
    vmmig.agents["fw-b"].start().wait_ready()
    stock.introduce_vm(lab, "fw-b", VM_ADDRESSES)
    return vmmig


def test_every_attribute_of_a_row_is_visible_in_the_kernel(lab, vmmig):
    index = stock.connection_index((VM4, 40001), (CLIENT4, 443), zone=7)
    labels = "81" + 14 * "00" + "01"
    stock.set_row(
        lab, "fw-b", index, vmMigTcpConnState=("i", "closeWait"), vmMigTcpConnTimeout=("u", 1234),
        vmMigTcpConnOpener=("i", "local"), vmMigTcpConnStatus=("b", "0 1 2"), vmMigTcpConnLocalWindowScale=("u", 7),
        vmMigTcpConnRemWindowScale=("u", 9), vmMigTcpConnLocalFlags=("b", "0 1"), vmMigTcpConnRemFlags=("b", "0 1 3"),
        vmMigTcpConnNatLocalAddressType=("i", "ipv4"), vmMigTcpConnNatLocalAddress=("x", "CB00710A"),
        vmMigTcpConnNatLocalPort=("u", 50001), vmMigTcpConnLocalSeqAdjPos=("u", 4000000000),
        vmMigTcpConnLocalSeqAdjBefore=("i", -3), vmMigTcpConnLocalSeqAdjAfter=("i", 5), vmMigTcpConnRemSeqAdjPos=("u", 17),
        vmMigTcpConnRemSeqAdjBefore=("i", 1), vmMigTcpConnRemSeqAdjAfter=("i", -2), vmMigTcpConnMark=("u", 0xdeadbeef),
        vmMigTcpConnLabels=("x", labels), vmMigTcpConnRowStatus=("i", "createAndGo"))

    text = lab.ns["fw-b"].run("conntrack", "-L", "-p", "tcp", "-o", "extended,labels").stdout
    for word in ("CLOSE_WAIT", f"src={VM4} dst={CLIENT4} sport=40001 dport=443",
                 f"src={CLIENT4} dst={PUBLIC4} sport=443 dport=50001", "[ASSURED]", f"mark={0xdeadbeef}", "zone=7"):
        assert word in text, text
    row, = ctnetlink.rows(lab.ns["fw-b"])
    assert row["state"] == "CLOSE_WAIT" and 1224 <= row["timeout"] <= 1234 and row["zone"] == 7
    wanted = IPS_SEEN_REPLY | IPS_ASSURED | IPS_SRC_NAT | IPS_FIXED_TIMEOUT
    assert row["status"] & wanted == wanted
    assert (row["wscaleOriginal"], row["wscaleReply"]) == (7, 9)
    # beLiberal is set both ways until the kernel has learned the window; who reads the row sees what was written.
    assert row["flagsOriginal"] & 0x07 == row["flagsReply"] & 0x07 == 0x03
    shown, = vmmig.show("fw-b", "tcpconn")
    assert shown["vmMigTcpConnLocalFlags"] == ["windowScale", "sackPerm"]
    assert shown["vmMigTcpConnRemFlags"] == ["windowScale", "sackPerm", "beLiberal"]
    assert row["mark"] == 0xdeadbeef and row["labels"] == labels
    assert row["seqAdjOriginal"] == {"correctionPos": 4000000000, "offsetBefore": -3, "offsetAfter": 5}
    assert row["seqAdjReply"] == {"correctionPos": 17, "offsetBefore": 1, "offsetAfter": -2}


def written_by_hand(lab, row):
    """Create on b, with one snmpset, what firewall a had of a connection."""
    by_vm = row["original"]["src"] in VM_ADDRESSES
    local, rem = ((row["original"]["src"], row["original"]["sport"]), (row["original"]["dst"], row["original"]["dport"]))
    local, rem = (local, rem) if by_vm else (rem, local)
    ways = ("Original", "Reply") if by_vm else ("Reply", "Original")
    columns = {"vmMigTcpConnState": ("i", "established"), "vmMigTcpConnTimeout": ("u", 300),
               "vmMigTcpConnOpener": ("i", "local" if by_vm else "remote"), "vmMigTcpConnStatus": ("b", "0 1")}
    for end, way in zip(("Local", "Rem"), ways):
        columns[f"vmMigTcpConn{end}WindowScale"] = ("u", row[f"wscale{way}"])
        columns[f"vmMigTcpConn{end}Flags"] = ("b", " ".join(str(bit) for bit in range(4) if row[f"flags{way}"] >> bit & 1))
    if row["reply"]["dst"] == PUBLIC4:
        columns |= {"vmMigTcpConnNatLocalAddressType": ("i", "ipv4"), "vmMigTcpConnNatLocalAddress": ("x", "CB00710A"),
                    "vmMigTcpConnNatLocalPort": ("u", row["reply"]["dport"])}
    stock.set_row(lab, "fw-b", stock.connection_index(local, rem), **columns, vmMigTcpConnRowStatus=("i", "createAndGo"))


@pytest.mark.parametrize("kind", ["--bulk", "--slow"])
@pytest.mark.parametrize("server, address, client", [
    pytest.param("vm", f"{VM4}:7001", "client", id="IPv4"),
    pytest.param("vm", f"[{VM6}]:7001", "client", id="IPv6"),
    pytest.param("client", f"{CLIENT4}:{SNAT_PORT}", "vm", id="SNAT"),
])
def test_a_real_mid_stream_packet_passes_that_was_dropped_before(lab, vmmig, kind, server, address, client):
    lab.traffic(server, "server", "--listen", address)
    connection = lab.traffic(client, "client", kind, address)
    row, = ctnetlink.rows(lab.ns["fw-a"])
    lab.migrate("b")
    assert connection.probe(1)["answered"] == 0
    dropped = lab.invalid_packets("b")
    assert dropped > 0

    written_by_hand(lab, row)
    answer = connection.probe(5)
    assert answer["answered"] == 1 and answer["verificationErrors"] == 0, lab.ns["fw-b"].run("conntrack", "-L").stdout
    assert len(lab.conntrack_rows("b")) == 1


def test_a_row_that_is_destroyed_is_gone_from_the_kernel(lab, vmmig):
    index = stock.connection_index((VM6, 22), ("2001:db8:2::10", 40000))
    stock.set_row(lab, "fw-b", index, vmMigTcpConnState=("i", "established"), vmMigTcpConnTimeout=("u", 60),
                  vmMigTcpConnOpener=("i", "remote"), vmMigTcpConnRowStatus=("i", "createAndGo"))
    assert [row["original"]["dport"] for row in ctnetlink.rows(lab.ns["fw-b"])] == [22]
    stock.set_row(lab, "fw-b", index, vmMigTcpConnRowStatus=("i", "destroy"))
    assert ctnetlink.rows(lab.ns["fw-b"]) == []
