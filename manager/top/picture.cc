// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/top/picture.h"

#include <algorithm>
#include <cwchar>

namespace vmmig::top {

namespace {

struct Glyph {
  std::string text;
  std::size_t cells;
};

/// What turns the direction of the text behind it (UAX #9), as some terminals do.
bool turns(wchar_t wide) { return (wide >= 0x202a && wide <= 0x202e) || (wide >= 0x2066 && wide <= 0x2069); }

/// The text, character by character, with '?' for what is none, or would do something to a terminal.
std::vector<Glyph> glyphsOf(const std::string& text) {
  std::vector<Glyph> glyphs;
  std::mbstate_t state{};
  for (std::size_t at = 0; at < text.size();) {
    wchar_t wide = 0;
    auto size = std::mbrtowc(&wide, text.data() + at, text.size() - at, &state);
    bool isText = size != 0 && size <= text.size() - at;
    int cells = isText && !turns(wide) ? ::wcwidth(wide) : -1;
    if (!isText) {
      state = {};
      size = 1;
    }
    glyphs.push_back(cells < 0 ? Glyph{"?", 1} : Glyph{text.substr(at, size), static_cast<std::size_t>(cells)});
    at += size;
  }
  return glyphs;
}

const std::string& ellipsis() {
  static const std::string dots = "…", plain = "~";
  return glyphsOf(dots).size() == 1 && glyphsOf(dots)[0].text == dots ? dots : plain;
}

constexpr std::size_t gap = 2;

}  // namespace

std::string plainText(const Line& line) {
  std::string text;
  for (const auto& run : line) text += run.text;
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::size_t cellsOf(const std::string& text) {
  std::size_t cells = 0;
  for (const auto& glyph : glyphsOf(text)) cells += glyph.cells;
  return cells;
}

std::string fitted(const std::string& text, std::size_t cells) {
  auto glyphs = glyphsOf(text);
  std::size_t all = 0;
  for (const auto& glyph : glyphs) all += glyph.cells;
  bool isCut = all > cells;
  if (isCut && cells == 0) return {};
  std::string result;
  std::size_t used = 0;
  for (const auto& glyph : glyphs) {
    if (isCut && used + glyph.cells > cells - 1) break;
    result += glyph.text;
    used += glyph.cells;
  }
  return isCut ? result + ellipsis() : result;
}

Line fitted(const Line& line, std::size_t cells) {
  Line result;
  std::size_t left = cells;
  for (const auto& run : line) {
    auto text = fitted(run.text, left);
    left -= std::min(left, cellsOf(text));
    result.push_back({std::move(text), run.style});
    if (left == 0) break;
  }
  return result;
}

void Table::add(std::vector<Run> cells) {
  cells.resize(columns_.size());
  for (auto& cell : cells)
    if (cell.text.empty()) cell = {"-", Style::dim};
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    auto most = cellsOf(columns_[column].heading);
    for (const auto& row : rows_) most = std::max(most, cellsOf(row[column].text));
    widths.push_back(most);
  }
  return widths;
}

Line Table::line(const std::vector<Run>& cells, const std::vector<std::size_t>& widths, const std::vector<bool>& isShown) const {
  Line result;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    if (!isShown[column]) continue;
    if (!result.empty()) result.push_back({std::string(gap, ' ')});
    auto text = fitted(cells[column].text, widths[column]);
    std::string padding(widths[column] - cellsOf(text), ' ');
    result.push_back({columns_[column].isNumber ? padding + text : text + padding, cells[column].style});
  }
  return result;
}

std::vector<Line> Table::lines(std::size_t width) const {
  // A long name must not push out all the rest.
  constexpr std::size_t longest = 48;
  auto wide = widths();
  for (std::size_t column = 0; column + 1 < wide.size(); ++column) wide[column] = std::min(wide[column], longest);
  std::vector<bool> isShown(columns_.size(), true);
  auto needed = [&] {
    std::size_t sum = 0;
    for (std::size_t column = 0; column < wide.size(); ++column)
      if (isShown[column]) sum += wide[column] + (sum ? gap : 0);
    return sum;
  };
  // The last column is cut, down to a fraction of it, before another goes.
  auto& last = wide.back();
  const auto leastOfLast = std::min<std::size_t>(48, width * 2 / 5);
  for (;;) {
    if (isShown.back() && needed() > width && last > leastOfLast)
      last = std::max(leastOfLast, last - std::min(last, needed() - width));
    if (needed() <= width) break;
    std::size_t least = columns_.size();
    for (std::size_t column = 0; column < columns_.size(); ++column)
      if (isShown[column] && (least == columns_.size() || columns_[column].importance < columns_[least].importance))
        least = column;
    if (std::count(isShown.begin(), isShown.end(), true) == 1) {
      wide[least] = width;
      break;
    }
    isShown[least] = false;
  }
  std::vector<Run> headings;
  for (const auto& column : columns_) headings.push_back({column.heading, Style::dim});
  std::vector<Line> result{line(headings, wide, isShown)};
  for (const auto& row : rows_) result.push_back(line(row, wide, isShown));
  return result;
}

}  // namespace vmmig::top
