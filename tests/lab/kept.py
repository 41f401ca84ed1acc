# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes long to fetch or to make is kept in $VMMIG_BUILDDIR, a directory a thing."""

import contextlib
import fcntl
import os

from .privilege import LabError

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def directory(name):
    path = os.path.join(os.environ.get("VMMIG_BUILDDIR") or os.path.join(TOP, "build"), name)
    os.makedirs(path, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(path, what):
    """Two tests that begin at the same time make it once. Who may only read finds what others have made. what: for people."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    except PermissionError as error:
        raise LabError(f"{what} cannot be made: {error}; build in a directory of your own (VMMIG_BUILDDIR)") from None
    finally:
        os.close(descriptor)
