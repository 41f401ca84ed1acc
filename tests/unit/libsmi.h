// SPDX-License-Identifier: GPL-2.0-or-later
// libsmi for C++: its header has a parameter named `class`.
#pragma once

#include <sys/types.h>

#include <climits>
#include <cstdint>
#include <cstdio>
#include <ctime>

#define class class_
extern "C" {
#include <smi.h>
}
#undef class
