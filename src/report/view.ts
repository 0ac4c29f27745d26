/** How a text for people is to look: what callers say of it, and what its lines are made with. */
import { type Paint, painter } from './colour.ts';
import { timeFormatter } from './format.ts';
import { widthOf } from './terminal-text.ts';

/** How the text is to look. */
export interface TextOptions {
  /** The terminal's width, 80 where absent. */
  readonly columns?: number;
  readonly colour: boolean;
  /** IANA zone of the times. */
  readonly timeZone: string;
}

/** What lines are made with. */
export interface View {
  readonly width: number;
  readonly paint: Paint;
  /** A time as ISO 8601 has it, in the zone. */
  readonly time: (iso: string) => string;
}

/** The view that the options ask for. */
export function viewOf({ columns, colour, timeZone }: TextOptions): View {
  return { width: widthOf(columns), paint: painter(colour), time: timeFormatter(timeZone) };
}
