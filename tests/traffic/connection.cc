// SPDX-License-Identifier: GPL-2.0-or-later
// One TCP connection of the traffic tool. See connection.h.

#include "connection.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <stdexcept>
#include <utility>

namespace traffic {

Microseconds now() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

const char *name(Kind kind) {
    constexpr std::array names{"bulk", "slow", "idle", "many"};
    return names.at(static_cast<std::size_t>(kind));
}

bool Hello::valid() const {
    return magic == right_magic && static_cast<std::uint32_t>(kind) <= static_cast<std::uint32_t>(Kind::many) &&
           write_size >= 1 && write_size <= largest_write && (interval_us == 0 || interval_us >= 1000);
}

Address Address::parse(const std::string &text) {
    auto bad = [&](const char *why) {
        return std::runtime_error("'" + text + "': " + why + "; write 192.0.2.1:80 or [2001:db8::1]:80");
    };
    auto colon = text.rfind(':');
    if (colon == std::string::npos)
        throw bad("no port");
    std::string host = text.substr(0, colon), port_text = text.substr(colon + 1);
    bool digits = !port_text.empty() && port_text.size() <= 5 &&
                  port_text.find_first_not_of("0123456789") == std::string::npos;
    int port = digits ? std::stoi(port_text) : 0;
    if (port < 1 || port > 65535)
        throw bad("the port is not 1 to 65535");
    Address address;
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        auto *in6 = reinterpret_cast<sockaddr_in6 *>(&address.storage);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(static_cast<std::uint16_t>(port));
        address.length = sizeof *in6;
        if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &in6->sin6_addr) != 1)
            throw bad("not an IPv6 address");
    } else {
        auto *in = reinterpret_cast<sockaddr_in *>(&address.storage);
        in->sin_family = AF_INET;
        in->sin_port = htons(static_cast<std::uint16_t>(port));
        address.length = sizeof *in;
        if (inet_pton(AF_INET, host.c_str(), &in->sin_addr) != 1)
            throw bad("not an IPv4 address");
    }
    return address;
}

std::string Address::text() const {
    char host[INET6_ADDRSTRLEN] = "";
    if (storage.ss_family == AF_INET6) {
        const auto *in6 = reinterpret_cast<const sockaddr_in6 *>(&storage);
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        return "[" + std::string(host) + "]:" + std::to_string(ntohs(in6->sin6_port));
    }
    const auto *in = reinterpret_cast<const sockaddr_in *>(&storage);
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    return std::string(host) + ":" + std::to_string(ntohs(in->sin_port));
}

static void set_no_delay(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Connection::Connection(int fd, const Address &peer, const Hello &hello)
    : fd_(fd), peer_(peer), opener_(true), state_(State::connecting), greeted_(false), hello_(hello),
      last_received_(now()) {
    set_no_delay(fd);
}

Connection::Connection(int fd, const Address &peer)
    : fd_(fd), peer_(peer), opener_(false), state_(State::open), greeted_(false), last_received_(now()) {
    set_no_delay(fd);
    learn_local();
}

Connection::~Connection() {
    if (fd_ >= 0)
        close(fd_);
}

// The opener's local address is known once its connect has finished.
void Connection::learn_local() {
    local_.length = sizeof local_.storage;
    getsockname(fd_, local_.raw(), &local_.length);
}

void Connection::fail(const std::string &reason) {
    if (state_ == State::ended)
        return;
    longest_silence_ = longest_silence();
    state_ = State::ended;
    reason_ = reason;
    close(std::exchange(fd_, -1));
}

// An opener whose connect has finished says hello; its 24 bytes always fit into an empty send buffer.
void Connection::writable(Pattern &pattern) {
    if (state_ == State::connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error)
            return fail(std::string("connect: ") + strerror(error));
        state_ = State::open;
        learn_local();
        if (::send(fd_, &hello_, sizeof hello_, MSG_NOSIGNAL) != sizeof hello_)
            return fail(std::string("hello: ") + strerror(errno));
        greeted_ = true;
        last_received_ = now();
    }
    send(pattern);
}

void Connection::send(Pattern &pattern) {
    blocked_ = false;
    while (state_ == State::open && owed_ > 0) {
        std::size_t size = std::min<std::uint64_t>(owed_, largest_write);
        const auto *data = pattern.at(hello_.seed + (opener_ ? 0 : 1ULL << 62), sent_, size);
        ssize_t n = ::send(fd_, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
            blocked_ = true;
            return;
        }
        if (n < 0)
            return fail(std::string("send: ") + strerror(errno));
        sent_ += static_cast<std::uint64_t>(n);
        owed_ -= static_cast<std::uint64_t>(n);
    }
}

