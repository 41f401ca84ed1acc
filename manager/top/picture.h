// SPDX-License-Identifier: GPL-2.0-or-later
// A frame of `vmmig top` as lines of styled text: what the screen draws, and what --batch prints.
#pragma once

#include <string>
#include <vector>

namespace vmmig::top {

enum class Style { plain, dim, bold, title, good, warn, bad };

struct Run {
  std::string text;
  Style style = Style::plain;
};
using Line = std::vector<Run>;

std::string plainText(const Line& line);

/// Cells that a text takes on a terminal (wcwidth(3), in the locale); what has no width of its own there is one '?'.
std::size_t cellsOf(const std::string& text);
/// What fits into so many cells; a longer text ends with an ellipsis, or '~' where the locale has none. Nothing in it moves the
/// cursor.
std::string fitted(const std::string& text, std::size_t cells);
Line fitted(const Line& line, std::size_t cells);

/// A table whose least important columns go where there is no room.
class Table {
 public:
  struct Column {
    std::string heading;
    int importance;  // the lowest goes first
    bool isNumber = false;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// As many cells as columns; the style of all of them where a cell has none.
  void add(std::vector<Run> cells);
  bool isEmpty() const { return rows_.empty(); }
  std::vector<Line> lines(std::size_t width) const;

 private:
  std::vector<std::size_t> widths() const;
  Line line(const std::vector<Run>& cells, const std::vector<std::size_t>& widths, const std::vector<bool>& isShown) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Run>> rows_;
};

}  // namespace vmmig::top
