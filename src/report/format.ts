/** Numbers, durations and times as the reports show them to people. */

/** `10,000`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 row`, `3,000 rows`; "batch" and the like by `plural`. */
export function formatQuantity(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : plural}`;
}

const BYTE_UNITS = ['kB', 'MB', 'GB', 'TB'];

/** `999 B`, `1.2 kB`, `1.2 MB`, in powers of 1,000; `?` for what is no size. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes < 0) return '?';
  if (bytes < 1000) return `${bytes} B`;
  let amount = bytes / 1000;
  let unit = 0;
  // 999.95 would become "1000.0".
  for (; amount >= 999.95 && unit < BYTE_UNITS.length - 1; unit++) amount /= 1000;
  return `${amount.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** `0.4 s`, `12.3 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`; `?` for what is no time span. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return '?';
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return twoUnits(seconds, 60, 'min', 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return twoUnits(minutes, 60, 'h', 'min');
  return twoUnits(Math.round(minutes / 60), 24, 'd', 'h');
}

function twoUnits(amount: number, size: number, large: string, small: string): string {
  const rest = amount % size;
  return `${Math.floor(amount / size)} ${large}${rest === 0 ? '' : ` ${rest} ${small}`}`;
}

/** `HTTP 503: the text`; the status stands there once, where the text begins with it. */
export function withStatus(text: string, httpStatus: number | null): string {
  const status = httpStatus === null ? '' : `HTTP ${httpStatus}`;
  return text.startsWith(status) ? text : `${status}: ${text}`;
}

/** ISO 8601 in UTC; null for what is no date, so that one odd row does not take the whole report away. */
export function isoOf(date: Date | undefined): string | null {
  return date === undefined || Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** A function from an instant to `2026-11-24 03:00 +07:00` in an IANA zone; `?` for what is no instant. */
export function timeFormatter(timeZone: string): (iso: string) => string {
  const format = new Intl.DateTimeFormat('en-US-u-ca-iso8601-hc-h23', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'longOffset',
  });
  return (iso) => {
    const instant = new Date(iso);
    if (Number.isNaN(instant.getTime())) return '?';
    const parts = format.formatToParts(instant);
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((found) => found.type === type)?.value ?? '';
    const offset = part('timeZoneName').slice('GMT'.length) || '+00:00';
    return `${part('year').padStart(4, '0')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')} ${offset}`;
  };
}
