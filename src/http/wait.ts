/** How long an HTTP answer asks to be left alone. */
import type { IncomingHttpHeaders } from 'node:http';

/** Statuses below 500 that say "later". */
const LATER: readonly number[] = [408, 425, 429];

/** A longer wait is taken for a mistake: a date that is off, milliseconds for seconds. */
const MAX_WAIT_MS = 7 * 24 * 60 * 60 * 1000;

/** More seconds than this are a time since 1970. */
const MIN_EPOCH_SECONDS = 1e9;

/**
 * Milliseconds for which an answer with this status and these headers (names in lower case) wants no further request:
 * Retry-After, else when the rate limit is reset; undefined where it does not say, or nothing that makes sense. Of the
 * statuses only 408, 425, 429 and 5xx count, and a 2xx that used up the rate limit.
 *
 * `now`: the time of the answer where its Date header does not say it, in milliseconds since 1970.
 *
 * https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (the three fields until version 06, then RateLimit)
 */
export function waitOf(status: number, headers: IncomingHttpHeaders, now: number): number | undefined {
  const remaining = textOf(headers['ratelimit-remaining']);
  const isUsedUp = Number(remaining || Number.NaN) === 0;
  const isLater = LATER.includes(status) || (status >= 500 && status < 600);
  const resetOfRateLimit = usedUpFor(textOf(headers.ratelimit));
  if (!isLater && !(status >= 200 && status < 300 && (isUsedUp || resetOfRateLimit !== undefined))) return undefined;

  const answeredAt = httpDate(textOf(headers.date)) ?? now;
  const retryAfter = textOf(headers['retry-after']);
  const retryAt = httpDate(retryAfter);
  // Many servers tell the limit's state in every answer: a 500 is no reason to wait for a reset while something remains.
  const countsReset = status === 429 || isUsedUp || remaining === '';
  return (
    sensible(retryAt === undefined ? seconds(retryAfter) : retryAt - answeredAt) ??
    (countsReset ? sensible(untilReset(textOf(headers['ratelimit-reset']), answeredAt)) : undefined) ??
    sensible(resetOfRateLimit)
  );
}

/** Empty where there is no such header, or several. */
function textOf(header: string | string[] | undefined): string {
  return typeof header === 'string' ? header.trim() : '';
}

function sensible(waitMs: number | undefined): number | undefined {
  return waitMs !== undefined && waitMs >= 0 && waitMs <= MAX_WAIT_MS ? Math.ceil(waitMs) : undefined;
}

/** As milliseconds. */
function seconds(text: string): number | undefined {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : undefined;
}

function untilReset(text: string, answeredAt: number): number | undefined {
  const reset = seconds(text);
  return reset !== undefined && reset > MIN_EPOCH_SECONDS * 1000 ? reset - answeredAt : reset;
}

/** Such as `"hour";r=0;t=1800, "day";r=99`: the longest time of the limits that are used up, in milliseconds. */
function usedUpFor(rateLimit: string): number | undefined {
  const waits = rateLimit
    .replace(/"[^"]*"/g, '')
    .split(',')
    .filter((limit) => /;\s*r=0+(?![\d.])/.test(limit))
    .flatMap((limit) => seconds(/;\s*t=(\d+)/.exec(limit)?.[1] ?? '') ?? []);
  return waits.length === 0 ? undefined : Math.max(...waits);
}

/** The three forms of a date, the last one without its zone: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7 */
const TODAY = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const OF_RFC_850 = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const OF_ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

function httpDate(text: string): number | undefined {
  if (OF_ASCTIME.test(text)) return httpDateOf(`${text} GMT`);
  return TODAY.test(text) || OF_RFC_850.test(text) ? httpDateOf(text) : undefined;
}

function httpDateOf(text: string): number | undefined {
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
