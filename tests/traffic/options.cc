// SPDX-License-Identifier: GPL-2.0-or-later
// The traffic tool's command line. See options.h.

#include "options.h"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace traffic {

static const char help[] = R"(usage: traffic server --listen ADDRESS ... [options]
       traffic client [--bulk ADDRESS] [--slow ADDRESS] [--idle ADDRESS] [--many N ADDRESS] ... [options]

ADDRESS is 192.0.2.1:80 or [2001:db8::1]:80. The server needs no more: each connection tells it what it is.
  --bulk   128 KiB writes both ways, up to --bulk-rate
  --slow   64 bytes each 10 ms both ways
  --idle   silent until a probe
  --many   N connections, each of which asks 64 bytes each --many-interval
Options:
  --bulk-rate BYTES        a second, each connection and direction (4194304)
  --many-interval MS       (2000)
  --max-seconds S          ends the program, exit status 3 (300)
  --connect-timeout S      all connections must be open by then (10)

Commands on standard input; each is answered by one line of JSON on standard output:
  mark                     restarts the measurement of silence
  summary                  totals, also for each kind
  status                   the same and each connection; so does SIGUSR1
  probe [SECONDS]          asks every connection, and waits that long (5) for data from and acknowledgement by the peer
  quit                     so does the end of a pipe on standard input
)";

static std::uint64_t number(const std::string &option, const std::string &text, std::uint64_t least,
                            std::uint64_t most) {
    bool digits = !text.empty() && text.size() <= 15 && text.find_first_not_of("0123456789") == std::string::npos;
    std::uint64_t value = digits ? std::stoull(text) : 0;
    if (!digits || value < least || value > most)
        throw std::runtime_error(option + " '" + text + "': not a number from " + std::to_string(least) + " to " +
                                 std::to_string(most));
    return value;
}

std::uint64_t Options::connections() const {
    std::uint64_t sum = 0;
    for (const auto &wanted : open)
        sum += wanted.count;
    return sum;
}

static void parse_option(Options &options, const std::string &option, auto next) {
    if (option == "--listen" && options.server)
        options.listen.push_back(Address::parse(next()));
    else if (option == "--bulk" && !options.server)
        options.open.push_back({Kind::bulk, Address::parse(next()), 1});
    else if (option == "--slow" && !options.server)
        options.open.push_back({Kind::slow, Address::parse(next()), 1});
    else if (option == "--idle" && !options.server)
        options.open.push_back({Kind::idle, Address::parse(next()), 1});
    else if (option == "--many" && !options.server) {
        auto count = number(option, next(), 1, 1000000);
        options.open.push_back({Kind::many, Address::parse(next()), count});
    } else if (option == "--bulk-rate")
        options.bulk_rate = number(option, next(), largest_write, 100 * largest_write * 10);
    else if (option == "--many-interval")
        options.many_interval_ms = number(option, next(), 1, 3600000);
    else if (option == "--max-seconds")
        options.max_seconds = number(option, next(), 1, 86400);
    else if (option == "--connect-timeout")
        options.connect_timeout_seconds = number(option, next(), 1, 3600);
    else
        throw std::runtime_error("'" + option + "' is no option here; see traffic --help");
}

Options parse_options(int argc, char **argv) {
    Options options;
    std::vector<std::string> words(argv + 1, argv + argc);
    if (words.empty() || words[0] == "--help") {
        std::fputs(help, words.empty() ? stderr : stdout);
        std::exit(words.empty() ? 2 : 0);
    }
    if (words[0] != "server" && words[0] != "client")
        throw std::runtime_error("'" + words[0] + "': say server or client; see traffic --help");
    options.server = words[0] == "server";
    for (std::size_t i = 1; i < words.size(); i++) {
        const std::string &option = words[i];
        parse_option(options, option, [&] {
            if (++i >= words.size())
                throw std::runtime_error(option + " lacks a value; see traffic --help");
            return words[i];
        });
    }
    if (options.server ? options.listen.empty() : options.open.empty())
        throw std::runtime_error(options.server ? "a server needs --listen" : "a client needs connections to open");
    return options;
}

}  // namespace traffic
