// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/page/html.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace vmmig::page {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

struct Character {
  char32_t code;
  std::size_t size;
};

/// The character that begins here (RFC 3629), or nothing when it is none.
std::optional<Character> decode(std::string_view text) {
  auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return Character{first, 1};
  std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return std::nullopt;
  char32_t code = first & (0xff >> (size + 1));
  for (std::size_t at = 1; at < size; ++at) {
    auto next = static_cast<unsigned char>(text[at]);
    if ((next & 0xc0) != 0x80) return std::nullopt;
    code = code << 6 | (next & 0x3f);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  bool isSurrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < least[size] || code > 0x10ffff || isSurrogate) return std::nullopt;
  return Character{code, size};
}

/// HTML, section "Preprocessing the input stream": controls and noncharacters are parse errors. And what turns the direction of
/// the text behind it (UAX #9): a name that does so would make other words unreadable, which no element in SVG prevents.
bool isForbidden(char32_t code) {
  bool isControl = (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code <= 0x9f);
  bool isNoncharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe;
  bool turns = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return isControl || isNoncharacter || turns;
}

/// In text a line's end is a space.
bool isInline(std::string_view tag) {
  constexpr std::string_view all[] = {"bdi", "span", "code", "data", "time", "strong", "tspan"};
  return std::find(std::begin(all), std::end(all), tag) != std::end(all);
}

std::string_view entity(char32_t code) {
  switch (code) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return {};
  }
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    auto character = decode(text);
    auto size = character ? character->size : 1;
    if (!character || isForbidden(character->code))
      out += replacement;
    else if (auto known = entity(character->code); !known.empty())
      out += known;
    else
      out += text.substr(0, size);
    text.remove_prefix(size);
  }
  return out;
}

std::string shortened(const std::string& text, std::size_t most) {
  std::vector<std::string_view> characters;
  for (std::string_view rest = text; !rest.empty();) {
    auto character = decode(rest);
    characters.push_back(rest.substr(0, character ? character->size : 1));
    rest.remove_prefix(characters.back().size());
  }
  if (characters.size() <= most) return text;
  auto kept = most > 0 ? most - 1 : 0;
  std::string out;
  for (std::size_t at = 0; at < (kept + 1) / 2; ++at) out += characters[at];
  out += "…";
  for (auto at = characters.size() - kept / 2; at < characters.size(); ++at) out += characters[at];
  return out;
}

Html& Html::open(std::string_view tag, Attributes attributes) {
  out_ += '<';
  out_ += tag;
  for (const auto& attribute : attributes) {
    out_ += ' ';
    out_ += attribute.name;
    out_ += "=\"" + escaped(attribute.value) + '"';
  }
  out_ += '>';
  return *this;
}

Html& Html::close(std::string_view tag) {
  out_ += "</";
  out_ += tag;
  out_ += isInline(tag) ? ">" : ">\n";
  return *this;
}

Html& Html::element(std::string_view tag, std::string_view content, Attributes attributes) {
  return open(tag, attributes).text(content).close(tag);
}

Html& Html::text(std::string_view content) {
  out_ += escaped(content);
  return *this;
}

Html& Html::raw(std::string_view markup) {
  out_ += markup;
  return *this;
}

}  // namespace vmmig::page
