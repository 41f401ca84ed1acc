# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: the network, agents and traffic that the demo and the system tests share. See topology.Lab."""
