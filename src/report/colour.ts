/** Whether a stream gets colour, decided from injected streams and environment instead of the process's. */
import { styleText } from 'node:util';

/** A style of util.styleText. */
export type Style = Parameters<typeof styleText>[0];

/** Wraps text in a style, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/**
 * Colour where the stream is a terminal, unless NO_COLOR (any text) or TERM=dumb says no; FORCE_COLOR decides over all of
 * these, as in Node: https://nodejs.org/api/tty.html#writestreamgetcolordepthenv, https://no-color.org/.
 */
export function wantsColour(
  stream: { readonly isTTY: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (env.FORCE_COLOR !== undefined) return ['', '1', 'true', '2', '3'].includes(env.FORCE_COLOR);
  return stream.isTTY && !env.NO_COLOR && env.TERM !== 'dumb';
}

/** The Paint for that decision. */
export function painter(colour: boolean): Paint {
  return colour ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text;
}
