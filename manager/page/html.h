// SPDX-License-Identifier: GPL-2.0-or-later
// HTML and SVG in HTML, written in one go: what others say (names, errors) can be any octets and never becomes markup.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace vmmig::page {

/// For text and for attributes in quotes. What is no UTF-8, and what HTML forbids, becomes U+FFFD.
std::string escaped(std::string_view text);

/// At most `most` characters; a longer text has an ellipsis in its middle, since names differ at their ends.
std::string shortened(const std::string& text, std::size_t most);

class Html {
 public:
  struct Attribute {
    std::string_view name;
    std::string value;
  };
  using Attributes = std::initializer_list<Attribute>;

  Html& open(std::string_view tag, Attributes attributes = {});
  Html& close(std::string_view tag);
  /// An element with text alone.
  Html& element(std::string_view tag, std::string_view text, Attributes attributes = {});
  /// One that is never closed, such as meta.
  Html& single(std::string_view tag, Attributes attributes = {}) { return open(tag, attributes); }
  Html& text(std::string_view text);
  /// Markup of our own.
  Html& raw(std::string_view markup);

  const std::string& str() const { return out_; }

 private:
  std::string out_;
};

}  // namespace vmmig::page
