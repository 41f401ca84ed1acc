# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is who in the lab: names and addresses. The picture is in topology.py."""

SITES = ("a", "b")
DEVICES = {"fw-a": "10.9.0.11", "fw-b": "10.9.0.12", "host-a": "10.9.0.21", "host-b": "10.9.0.22"}  # management addresses
SWITCHES = {"sw-a": "10.9.0.31", "sw-b": "10.9.0.32"}  # of a Lab(switches=True)
ADDRESSES = {**DEVICES, **SWITCHES}
MANAGER = "10.9.0.1"
NMS = "10.9.0.2"  # of a Lab(watched=True)
VM_UUID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
VM_NAME = "web-1"
VM_MAC, VM4, VM6 = "02:00:00:00:00:05", "10.1.0.5", "fd00:1::5"
VM_ADDRESSES = {VM4, VM6}
VM_NET4, VM_NET6 = "10.1.0.0/24", "fd00:1::/64"
GATEWAY_MAC, GATEWAY4, GATEWAY6 = "02:00:00:00:00:01", "10.1.0.1", "fd00:1::1"
CLIENT4, CLIENT6 = "192.0.2.10", "2001:db8:2::10"
FIREWALL4 = {"a": "192.0.2.2", "b": "192.0.2.3"}  # towards the client
FIREWALL6 = {"a": "2001:db8:2::2", "b": "2001:db8:2::3"}
PUBLIC4 = "203.0.113.10"  # the VM's address outside, for connections that it opens to SNAT_PORT
SNAT_PORT = 7003
