// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/page/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "manager/page/format.h"

namespace vmmig::page {

namespace {

constexpr double fontSize = 12, labelHeight = 17, axisHeight = 26, gutter = 196, narrowGutterHeight = 17;
constexpr double leastBar = 2;  // what is too short to be seen is still there
constexpr double bold = 1.14;   // wider than regular type by

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

const char* styleOf(Tone tone) {
  switch (tone) {
    case Tone::waits: return "waits";
    case Tone::works: return "works";
    case Tone::over: return "over";
    case Tone::undoes: return "undoes";
    case Tone::undone: return "undone";
  }
  return "";
}

bool isFilled(Tone tone) { return tone == Tone::works || tone == Tone::undoes; }

const char* styleOf(LaneKind kind) {
  switch (kind) {
    case LaneKind::vm: return "vm";
    case LaneKind::host: return "host";
    case LaneKind::source: return "source";
    case LaneKind::destination: return "destination";
  }
  return "";
}

/// 1, 2 or 5 times a power of ten, such that there are `most` steps at most; beyond a second in seconds, minutes and hours.
std::int64_t stepFor(std::int64_t length, int most) {
  constexpr std::int64_t second = 1'000'000;
  for (std::int64_t power = 1; power <= 10 * second; power *= 10)
    for (std::int64_t factor : {1, 2, 5})
      if (factor * power <= 20 * second && length / (factor * power) < most) return factor * power;
  for (std::int64_t seconds : {30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200})
    if (length / (seconds * second) < most) return seconds * second;
  return 86400 * second;
}

}  // namespace

double widthOf(const std::string& text) {
  double width = 0;
  for (char c : text) {
    auto octet = static_cast<unsigned char>(c);
    if ((octet & 0xc0) == 0x80) continue;  // its first octet counted
    if (octet >= 0x80)
      width += octet >= 0xe1 ? 1.05 : 0.84;
    else if (std::strchr("iljtfr.,:;'|!()[]/ I-", c))
      width += 0.42;
    else if (std::strchr("mMwW%@", c))
      width += 1.0;
    else
      width += c >= 'A' && c <= 'Z' ? 0.74 : 0.65;
  }
  return width;
}

namespace {
double labelWidth(const std::string& text) { return widthOf(text) * fontSize * bold; }
}  // namespace

Chart::Chart(Width width, Range range) : isNarrow_(width == Width::narrow), range_(range) {
  width_ = isNarrow_ ? 360 : 1080;
  plotLeft_ = isNarrow_ ? 2 : gutter;
  plotRight_ = width_ - (isNarrow_ ? 2 : 8);
  barHeight_ = 18;
  barTop_ = isNarrow_ ? narrowGutterHeight : 5;
  laneHeight_ = isNarrow_ ? narrowGutterHeight + barHeight_ + 7 : barHeight_ + 10;
  if (range_.to <= range_.from) range_.to = range_.from + 1;
}

double Chart::x(std::int64_t at) const {
  auto part = static_cast<double>(at - range_.from) / static_cast<double>(range_.to - range_.from);
  return plotLeft_ + std::clamp(part, 0.0, 1.0) * (plotRight_ - plotLeft_);
}

double Chart::laneTop(std::size_t lane) const { return top_ + static_cast<double>(lane) * laneHeight_; }

void Chart::mark(const Moment& moment, const std::string& label) {
  marks_.push_back(x(moment.at));
  labels_.push_back({label, x(moment.at), 0});
}

void Chart::band(std::int64_t from, std::int64_t to, const std::string& label) {
  bands_.push_back({from, to});
  if (!label.empty()) labels_.push_back({label, x(from), 0});
}

/// From the right to the left each one a level higher where it would touch another: so no line of a mark crosses a label.
void Chart::placeLabels() {
  std::stable_sort(labels_.begin(), labels_.end(), [](const Label& a, const Label& b) { return a.at < b.at; });
  for (auto at = labels_.rbegin(); at != labels_.rend(); ++at) {
    auto length = labelWidth(at->text);
    at->left = std::max(0.0, std::min(at->at + 4, width_ - length));
    for (auto other = labels_.rbegin(); other != at; ++other) {
      bool touches = at->left < other->left + labelWidth(other->text) + 8 && other->left < at->left + length + 8;
      if (touches) at->level = std::max(at->level, other->level + 1);
    }
  }
}

void Chart::text(Html& html, const char* style, double left, double baseline, const std::string& content, const char* anchor) {
  Html::Attributes attributes{{"class", style}, {"x", number(left)}, {"y", number(baseline)}, {"text-anchor", anchor}};
  html.element("text", content, attributes);
}

void Chart::drawAxis(Html& html) {
  constexpr double room = 76;
  auto most = static_cast<int>((plotRight_ - plotLeft_) / room);
  auto step = stepFor(range_.to - range_.from, most);
  auto first = static_cast<std::int64_t>(std::ceil(static_cast<double>(range_.from - range_.zero) / static_cast<double>(step)));
  for (auto tick = first; range_.zero + tick * step <= range_.to; ++tick) {
    auto at = x(range_.zero + tick * step);
    html.single("line", {{"class", tick == 0 ? "tick zero" : "tick"},
                         {"x1", number(at)},
                         {"x2", number(at)},
                         {"y1", number(top_)},
                         {"y2", number(bottom_ + 4)}});
    html.close("line");
    auto label = tickText(tick * step, step);
    auto half = widthOf(label) * fontSize / 2;
    auto middle = std::clamp(at, half, width_ - half);
    text(html, "axis", middle, bottom_ + 18, label, "middle");
  }
}

void Chart::drawBands(Html& html) {
  for (const auto& band : bands_) {
    auto width = std::max(leastBar, x(band.to) - x(band.from));
    html.open("rect", {{"class", "band"},
                       {"x", number(x(band.from))},
                       {"y", number(top_ - 6)},
                       {"width", number(width)},
                       {"height", number(bottom_ - top_ + 10)}});
    html.close("rect");
  }
}

void Chart::drawMarks(Html& html) {
  for (auto at : marks_) {
    auto label = std::find_if(labels_.begin(), labels_.end(), [&](const Label& each) { return each.at == at; });
    auto above = top_ - 4 - labelHeight * label->level - fontSize / 2;
    html.open("line",
              {{"class", "mark"}, {"x1", number(at)}, {"x2", number(at)}, {"y1", number(above)}, {"y2", number(bottom_ + 4)}});
    html.close("line");
  }
  for (const auto& label : labels_) text(html, "moment", label.left, top_ - 8 - labelHeight * label.level, label.text);
}

void Chart::drawLane(Html& html, std::size_t number) {
  const auto& lane = *lanes_[number];
  auto top = laneTop(number);
  html.open("g", {{"class", std::string{"lane "} + styleOf(lane.kind)}});
  for (const auto& span : lane.spans) drawSpan(html, lane, span, top + barTop_);
  html.close("g");
}

void Chart::drawSpan(Html& html, const Lane& lane, const Span& span, double top) {
  bool isSeen = span.to >= range_.from && span.from <= range_.to;
  if (!isSeen) return;
  auto left = x(span.from), width = std::max(leastBar, x(span.to) - x(span.from));
  html.open("g", {{"class", std::string{"span "} + styleOf(span.tone)}});
  html.element("title", lane.name + ": " + span.word + " from " + offsetText(span.from - range_.zero) + ", for " +
                            durationText(span.to - span.from));
  html.open("rect",
            {{"x", number(left)}, {"y", number(top)}, {"width", number(width)}, {"height", number(barHeight_)}, {"rx", "2"}});
  html.close("rect");
  html.close("g");
}

void Chart::drawName(Html& html, std::size_t number) {
  const auto& lane = *lanes_[number];
  // The whole name is its tooltip.
  auto room = (isNarrow_ ? width_ : plotLeft_ - 8) - widthOf(" " + lane.role) * fontSize;
  std::size_t most = 255;
  auto name = lane.name;
  while (labelWidth(name) > room && most > 1) name = shortened(lane.name, --most);
  auto baseline = laneTop(number) + (isNarrow_ ? 13.0 : barTop_ + 13);
  html.open("text", {{"class", "name"}, {"x", isNarrow_ ? "2" : "0"}, {"y", page::number(baseline)}});
  html.element("title", lane.name + ", " + lane.role);
  html.text(name + " ").element("tspan", lane.role, {{"class", "role"}});
  html.close("text");
}

void Chart::drawWords(Html& html, std::size_t number) {
  constexpr double padding = 5;
  const auto& lane = *lanes_[number];
  for (const auto& span : lane.spans) {
    auto left = x(span.from), width = x(span.to) - left;
    bool fits = widthOf(span.word) * fontSize + 2 * padding <= width;
    if (fits) text(html, isFilled(span.tone) ? "word filled" : "word", left + padding, laneTop(number) + barTop_ + 13, span.word);
  }
}

void Chart::draw(Html& html, const std::string& id, const std::string& title, const std::string& description) {
  placeLabels();
  int levels = 0;
  for (const auto& label : labels_) levels = std::max(levels, label.level + 1);
  top_ = 8 + labelHeight * levels;
  bottom_ = laneTop(lanes_.size());
  auto height = bottom_ + axisHeight;
  html.open("svg", {{"class", isNarrow_ ? "chart narrow" : "chart wide"},
                    {"viewBox", "0 0 " + number(width_) + " " + number(height)},
                    {"role", "img"},
                    {"aria-labelledby", id + "-title " + id + "-desc"}});
  html.element("title", title, {{"id", id + "-title"}});
  html.element("desc", description, {{"id", id + "-desc"}});
  drawBands(html);
  drawAxis(html);
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) drawLane(html, lane);
  drawMarks(html);
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
    drawName(html, lane);
    drawWords(html, lane);
  }
  html.close("svg");
}

}  // namespace vmmig::page
