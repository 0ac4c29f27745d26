/** The dead man's switch: which entities have had no good run for too long. */
import { formatDuration, timeFormatter } from './format.ts';
import type { StatusDocument } from './status-json.ts';

/**
 * One line that names the entities whose last good run is older than `maxAgeMs`, or that never had one; undefined where there
 * is no such entity. Times are shown in `timeZone` (IANA).
 */
export function tooOldLine(
  { generatedAt, entities }: Pick<StatusDocument, 'generatedAt' | 'entities'>,
  maxAgeMs: number,
  timeZone: string,
): string | undefined {
  const showTime = timeFormatter(timeZone);
  const late = entities.flatMap(({ entity, lastGoodRunAt }) => {
    if (lastGoodRunAt === null) return [`${entity} (no good run is known)`];
    const ageMs = Date.parse(generatedAt) - Date.parse(lastGoodRunAt);
    return ageMs <= maxAgeMs ? [] : [`${entity} (${showTime(lastGoodRunAt)}, ${formatDuration(ageMs)} ago)`];
  });
  return late.length === 0 ? undefined : `no good run within ${formatDuration(maxAgeMs)}: ${late.join(', ')}`;
}
