// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/page/style.h"

namespace vmmig::page {

std::string_view styleSheet() {
  return R"(
:root { color-scheme: light dark;
  --page: #f6f7f8; --surface: #fff; --ink: #1d2125; --muted: #59626c; --line: #d5dae0;
  --vm: #4b5560; --vm-pale: #e3e7eb; --host: #7a5195; --host-pale: #ecdff3; --source: #1f6dc2; --source-pale: #d6e7f9;
  --destination: #0f766e; --destination-pale: #cdebe7; --on: #fff;
  --stop: #b45309; --stop-pale: #fdecd3; --bad: #b3261e; --bad-pale: #fbdedb; --good: #1a7334; --good-pale: #daf1e0; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171a; --surface: #1c2024; --ink: #e7eaed; --muted: #a2acb6; --line: #363d45;
  --vm: #a9b4bf; --vm-pale: #343b43; --host: #c9a3e0; --host-pale: #41304d; --source: #7db4f5; --source-pale: #1d3a5c;
  --destination: #55c4b8; --destination-pale: #133f3b; --on: #14171a;
  --stop: #f0a045; --stop-pale: #45300f; --bad: #ff938a; --bad-pale: #54211d; --good: #6fcf86; --good-pale: #17391f; } }
@media print { :root { color-scheme: light;
  --page: #fff; --surface: #fff; --ink: #000; --muted: #444; --line: #bbb;
  --vm: #4b5560; --vm-pale: #e3e7eb; --host: #7a5195; --host-pale: #ecdff3; --source: #1f6dc2; --source-pale: #d6e7f9;
  --destination: #0f766e; --destination-pale: #cdebe7; --on: #fff;
  --stop: #b45309; --stop-pale: #fdecd3; --bad: #b3261e; --bad-pale: #fbdedb; --good: #1a7334; --good-pale: #daf1e0; } }
* { box-sizing: border-box; }
html { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
body { max-width: 1180px; margin: 0 auto; padding: 24px 20px 48px; overflow-wrap: anywhere; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; font-weight: 650; }
h2 { font-size: 18px; margin: 0 0 10px; }
h3 { font-size: 15px; margin: 0 0 8px; } .chart + h3 { margin-top: 18px; }
p { margin: 4px 0; }
.muted, .role { color: var(--muted); font-weight: 400; }
code { font: 12px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; word-break: break-all; }
section { background: var(--surface); border: 1px solid var(--line); border-radius: 8px; padding: 16px; margin-top: 16px; }
.outcome { display: inline-block; margin: 10px 0 6px; padding: 3px 12px; border-radius: 99px; font-weight: 600; border: 1px solid; }
.outcome.good { color: var(--good); background: var(--good-pale); }
.outcome.bad { color: var(--bad); background: var(--bad-pale); }
.outcome.warn { color: var(--stop); background: var(--stop-pale); }
.facts, .figures { gap: 12px 24px; margin: 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); margin-top: 14px; }
.figures { display: flex; flex-wrap: wrap; column-gap: 44px; } .figures data { white-space: nowrap; }
dt { color: var(--muted); font-size: 13px; }
dd { margin: 0; }
.figures dd { font-size: 24px; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.figures .note { display: block; max-width: 170px; font-size: 13px; font-weight: 400; color: var(--muted); }
.proof { margin-top: 14px; border-top: 1px solid var(--line); padding-top: 10px; }
ol.steps { list-style: none; display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 4px 0 0; padding: 0; }
.holds { color: var(--good); } .broken { color: var(--bad); font-weight: 600; } .unknown { color: var(--muted); }
.legs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)); gap: 20px 28px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
caption { text-align: left; color: var(--muted); font-size: 13px; padding: 4px 0; }
th, td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { color: var(--muted); font-size: 13px; }
thead th.text, thead th.number, .devices th[scope=row], .role { overflow-wrap: normal; } .devices td, .role { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; } td.number { white-space: nowrap; }
#moment-table { max-width: 640px; } #lane-table { max-width: 860px; } #event-table td:nth-child(2) { width: 6em; }
tr.total td, tr.total th { border-bottom: 0; font-weight: 600; }
td .utc { display: block; color: var(--muted); font-size: 12px; white-space: nowrap; }
td.when { width: 9.5em; white-space: nowrap; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--muted); font-size: 13px; margin: 8px 0 0; padding: 0; list-style: none; }
.swatch { display: inline-block; width: 22px; height: 11px; border-radius: 2px; margin-right: 6px; border: 1px solid var(--vm); }
.swatch.waits { background: var(--vm-pale); } .swatch.works { background: var(--vm); }
.swatch.undoes { background: var(--bad); border-color: var(--bad); }
.swatch.undone { background: var(--bad-pale); border-color: var(--bad); border-style: dashed; }
.chart { display: block; width: 100%; height: auto; font: 12px system-ui, "DejaVu Sans", sans-serif; margin-top: 6px; }
.chart.narrow { display: none; }
.chart text { fill: var(--ink); }
.chart .axis, .chart .role { fill: var(--muted); }
.chart .name { font-weight: 600; paint-order: stroke; stroke: var(--surface); stroke-width: 3px; } .chart .role { font-weight: 400; }
.chart .moment { font-weight: 600; fill: var(--stop); paint-order: stroke; stroke: var(--surface); stroke-width: 4px; }
.tick { stroke: var(--line); } .tick.zero { stroke: var(--muted); }
.mark { stroke: var(--stop); stroke-dasharray: 3 2; }
.band { fill: var(--stop-pale); }
.vm { --hue: var(--vm); --pale: var(--vm-pale); } .host { --hue: var(--host); --pale: var(--host-pale); }
.lane.source { --hue: var(--source); --pale: var(--source-pale); }
.lane.destination { --hue: var(--destination); --pale: var(--destination-pale); }
.span rect { stroke: var(--hue); stroke-width: 1; }
.waits rect { fill: var(--pale); } .works rect { fill: var(--hue); } .over rect { fill: var(--surface); }
.undoes rect { fill: var(--bad); stroke: var(--bad); }
.undone rect { fill: var(--bad-pale); stroke: var(--bad); stroke-dasharray: 4 2; }
.chart .filled { fill: var(--on); }
footer { color: var(--muted); font-size: 13px; margin-top: 20px; }
@media (max-width: 719px) {
  body { padding: 14px 10px 32px; } th, td { padding-right: 6px; } .facts { grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); } section { padding: 12px; } h1 { font-size: 21px; }
  .chart.wide { display: none; } .chart.narrow { display: block; max-width: 560px; }
  .figures { column-gap: 28px; } .figures dd { font-size: 20px; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 12px; } table, dt { font-size: 12px; } .chart.wide { display: block; } .chart.narrow { display: none; }
  section { border: 0; padding: 8px 0; } section.whole, tr, .legs > div, svg { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)";
}

}  // namespace vmmig::page
