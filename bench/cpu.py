# SPDX-License-Identifier: GPL-2.0-or-later
"""What following costs the source's vmmigd: percent of one processor, with nothing new, and with 10,000 new connections a second."""

import time

from blackout import Migrations, cpu_ms
from place import Place

ROWS, RATE, SECONDS = 10000, 10000, 5


def _percent_of(pid, work):
    before, begin = cpu_ms(pid), time.monotonic()
    work()
    return (cpu_ms(pid) - before) / (time.monotonic() - begin) / 10


def measure():
    with Place() as place:
        place.open(ROWS)
        migrations = Migrations(place).start()
        migrations.pre_copy()
        source = migrations.agent("a").process.pid
        idle = _percent_of(source, lambda: time.sleep(SECONDS))
        begin = time.monotonic()
        following = _percent_of(source, lambda: place.open(RATE * SECONDS, RATE))
        rate = RATE * SECONDS / (time.monotonic() - begin)
        migrations.hypervisor.go_back()
    return {"idleCpuPercent": idle, "followCpuPercent": following, "followedPerSecond": rate}
