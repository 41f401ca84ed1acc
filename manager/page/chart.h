// SPDX-License-Identifier: GPL-2.0-or-later
// One SVG of lanes over a range of time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "manager/page/html.h"
#include "manager/page/story.h"
#include "manager/page/timeline.h"

namespace vmmig::page {

/// How wide a text is at a size of 1, at least: by the widest of the usual fonts.
double widthOf(const std::string& text);

class Chart {
 public:
  struct Range {
    std::int64_t from, to, zero;
  };
  Chart(Width width, Range range);

  /// A moment that is marked through all lanes.
  void mark(const Moment& moment, const std::string& label);
  /// A stretch of time behind the lanes, and its label, or none.
  void band(std::int64_t from, std::int64_t to, const std::string& label);
  void lane(const Lane& lane) { lanes_.push_back(&lane); }
  /// Draws all of it. `title` and `description` are for who does not see it.
  void draw(Html& html, const std::string& id, const std::string& title, const std::string& description);

 private:
  struct Label {
    std::string text;
    double at;      // of what it names
    double left;    // of the text
    int level = 0;  // from the lanes upwards
  };
  double x(std::int64_t at) const;
  double laneTop(std::size_t lane) const;
  void placeLabels();
  void drawAxis(Html& html);
  void drawBands(Html& html);
  void drawLane(Html& html, std::size_t number);
  void drawSpan(Html& html, const Lane& lane, const Span& span, double top);
  void drawMarks(Html& html);
  void drawName(Html& html, std::size_t number);
  void drawWords(Html& html, std::size_t number);
  void text(Html& html, const char* style, double left, double baseline, const std::string& content,
            const char* anchor = "start");

  struct Band {
    std::int64_t from, to;
  };
  bool isNarrow_;
  double width_, plotLeft_, plotRight_, laneHeight_, barTop_, barHeight_;
  Range range_;
  std::vector<Label> labels_;
  std::vector<double> marks_;
  std::vector<Band> bands_;
  std::vector<const Lane*> lanes_;
  double top_ = 0, bottom_ = 0;  // of the lanes
};

}  // namespace vmmig::page
