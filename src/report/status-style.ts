/** How the status report looks: light and dark, wide and narrow, on paper. Colours keep a contrast of 4.5:1 for text, 3:1 for bars. */
import { html } from './html.ts';

/** The style element. On narrow screens each row of a table becomes a block, its cells labelled by `data-label`. */
export const STYLE = html`<style>
:root {
  color-scheme: light dark;
  --page: #f4f6f8; --surface: #ffffff; --text: #1b1f24; --muted: #505a64; --line: #d0d7de;
  --sent: #0550ae; --refused: #cf222e; --unknown: #9a6700; --dead: #6e40c9; --slow: #4a90e2; --band: #ffe2e0;
  --good: #116329; --good-back: #dafbe1; --bad: #a40e26; --bad-back: #ffebe9; --warn: #6f4400; --warn-back: #fff4c2; --calm-back: #eaeef2;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --surface: #161b22; --text: #e6edf3; --muted: #a3adb8; --line: #30363d;
    --sent: #58a6ff; --refused: #ff7b72; --unknown: #e3b341; --dead: #bc8cff; --slow: #2f6fbf; --band: #4a1d20;
    --good: #56d364; --good-back: #10281a; --bad: #ffa198; --bad-back: #35161a; --warn: #e3b341; --warn-back: #2c2309; --calm-back: #262c34;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; }
header, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.5rem; }
footer { padding-bottom: 2rem; color: var(--muted); font-size: .875rem; }
h1 { margin: 0 0 .75rem; font-size: 1.6rem; line-height: 1.2; }
h2 { margin: 0 0 .75rem; font-size: 1.15rem; line-height: 1.3; }
p { margin: 0 0 .75rem; }
code { font: .9em ui-monospace, "Cascadia Mono", Consolas, "DejaVu Sans Mono", monospace; }
section { overflow-x: auto; margin: 1.25rem 0; padding: 1rem 1.25rem; background: var(--surface); border: 1px solid var(--line); border-radius: .5rem; }
.verdict { display: inline-block; margin: 0 0 1rem; padding: .25rem .75rem; border-radius: .375rem; font-weight: 600; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .5rem 1.5rem; margin: 0; }
.facts div { min-width: 0; }
dt { color: var(--muted); font-size: .875rem; }
dd { margin: 0; }
.good { background: var(--good-back); color: var(--good); }
.bad { background: var(--bad-back); color: var(--bad); }
.warn { background: var(--warn-back); color: var(--warn); }
.calm { background: var(--calm-back); color: var(--text); }
.badge { display: inline-block; margin-right: .25rem; padding: 0 .5rem; border-radius: .375rem; font-size: .875rem; font-weight: 600; }
.notices { margin: 0; padding: 0; list-style: none; }
.notices li { margin: 0 0 .5rem; padding: .5rem .75rem; border-left: .25rem solid; border-radius: .25rem; }
.notices li:last-child { margin: 0; }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums; }
caption { padding-bottom: .5rem; text-align: left; color: var(--muted); font-size: .875rem; }
th, td { padding: .4rem .75rem .4rem 0; border-top: 1px solid var(--line); text-align: left; vertical-align: top; font-weight: 400; }
thead th { border-top: 0; color: var(--muted); font-size: .8125rem; font-weight: 600; vertical-align: bottom; overflow-wrap: normal; }
tbody th { font-weight: 600; }
th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; }
td.number { white-space: nowrap; }
tbody th { min-width: 7rem; }
.long { min-width: 9rem; }
.badge, .time span { white-space: nowrap; }
.soft { color: var(--muted); }
details { margin-top: .75rem; }
summary { cursor: pointer; font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.25rem 2rem; margin-bottom: 1.25rem; }
.chart { margin: 0; min-width: 0; }
.chart figcaption { font-weight: 600; }
.plot { position: relative; padding-top: 1.25rem; }
.plot svg { display: block; width: 100%; height: 8rem; }
.scale { position: absolute; top: 0; left: 0; color: var(--muted); font-size: .75rem; line-height: 1.25rem; }
.days { display: flex; justify-content: space-between; gap: 1rem; color: var(--muted); font-size: .75rem; }
.words { margin: .25rem 0 0; color: var(--muted); font-size: .8125rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0 0 1rem; padding: 0; list-style: none; font-size: .8125rem; }
.legend svg { width: .75rem; height: .75rem; margin-right: .375rem; vertical-align: -.0625rem; }
.grid { fill: none; stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.sent { fill: var(--sent); } .refused { fill: var(--refused); } .unknown { fill: var(--unknown); } .dead { fill: var(--dead); } .slow { fill: var(--slow); } .band { fill: var(--band); stroke: var(--refused); stroke-width: 1; vector-effect: non-scaling-stroke; } .column { fill: transparent; } .notch { fill: var(--surface); }
.spark { display: block; width: 6rem; height: 1.5rem; }
@media screen and (max-width: 68rem) {
  header, main, footer { padding-left: .75rem; padding-right: .75rem; }
  section { padding: .75rem; }
  table, caption, tbody, th, td { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  thead tr { display: block; }
  tbody tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .375rem .75rem; padding: .75rem 0; border-top: 1px solid var(--line); }
  tbody th, td { min-width: 0; padding: 0; border: 0; text-align: left; }
  tbody th, td.long { grid-column: 1 / -1; }
  tbody th { font-size: 1rem; }
  td::before { content: attr(data-label); display: block; color: var(--muted); font-size: .8125rem; }
  td.number { text-align: left; white-space: normal; }
}
@media print {
  :root { color-scheme: light; }
  html { background: #ffffff; font-size: 8.5pt; }
  body { background: none; }
  header, main, footer { max-width: none; padding: 0; }
  section { overflow: visible; margin: 0 0 12pt; padding: 0; border: 0; border-radius: 0; }
  th, td { padding: 2pt 6pt 2pt 0; }
  tbody th { min-width: 5rem; }
  .spark { width: 4rem; }
  .plot svg { height: 5rem; }
  .charts { grid-template-columns: 1fr 1fr 1fr; gap: 12pt; }
  thead { display: table-header-group; }
  tr, .chart, .notices li { break-inside: avoid; }
  h2 { break-after: avoid; }
  .good, .bad, .warn, .calm { background: none; }
  .verdict, .badge { padding: 0; }
  summary { list-style: none; }
  details::details-content { display: block; content-visibility: visible; height: auto; }
}
</style>
`;
