// SPDX-License-Identifier: GPL-2.0-or-later
// Sums over many connections, over all and for each kind, as the members of a JSON object.
#pragma once

#include "connection.h"

#include <algorithm>
#include <array>
#include <string>

namespace traffic {

class Totals {
public:
    void add(const Connection &connection) {
        sum_.add(connection);
        kinds_.at(static_cast<std::size_t>(connection.kind())).add(connection);
    }

    std::string json() const {
        std::string text = sum_.json() + ",\"kinds\":{";
        for (std::size_t i = 0; i < kinds_.size(); i++)
            text += std::string(i ? "," : "") + "\"" + name(static_cast<Kind>(i)) + "\":{" + kinds_[i].json() + "}";
        return text + "}";
    }

private:
    struct Sum {
        std::size_t all = 0, alive = 0;
        std::uint64_t errors = 0;
        Microseconds silence = 0;

        void add(const Connection &connection) {
            all++;
            alive += connection.alive();
            errors += connection.errors();
            silence = std::max(silence, connection.longest_silence());
        }

        std::string json() const {
            return "\"connections\":" + std::to_string(all) + ",\"alive\":" + std::to_string(alive) +
                   ",\"dead\":" + std::to_string(all - alive) + ",\"verificationErrors\":" + std::to_string(errors) +
                   ",\"longestSilenceMs\":" + std::to_string(silence / 1000);
        }
    };

    Sum sum_;
    std::array<Sum, 4> kinds_;
};

}  // namespace traffic
