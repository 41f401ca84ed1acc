// SPDX-License-Identifier: GPL-2.0-or-later
// Traffic that notices what happens to it: TCP connections of four kinds, whose content is verified and whose silence is
// measured. The system tests and the demo run it in the client's and in the VM's namespace. One thread, one epoll loop.

#include "connection.h"
#include "options.h"
#include "totals.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <stdexcept>

namespace traffic {

static constexpr Microseconds second = 1000000;
static constexpr std::size_t most_connecting = 256;  // stay below the listener's backlog
static constexpr Microseconds probe_step = 20000;    // how often the answers are counted

[[noreturn]] static void fail_system(const std::string &what) {
    throw std::runtime_error(what + ": " + strerror(errno));
}

class Traffic {
public:
    explicit Traffic(const Options &options);
    int run();  // the exit status

private:
    struct Slot {
        std::unique_ptr<Connection> connection;
        bool watched_for_writing = false;
        bool clocked = false;
    };
    using Alarm = std::pair<Microseconds, std::size_t>;  // time, slot

    // What an event's data says: the index of a slot, or one of these plus an index.
    static constexpr std::uint64_t is_listener = 1ULL << 32, is_stdin = 2ULL << 32, is_signal = 3ULL << 32;

    void watch(int fd, std::uint64_t data, std::uint32_t events, int operation = EPOLL_CTL_ADD);
    void watch_stdin();
    void watch_signals();
    void listen_on(Address address, std::size_t index);
    void plan(const Options &options);
    void open_more();
    void open_one(const Address &peer, const Hello &hello);
    void accept_all(std::size_t listener);
    void add(std::unique_ptr<Connection> connection, std::uint32_t events);
    void event(const epoll_event &event);
    void settle(std::size_t index);
    void check_opening(const Connection &connection, bool was_connecting);
    Microseconds run_clocks();
    Microseconds run_probe();
    void read_commands();
    void command(const std::string &line);
    void start_probe(Microseconds timeout);
    void finish_probe();
    void take_signal();
    std::string totals() const;
    void report(bool connections) const;

    Options options_;
    int epoll_ = -1, signals_ = -1;
    std::vector<int> listeners_;
    std::vector<Slot> slots_;
    std::vector<std::pair<Address, Hello>> to_open_;  // last first
    std::size_t connecting_ = 0;
    bool ready_ = false, quit_ = false;
    std::priority_queue<Alarm, std::vector<Alarm>, std::greater<>> alarms_;
    Microseconds probe_start_ = 0, probe_end_ = 0;  // end 0: no probe
    std::string input_;
    Pattern pattern_;
};

static void say(const std::string &line) {
    std::fputs((line + "\n").c_str(), stdout);
    std::fflush(stdout);
}

static void allow_many_files(std::uint64_t connections) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < connections + 32)
        throw std::runtime_error(std::to_string(connections) + " connections need as many open files, but the limit is " +
                                 std::to_string(limit.rlim_max) + "; raise it with ulimit -Hn");
}

Traffic::Traffic(const Options &options) : options_(options), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    allow_many_files(options.connections());
    watch_signals();
    watch_stdin();
    for (const auto &address : options.listen)
        listen_on(address, listeners_.size());
    plan(options);
}

void Traffic::watch(int fd, std::uint64_t data, std::uint32_t events, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = data;
    if (epoll_ctl(epoll_, operation, fd, &event) < 0)
        fail_system("epoll_ctl");
}

// A file or /dev/null as standard input cannot be watched and needs not be: no commands come from there.
void Traffic::watch_stdin() {
    struct stat status{};
    if (fstat(STDIN_FILENO, &status) == 0 &&
        (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || isatty(STDIN_FILENO)))
        watch(STDIN_FILENO, is_stdin, EPOLLIN);
}

void Traffic::watch_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGUSR1, SIGINT, SIGTERM})
        sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = signalfd(-1, &set, SFD_CLOEXEC);
    watch(signals_, is_signal, EPOLLIN);
}

void Traffic::listen_on(Address address, std::size_t index) {
    int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, address.raw(), address.length) < 0 || listen(fd, 4096) < 0)
        fail_system("cannot listen on " + address.text());
    listeners_.push_back(fd);
    watch(fd, is_listener + index, EPOLLIN);
}

