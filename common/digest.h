// SPDX-License-Identifier: GPL-2.0-or-later
// SHA-256 (FIPS 180-4) over canonical octets, by OpenSSL.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace vmmig {

/// Feed octets, then ask once for the 32 octets of the digest.
class Sha256 {
 public:
  Sha256();
  void update(std::string_view octets);
  std::string finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace vmmig