void Connection::clock(Pattern &pattern) {
    if (owed_ > 0)
        return;  // the last write has not gone out yet: do not pile up
    owed_ = hello_.write_size;
    send(pattern);
}

bool Connection::receive_hello() {
    auto *bytes = reinterpret_cast<std::uint8_t *>(&hello_);
    ssize_t n = recv(fd_, bytes + hello_bytes_, sizeof hello_ - hello_bytes_, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            fail(n == 0 ? "closed by the peer before its hello" : std::string("receive: ") + strerror(errno));
        return false;
    }
    hello_bytes_ += static_cast<std::uint32_t>(n);
    if (hello_bytes_ < sizeof hello_)
        return false;
    if (!hello_.valid()) {
        fail("the peer is not a traffic client: wrong hello");
        return false;
    }
    return greeted_ = true;
}

void Connection::readable(Pattern &pattern) {
    static std::array<std::uint8_t, largest_write> buffer;
    if (state_ != State::open || (!greeted_ && !receive_hello()))
        return;
    ssize_t n = recv(fd_, buffer.data(), buffer.size(), 0);
    if (n > 0)
        received(pattern, buffer.data(), static_cast<std::size_t>(n));
    else if (n == 0)
        fail("closed by the peer");
    else if (errno != EAGAIN && errno != EINTR)
        fail(std::string("receive: ") + strerror(errno));
}

void Connection::received(Pattern &pattern, const std::uint8_t *data, std::size_t size) {
    Microseconds time = now();
    longest_silence_ = std::max(longest_silence_, time - last_received_);
    last_received_ = time;
    if (std::exchange(unanswered_, false))
        reason_.clear();
    if (!pattern.matches(data, hello_.seed + (opener_ ? 1ULL << 62 : 0), received_, size))
        errors_++;
    received_ += size;
    if (asks_and_answers() && !opener_) {
        owed_ += size;
        send(pattern);
    }
}

std::uint64_t Connection::acknowledged() const {
    int unacknowledged = 0;
    if (fd_ < 0 || ioctl(fd_, SIOCOUTQ, &unacknowledged) < 0)
        return 0;
    std::uint64_t written = sent_ + (opener_ ? sizeof(Hello) : 0);
    return written - std::min<std::uint64_t>(written, static_cast<std::uint64_t>(unacknowledged));
}

// Asking needs someone who answers: an acceptor's idle and many connections are judged by their opener.
void Connection::probe(Pattern &pattern) {
    probe_active_ = opener_ || !asks_and_answers();
    probe_received_ = received_;
    probe_acknowledged_ = acknowledged();
    if (probe_active_ && state_ == State::open && asks_and_answers())
        clock(pattern);
}

bool Connection::answered() const {
    return state_ == State::open && received_ > probe_received_ && acknowledged() > probe_acknowledged_;
}

void Connection::end_probe() {
    bool dead = std::exchange(probe_active_, false) && !answered();
    if (dead && state_ == State::open) {
        unanswered_ = true;
        reason_ = "no answer to the probe";
    }
}

void Connection::mark() {
    last_received_ = now();
    longest_silence_ = 0;
}

Microseconds Connection::interval() const {
    bool by_clock = state_ == State::open && greeted_ && (opener_ || !asks_and_answers());
    return by_clock ? hello_.interval_us : 0;
}

Microseconds Connection::longest_silence() const {
    return state_ == State::ended ? longest_silence_ : std::max(longest_silence_, now() - last_received_);
}

// No text in it needs escaping: addresses, strerror() and our own words.
std::string Connection::json() const {
    auto number = [](auto value) { return std::to_string(value); };
    return std::string("{\"kind\":\"") + (greeted_ ? name(hello_.kind) : "unknown") + "\",\"local\":\"" + local_.text() +
           "\",\"peer\":\"" + peer_.text() +
           "\",\"opener\":" + (opener_ ? "true" : "false") +
           ",\"alive\":" + (alive() ? "true" : "false") + ",\"reason\":\"" + reason_ +
           "\",\"sentBytes\":" + number(sent_) + ",\"receivedBytes\":" + number(received_) +
           ",\"longestSilenceMs\":" + number(longest_silence() / 1000) +
           ",\"verificationErrors\":" + number(errors_) + "}";
}

}  // namespace traffic
