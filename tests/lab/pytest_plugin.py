# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab in pytest: starts pytest anew in namespaces of its own when not root, offers the fixture, reports logs on failure."""

import pytest

from . import privilege
from .topology import Lab


def pytest_configure(config):
    """Give the real standard output back before pytest is executed again, or everything would be lost in the capture."""
    capture = config.pluginmanager.getplugin("capturemanager")
    privilege.enter(before_exec=lambda: capture and capture.stop_global_capturing())


@pytest.fixture
def lab(request):
    """A network of its own for one test, with one snmpd per device."""
    with Lab() as network:
        request.node.lab = network
        yield network


@pytest.fixture
def switched_lab(request):
    """The same with an access switch between each host and its firewall."""
    with Lab(switches=True) as network:
        request.node.lab = network
        yield network


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed and hasattr(item, "lab"):
        report.sections.append(("logs of the lab", item.lab.processes.logs()))
