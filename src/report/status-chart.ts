/**
 * Bar charts of the status report: one bar a run, as inline SVG without text, so that it may be stretched to any width
 * while the labels around it stay readable.
 */
import { type HtmlValue, html, type Markup } from './html.ts';
import { scaleTop } from './scale.ts';

/** One bar: its parts from the bottom up, in the same order in each bar of a chart. */
export interface Bar {
  /** Amounts; what is no positive number is not drawn. */
  readonly parts: readonly number[];
  /** What the bar stands for, shown where a pointer rests on it. */
  readonly label: string;
  /** Whether the run is marked by a band behind the bar. */
  readonly marked: boolean;
}

/** One chart. */
export interface BarChart {
  /** Unique in the document, of letters and `-`. */
  readonly id: string;
  readonly title: string;
  /** The same in words, for who does not see it. */
  readonly description: string;
  /** CSS classes of the parts. */
  readonly classes: readonly string[];
  /** Oldest first. */
  readonly bars: readonly Bar[];
  /** The top of the scale in words. */
  readonly format: (amount: number) => string;
  /** Days of the first and the last bar. */
  readonly from: HtmlValue;
  readonly to: HtmlValue;
}

const HEIGHT = 100;
const BAR_WIDTH = 10;
const GAP = 4;

/** Fewer bars than this leave room at the right, or a single run would be a wall. */
const LEAST_BARS = 10;

/** An amount above zero is seen, however small beside the greatest. */
const LEAST_HEIGHT = 2;

/** A figure with its title, its scale, and the days of the first and the last bar. A bar above the scale is cut, with a notch. */
export function barChart({ id, title, description, classes, bars, format, from, to }: BarChart): Markup {
  const totals = bars.map(({ parts }) => sum(parts));
  const top = scaleTop(totals);
  const above = totals.filter((total) => total > top).length;
  const width = Math.max(LEAST_BARS, bars.length) * (BAR_WIDTH + GAP);
  const days =
    bars.length < LEAST_BARS ? html`<span>${from} to ${to}</span>` : html`<span>${from}</span><span>${to}</span>`;
  return html`<figure class="chart">
<figcaption id="${id}-title">${title}</figcaption>
<div class="plot">
<span class="scale" aria-hidden="true">${format(top)}${above > 0 ? `, and ${above} above` : null}</span>
<svg role="img" aria-labelledby="${id}-title" aria-describedby="${id}-words" viewBox="0 0 ${width} ${HEIGHT}" preserveAspectRatio="none">
<path class="grid" d="M0 0H${width}M0 ${HEIGHT / 2}H${width}M0 ${HEIGHT}H${width}"/>
${bars.map((bar, index) => drawn(bar, index, top, classes))}</svg>
</div>
<div class="days" aria-hidden="true">${days}</div>
<p class="words" id="${id}-words">${description}</p>
</figure>
`;
}

function drawn({ parts, label, marked }: Bar, index: number, top: number, classes: readonly string[]): Markup {
  const x = GAP / 2 + index * (BAR_WIDTH + GAP);
  let y = HEIGHT;
  const rectangles = parts.map((amount, part) => {
    if (!(amount > 0)) return null;
    const height = Math.min(y, Math.max(LEAST_HEIGHT, (amount / top) * HEIGHT));
    y -= height;
    return html`<rect class="${classes[part]}" x="${x}" y="${rounded(y)}" width="${BAR_WIDTH}" height="${rounded(height)}"/>`;
  });
  const band = marked
    ? html`<rect class="band" x="${x - GAP / 2}" y="0" width="${BAR_WIDTH + GAP}" height="${HEIGHT}"/>`
    : null;
  const notch =
    sum(parts) > top ? html`<path class="notch" d="M${x - 1} 14L${x + BAR_WIDTH + 1} 8V12L${x - 1} 18Z"/>` : null;
  // The transparent one makes the whole column answer to the pointer.
  return html`<g><title>${label}</title>${band}<rect class="column" x="${x - GAP / 2}" y="0" width="${BAR_WIDTH + GAP}" height="${HEIGHT}"/>${rectangles}${notch}</g>
`;
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => (amount > 0 ? total + amount : total), 0);
}

function rounded(amount: number): number {
  return Math.round(amount * 100) / 100;
}
