// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/digest.h"

#include <openssl/evp.h>

#include <stdexcept>

namespace vmmig {

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

namespace {

/// Fetched once: what EVP_sha256() names is looked up anew for each digest, which costs more than a row's octets.
const EVP_MD* sha256() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || !sha256() || EVP_DigestInit_ex(context_.get(), sha256(), nullptr) != 1)
    throw std::runtime_error("OpenSSL has no SHA-256; check its configuration");
}

void Sha256::update(std::string_view octets) { EVP_DigestUpdate(context_.get(), octets.data(), octets.size()); }

std::string Sha256::finish() {
  std::string digest(32, '\0');
  EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return digest;
}

}  // namespace vmmig
