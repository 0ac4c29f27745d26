/** Figures of a run in Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/ */
import type { EntitySummary } from '../sync/ports.ts';
import type { RunEnd } from './notice.ts';

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

const LAST_SUCCESS = 'tamhr_sync_last_success_timestamp_seconds';
const ENTITY_LAST_SUCCESS = 'tamhr_sync_entity_last_success_timestamp_seconds';

/** Rows of an entity in the last run, by what became of them: the metric's name, its help, its value. */
const ENTITY_FIGURES: readonly (readonly [name: string, help: string, value: (summary: EntitySummary) => number])[] = [
  ['entity_duration_seconds', 'Time that the entity took.', ({ durationMs }) => durationMs / 1000],
  ['rows_read', 'Rows read from the source.', ({ read }) => read],
  ['rows_accepted', 'Rows that the receiver accepted, deletions included.', ({ accepted }) => accepted],
  ['rows_deleted', 'Of the accepted rows: deletions.', ({ deleted }) => deleted],
  ['rows_refused', 'Rows that were not taken and are pending again.', ({ refused }) => refused],
  ['rows_unresolved', 'Rows of batches whose outcome is unknown.', ({ unresolved }) => unresolved],
  ['rows_left', 'Rows that were read and left for the next run.', ({ left }) => left],
  [
    'rows_held_deletions',
    'Rows that are gone from the source and were not deleted.',
    (summary) => summary.heldDeletions,
  ],
  ['dead_letters_new', 'Rows that became dead letters.', ({ newDeadLetters }) => newDeadLetters],
  [
    'dead_letters_old',
    'Dead letters of earlier runs that wait or were refused again.',
    (summary) => summary.oldDeadLetters,
  ],
  ['batches', 'Batches that were sent.', ({ batches }) => batches.pending],
  ['batches_accepted', 'Batches that the receiver accepted.', ({ batches }) => batches.accepted],
  ['batches_refused', 'Batches that the receiver refused.', ({ batches }) => batches.refused],
  ['batches_unresolved', 'Batches whose outcome is unknown.', ({ batches }) => batches.unresolved],
];

/**
 * The metrics of a run, each a gauge: of the run, and of the entities that it came to. The times of the last success are
 * taken over from `previous` (what the file held, or nothing) where this run is none: that of the run, and those of the
 * `entities` that are configured.
 */
export function metricsText(end: RunEnd, entities: readonly string[], version: string, previous: string): string {
  const endedAt = end.startedAt.getTime() + end.durationMs;
  const summaries = end.summary?.entities ?? [];
  const before = samplesOf(previous);
  const lastSuccess = end.exitCode === 0 ? endedAt / 1000 : before.get(LAST_SUCCESS);
  const entitySuccesses = entities.flatMap((entity): Sample[] => {
    const labels = { entity };
    const isGood = summaries.some((summary) => summary.entity === entity && isGoodEnd(summary));
    const value = isGood ? endedAt / 1000 : before.get(ENTITY_LAST_SUCCESS + labelText(labels));
    return value === undefined ? [] : [{ labels, value }];
  });
  const ofEntities = (value: (summary: EntitySummary) => number) =>
    summaries.map((summary) => ({ labels: { entity: summary.entity }, value: value(summary) }));
  return [
    family('tamhr_sync_info', 'Version of tamhr-sync.', [{ labels: { version }, value: 1 }]),
    family('tamhr_sync_last_run_timestamp_seconds', 'When the last run ended.', [{ value: endedAt / 1000 }]),
    family(
      LAST_SUCCESS,
      'When a run last ended with exit code 0.',
      lastSuccess === undefined ? [] : [{ value: lastSuccess }],
    ),
    family('tamhr_sync_last_run_duration_seconds', 'Time that the last run took.', [{ value: end.durationMs / 1000 }]),
    family('tamhr_sync_last_run_exit_code', 'Exit code of the last run.', [{ value: end.exitCode }]),
    family(
      ENTITY_LAST_SUCCESS,
      'When the entity was last read to its end with nothing refused, unknown or held back.',
      entitySuccesses,
    ),
    ...ENTITY_FIGURES.map(([name, help, value]) => family(`tamhr_sync_last_run_${name}`, help, ofEntities(value))),
  ].join('');
}

/** As `status` has it: EntityHistory.lastGoodRunAt. */
function isGoodEnd({ state, refused, unresolved, heldDeletions }: EntitySummary): boolean {
  return state === 'done' && refused === 0 && unresolved === 0 && heldDeletions === 0;
}

/** A metric with its samples; nothing where it has none. */
function family(name: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return '';
  const lines = samples.map(({ labels, value }) => `${name}${labelText(labels)} ${value}`);
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('\n')}\n`;
}

function labelText(labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escaped)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}

/** Samples by what stands before their value, of a text that metricsText wrote; lines of another form are passed over. */
function samplesOf(text: string): Map<string, number> {
  const samples = text.split('\n').flatMap((line): [string, number][] => {
    const [, series, value] = /^([a-z_]+(?:\{.*\})?) (\d+(?:\.\d+)?)$/s.exec(line) ?? [];
    return series === undefined ? [] : [[series, Number(value)]];
  });
  return new Map(samples);
}
