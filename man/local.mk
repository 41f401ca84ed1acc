# SPDX-License-Identifier: GPL-2.0-or-later
dist_man_MANS += man/check_vmmig.8 man/vm-migration.7 man/vmmig.1 man/vmmig.conf.5 man/vmmigd.8 man/vmmigd.conf.5
