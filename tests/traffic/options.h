// SPDX-License-Identifier: GPL-2.0-or-later
// The traffic tool's command line.
#pragma once

#include "connection.h"

#include <string>
#include <vector>

namespace traffic {

struct Wanted {  // connections to open
    Kind kind;
    Address peer;
    std::size_t count;
};

struct Options {
    bool server = false;
    std::vector<Address> listen;
    std::vector<Wanted> open;
    std::uint64_t bulk_rate = 4 << 20;  // bytes a second, each connection and direction
    std::uint64_t many_interval_ms = 2000;
    std::uint64_t max_seconds = 300;
    std::uint64_t connect_timeout_seconds = 10;

    std::uint64_t connections() const;
};

Options parse_options(int argc, char **argv);  // throws std::runtime_error; --help ends the program

}  // namespace traffic
