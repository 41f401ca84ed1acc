// SPDX-License-Identifier: GPL-2.0-or-later
// One TCP connection of the traffic tool: what it sends and when, what it has received, and whether it lives.
#pragma once

#include "pattern.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace traffic {

using Microseconds = std::int64_t;

Microseconds now();

// bulk and slow: both ends send by their own clock. idle and many: the opener asks, the other end answers with
// as many bytes; many asks by a clock, idle only when told to.
enum class Kind : std::uint32_t { bulk, slow, idle, many };

const char *name(Kind kind);

constexpr std::uint32_t largest_write = 128 * 1024;
constexpr std::uint32_t small_write = 64;

// The first bytes that the opener sends: from them the other end knows how to behave. Both ends are this program on one
// machine, so byte order does not matter.
struct Hello {
    static constexpr std::uint32_t right_magic = 0x766d7431;  // "vmt1"
    std::uint32_t magic = right_magic;
    Kind kind = Kind::idle;
    std::uint64_t seed = 0;
    std::uint32_t write_size = small_write;
    std::uint32_t interval_us = 0;  // between two writes; 0: none by the clock

    bool valid() const;
};

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;

    static Address parse(const std::string &text);  // "192.0.2.1:80" or "[2001:db8::1]:80"; throws std::runtime_error
    std::string text() const;
    sockaddr *raw() { return reinterpret_cast<sockaddr *>(&storage); }
    const sockaddr *raw() const { return reinterpret_cast<const sockaddr *>(&storage); }
};

class Connection {
public:
    enum class State { connecting, open, ended };

    Connection(int fd, const Address &peer, const Hello &hello);  // this end opens (the connect is under way)
    Connection(int fd, const Address &peer);                      // this end has accepted
    ~Connection();
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

    // Events. Each may end the connection.
    void readable(Pattern &pattern);
    void writable(Pattern &pattern);
    void clock(Pattern &pattern);  // the interval has passed: one more write is due
    void fail(const std::string &reason);

    // A probe asks for an answer; answered() is true once data came in, and this end's own data was acknowledged.
    void probe(Pattern &pattern);
    bool probed() const { return probe_active_; }
    bool answered() const;
    void end_probe();

    void mark();  // restarts the measurement of silence

    int fd() const { return fd_; }
    State state() const { return state_; }
    bool alive() const { return state_ == State::open && !unanswered_; }
    const std::string &reason() const { return reason_; }
    const Address &peer() const { return peer_; }
    bool wants_to_write() const { return state_ == State::connecting || (state_ == State::open && blocked_); }
    Microseconds interval() const;  // 0: this end does not send by the clock
    Kind kind() const { return greeted_ ? hello_.kind : Kind::idle; }
    std::uint64_t errors() const { return errors_; }
    Microseconds longest_silence() const;
    std::string json() const;

private:
    bool asks_and_answers() const { return hello_.kind == Kind::idle || hello_.kind == Kind::many; }
    void learn_local();
    void send(Pattern &pattern);
    bool receive_hello();
    void received(Pattern &pattern, const std::uint8_t *data, std::size_t size);
    std::uint64_t acknowledged() const;  // bytes that the peer's kernel has acknowledged

    int fd_;
    Address peer_, local_;
    bool opener_;
    State state_;
    bool greeted_;  // the hello has been sent or received
    bool blocked_ = false;
    bool probe_active_ = false;
    bool unanswered_ = false;  // the last probe's deadline passed, and nothing came in since
    Hello hello_;
    std::uint32_t hello_bytes_ = 0;
    std::uint64_t owed_ = 0;  // bytes that are due and not yet written
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t errors_ = 0;
    std::uint64_t probe_received_ = 0;
    std::uint64_t probe_acknowledged_ = 0;
    Microseconds last_received_;
    Microseconds longest_silence_ = 0;
    std::string reason_;  // why it ended, or is thought dead
};

}  // namespace traffic
