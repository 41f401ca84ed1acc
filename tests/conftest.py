# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets the tests import the lab from wherever they are started."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
