# SPDX-License-Identifier: GPL-2.0-or-later
DEMO_TARGETS += tests/traffic/traffic
EXTRA_DIST += demo/demo.py demo/facts.py demo/kinds.py demo/screen.py demo/trip.py demo/watch.py