void Traffic::plan(const Options &options) {
    std::mt19937_64 random{std::random_device{}()};
    for (const auto &wanted : options.open)
        for (std::size_t i = 0; i < wanted.count; i++) {
            Hello hello;
            hello.kind = wanted.kind;
            hello.seed = random();
            if (wanted.kind == Kind::bulk) {
                hello.write_size = largest_write;
                hello.interval_us = static_cast<std::uint32_t>(largest_write * second / options.bulk_rate);
            } else if (wanted.kind == Kind::slow)
                hello.interval_us = 10000;
            else if (wanted.kind == Kind::many)
                hello.interval_us = static_cast<std::uint32_t>(options.many_interval_ms * 1000);
            to_open_.emplace_back(wanted.peer, hello);
        }
    std::reverse(to_open_.begin(), to_open_.end());
}

void Traffic::open_more() {
    while (!to_open_.empty() && connecting_ < most_connecting) {
        auto [peer, hello] = to_open_.back();
        to_open_.pop_back();
        open_one(peer, hello);
    }
    if (!ready_ && to_open_.empty() && connecting_ == 0) {
        ready_ = true;
        say("{\"event\":\"ready\",\"connections\":" + std::to_string(slots_.size()) + "}");
    }
}

void Traffic::open_one(const Address &peer, const Hello &hello) {
    int fd = socket(peer.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail_system("socket");
    if (connect(fd, peer.raw(), peer.length) < 0 && errno != EINPROGRESS)
        fail_system("cannot open a connection to " + peer.text());
    connecting_++;
    add(std::make_unique<Connection>(fd, peer, hello), EPOLLIN | EPOLLOUT);
    slots_.back().watched_for_writing = true;
}

void Traffic::accept_all(std::size_t listener) {
    Address peer;
    for (;;) {
        peer.length = sizeof peer.storage;
        int fd = accept4(listeners_.at(listener), peer.raw(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR))
            return;
        if (fd < 0)
            fail_system("accept");
        add(std::make_unique<Connection>(fd, peer), EPOLLIN);
    }
}

void Traffic::add(std::unique_ptr<Connection> connection, std::uint32_t events) {
    watch(connection->fd(), slots_.size(), events);
    slots_.push_back({std::move(connection)});
}

void Traffic::event(const epoll_event &event) {
    if (event.data.u64 == is_signal)
        return take_signal();
    if (event.data.u64 == is_stdin)
        return read_commands();
    if (event.data.u64 >= is_listener)
        return accept_all(event.data.u64 - is_listener);
    Connection &connection = *slots_[event.data.u64].connection;
    bool was_connecting = connection.state() == Connection::State::connecting;
    if (was_connecting || (event.events & EPOLLOUT))
        connection.writable(pattern_);
    if (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        connection.readable(pattern_);
    check_opening(connection, was_connecting);
    settle(event.data.u64);
}

void Traffic::check_opening(const Connection &connection, bool was_connecting) {
    if (!was_connecting || connection.state() == Connection::State::connecting)
        return;
    connecting_--;
    if (connection.state() == Connection::State::ended)
        throw std::runtime_error("cannot open a connection to " + connection.peer().text() + ": " +
                                 connection.reason() + "; is its server running and the path open?");
}

// After anything happened to a connection: watch it for what it now waits for, and start its clock.
void Traffic::settle(std::size_t index) {
    Slot &slot = slots_[index];
    Connection &connection = *slot.connection;
    if (connection.state() == Connection::State::ended)
        return;
    if (connection.wants_to_write() != slot.watched_for_writing) {
        slot.watched_for_writing = !slot.watched_for_writing;
        watch(connection.fd(), index, slot.watched_for_writing ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
    if (!slot.clocked && connection.interval() > 0) {
        slot.clocked = true;  // spread the first writes over one interval
        alarms_.emplace(now() + connection.interval() * static_cast<Microseconds>(index % 1000) / 1000, index);
    }
}

// Returns the time until the next alarm.
Microseconds Traffic::run_clocks() {
    Microseconds time = now();
    while (!alarms_.empty() && alarms_.top().first <= time) {
        auto [due, index] = alarms_.top();
        alarms_.pop();
        Connection &connection = *slots_[index].connection;
        if (connection.state() == Connection::State::ended)
            continue;
        connection.clock(pattern_);
        alarms_.emplace(std::max(due + connection.interval(), time), index);
        settle(index);
    }
    return alarms_.empty() ? second : alarms_.top().first - time;
}

int Traffic::run() {
    Microseconds start = now(), end = start + static_cast<Microseconds>(options_.max_seconds) * second;
    Microseconds connect_end = start + static_cast<Microseconds>(options_.connect_timeout_seconds) * second;
    std::array<epoll_event, 256> events;
    while (!quit_) {
        open_more();
        Microseconds wait = std::min({run_clocks(), run_probe(), second});
        int count = epoll_wait(epoll_, events.data(), events.size(), static_cast<int>((wait + 999) / 1000));
        if (count < 0 && errno != EINTR)
            fail_system("epoll_wait");
        for (int i = 0; i < count; i++)
            event(events[static_cast<std::size_t>(i)]);
        if (!ready_ && now() > connect_end)
            throw std::runtime_error(std::to_string(connecting_ + to_open_.size()) +
                                     " connections did not open before --connect-timeout; is the path open?");
        if (now() > end) {
            std::fprintf(stderr, "traffic: ended by --max-seconds %ju\n", static_cast<std::uintmax_t>(options_.max_seconds));
            return 3;
        }
    }
    return 0;
}

void Traffic::take_signal() {
    signalfd_siginfo info{};
    if (read(signals_, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGUSR1)
        report(true);
    else
        quit_ = true;
}

void Traffic::read_commands() {
    std::array<char, 4096> buffer;
    ssize_t n = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n <= 0) {
        quit_ = true;
        return;
    }
    input_.append(buffer.data(), static_cast<std::size_t>(n));
    for (std::size_t end; (end = input_.find('\n')) != std::string::npos; input_.erase(0, end + 1))
        command(input_.substr(0, end));
}

void Traffic::command(const std::string &line) {
    if (line == "mark") {
        for (auto &slot : slots_)
            slot.connection->mark();
        say("{\"event\":\"mark\"}");
    } else if (line == "status" || line == "summary")
        report(line == "status");
    else if (line == "quit")
        quit_ = true;
    else if (line == "probe" || line.starts_with("probe ")) {
        double seconds = line == "probe" ? 5 : std::atof(line.c_str() + 6);
        if (probe_end_ || seconds <= 0 || seconds > 3600)
            say(std::string("{\"event\":\"error\",\"text\":\"") +
                (probe_end_ ? "a probe is under way" : "probe: say how many seconds, up to 3600") + "\"}");
        else
            start_probe(static_cast<Microseconds>(seconds * second));
    } else
        say("{\"event\":\"error\",\"text\":\"unknown command; say mark, summary, status, probe or quit\"}");
}

void Traffic::start_probe(Microseconds timeout) {
    probe_start_ = now();
    probe_end_ = probe_start_ + timeout;
    for (std::size_t i = 0; i < slots_.size(); i++) {
        slots_[i].connection->probe(pattern_);
        settle(i);
    }
}

// Returns the time until the answers are to be counted again.
Microseconds Traffic::run_probe() {
    if (!probe_end_)
        return second;
    bool all = std::all_of(slots_.begin(), slots_.end(), [](const Slot &slot) {
        const Connection &connection = *slot.connection;
        return !connection.probed() || connection.state() == Connection::State::ended || connection.answered();
    });
    if (!all && now() < probe_end_)
        return probe_step;
    finish_probe();
    return second;
}

void Traffic::finish_probe() {
    std::size_t asked = 0, answered = 0;
    for (auto &slot : slots_) {
        asked += slot.connection->probed();
        answered += slot.connection->probed() && slot.connection->answered();
        slot.connection->end_probe();
    }
    probe_end_ = 0;
    say("{\"event\":\"probe\",\"asked\":" + std::to_string(asked) + ",\"answered\":" + std::to_string(answered) +
        ",\"durationMs\":" + std::to_string((now() - probe_start_) / 1000) + "," + totals() + "}");
}

std::string Traffic::totals() const {
    Totals totals;
    for (const auto &slot : slots_)
        totals.add(*slot.connection);
    return totals.json();
}

void Traffic::report(bool connections) const {
    std::string text = std::string("{\"event\":\"") + (connections ? "status" : "summary") + "\"," + totals();
    if (connections) {
        text += ",\"each\":[";
        for (std::size_t i = 0; i < slots_.size(); i++)
            text += (i ? "," : "") + slots_[i].connection->json();
        text += "]";
    }
    say(text + "}");
}

}  // namespace traffic

int main(int argc, char **argv) {
    try {
        return traffic::Traffic(traffic::parse_options(argc, argv)).run();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "traffic: %s\n", error.what());
        return 1;
    }
}
