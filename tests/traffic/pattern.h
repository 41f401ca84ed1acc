// SPDX-License-Identifier: GPL-2.0-or-later
// The content that every connection carries: bytes that depend on their position in the stream, so that one
// lost, duplicated or changed byte is noticed by the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace traffic {

// Fills a buffer with the bytes of one stream from a position onwards. The buffer is reused from call to call.
class Pattern {
public:
    const std::uint8_t *at(std::uint64_t seed, std::uint64_t position, std::size_t size) {
        std::uint64_t first = position / 8;
        std::size_t skip = position % 8;
        std::size_t count = (skip + size + 7) / 8;
        if (words_.size() < count)
            words_.resize(count);
        for (std::size_t i = 0; i < count; i++)
            words_[i] = word(seed + first + i);
        return reinterpret_cast<const std::uint8_t *>(words_.data()) + skip;
    }

    bool matches(const std::uint8_t *data, std::uint64_t seed, std::uint64_t position, std::size_t size) {
        return std::memcmp(at(seed, position, size), data, size) == 0;
    }

private:
    static std::uint64_t word(std::uint64_t x) {
        x *= 0x9e3779b97f4a7c15ULL;
        return x ^ (x >> 32);
    }

    std::vector<std::uint64_t> words_;
};

}  // namespace traffic
