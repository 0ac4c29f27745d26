import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { metricsText } from '../../src/report/metrics.ts';
import type { RunEnd } from '../../src/report/notice.ts';
import type { EntitySummary } from '../../src/sync/ports.ts';
import { emptyTally } from '../../src/sync/tally.ts';

const ENDED = Date.parse('2026-11-23T20:01:15Z') / 1000;

function entityEnd(entity: string, changes: Partial<EntitySummary> = {}): EntitySummary {
  return { entity, state: 'done', startedAt: '2026-11-23T20:00:00Z', durationMs: 1500, ...emptyTally(), ...changes };
}

function runEnd(exitCode: number, entities?: readonly EntitySummary[]): RunEnd {
  const runId = '36f678c1-b98b-42e5-8768-8375920b5924';
  const startedAt = new Date('2026-11-23T20:00:00Z');
  const summary = { runId, dryRun: false, startedAt: startedAt.toISOString(), durationMs: 75_000, exitCode };
  return {
    runId,
    host: 'hr-batch-01',
    startedAt,
    durationMs: 75_000,
    exitCode,
    ...(entities && { summary: { ...summary, entities } }),
  };
}

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * Reads the text format as its description has it, and fails where a line is of no form that it knows.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
 */
function parse(text: string): Series[] {
  assert.ok(text.endsWith('\n'), 'the last line ends with a line feed');
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const series: Series[] = [];
  for (const line of text.slice(0, -1).split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      assert.ok(!helps.has(name), `one HELP for ${name}`);
      helps.add(name);
    } else if (keyword === 'TYPE') {
      assert.ok(!types.has(name) && series.every((other) => other.name !== name), `TYPE of ${name} comes first`);
      assert.match(rest, /^(counter|gauge|histogram|summary|untyped)$/);
      types.set(name, rest);
    } else series.push(sampleOf(line));
  }
  const groups = series.map(({ name }) => name).filter((name, index, names) => name !== names[index - 1]);
  assert.equal(new Set(groups).size, groups.length, 'the lines of a metric stand together');
  for (const name of groups) assert.ok(types.has(name) && helps.has(name), `${name} has HELP and TYPE`);
  const ids = series.map(({ name, labels }) => JSON.stringify([name, labels]));
  assert.equal(new Set(ids).size, ids.length, 'each series stands there once');
  return series;
}

function sampleOf(line: string): Series {
  const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/s.exec(line);
  assert.ok(found, `a sample: ${line}`);
  const [, name = '', inBraces = '', value] = found;
  const labels: Record<string, string> = {};
  let rest = inBraces;
  while (rest !== '') {
    const pair = /^([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/.exec(rest);
    assert.ok(pair, `labels: ${rest}`);
    const [all, label = '', text = ''] = pair;
    labels[label] = text.replace(/\\(.)/gs, (_, character: string) => (character === 'n' ? '\n' : character));
    rest = rest.slice(all.length);
  }
  assert.ok(Number.isFinite(Number(value)), `a number: ${line}`);
  return { name, labels, value: Number(value) };
}

const figure = (text: string, name: string, labels: Record<string, string> = {}) =>
  parse(text).find((series) => series.name === name && JSON.stringify(series.labels) === JSON.stringify(labels))?.value;

test('the figures of a run are gauges in base units, those of entities labelled', () => {
  const batches = { pending: 4, accepted: 3, refused: 1, unresolved: 0, split: 0 };
  const users = entityEnd('Users', { read: 10_000, accepted: 7000, refused: 3000, newDeadLetters: 2, batches });
  const text = metricsText(runEnd(1, [users, entityEnd('OrgObject')]), ['Users', 'OrgObject'], '0.1.0', '');
  const series = parse(text);
  for (const { name } of series) {
    assert.match(name, /^tamhr_sync_/);
    // https://prometheus.io/docs/practices/naming/: base units, and _total for counters only.
    assert.doesNotMatch(name, /_(ms|milliseconds|minutes|total|count|sum)$/);
  }
  assert.equal(figure(text, 'tamhr_sync_info', { version: '0.1.0' }), 1);
  assert.equal(figure(text, 'tamhr_sync_last_run_exit_code'), 1);
  assert.equal(figure(text, 'tamhr_sync_last_run_duration_seconds'), 75);
  assert.equal(figure(text, 'tamhr_sync_last_run_timestamp_seconds'), ENDED);
  assert.equal(figure(text, 'tamhr_sync_last_run_rows_read', { entity: 'Users' }), 10_000);
  assert.equal(figure(text, 'tamhr_sync_last_run_rows_accepted', { entity: 'Users' }), 7000);
  assert.equal(figure(text, 'tamhr_sync_last_run_rows_refused', { entity: 'Users' }), 3000);
  assert.equal(figure(text, 'tamhr_sync_last_run_dead_letters_new', { entity: 'Users' }), 2);
  assert.equal(figure(text, 'tamhr_sync_last_run_batches', { entity: 'Users' }), 4);
  assert.equal(figure(text, 'tamhr_sync_last_run_entity_duration_seconds', { entity: 'OrgObject' }), 1.5);
  const success = 'tamhr_sync_entity_last_success_timestamp_seconds';
  assert.equal(figure(text, success, { entity: 'OrgObject' }), ENDED);
  assert.equal(figure(text, success, { entity: 'Users' }), undefined);
  assert.equal(figure(text, 'tamhr_sync_last_success_timestamp_seconds'), undefined);
});

test('the times of the last success stay while runs fail, those of entities no longer configured go', () => {
  const names = ['Users', 'OrgObject'];
  const good = metricsText(
    runEnd(
      0,
      names.map((name) => entityEnd(name)),
    ),
    names,
    '0.1.0',
    '',
  );
  const before = good.replaceAll(String(ENDED), '1700000000.25');
  const failed = metricsText(runEnd(69), names, '0.1.0', before);
  assert.equal(figure(failed, 'tamhr_sync_last_success_timestamp_seconds'), 1_700_000_000.25);
  assert.equal(figure(failed, 'tamhr_sync_last_run_timestamp_seconds'), ENDED);
  assert.equal(figure(failed, 'tamhr_sync_last_run_rows_read', { entity: 'Users' }), undefined);
  const success = 'tamhr_sync_entity_last_success_timestamp_seconds';
  for (const entity of names) assert.equal(figure(failed, success, { entity }), 1_700_000_000.25);
  const some = metricsText(runEnd(0, [entityEnd('Users')]), ['Users'], '0.1.0', before);
  assert.equal(figure(some, success, { entity: 'Users' }), ENDED);
  assert.equal(figure(some, success, { entity: 'OrgObject' }), undefined);
});

test('a file that something else wrote is passed over', () => {
  const text = metricsText(
    runEnd(1, []),
    ['Users'],
    '0.1.0',
    'rubbish\n\0{}= tamhr_sync_last_success_timestamp_seconds x\n',
  );
  assert.equal(figure(text, 'tamhr_sync_last_success_timestamp_seconds'), undefined);
});

test('any name of an entity is a label that reads back as it was, also in the next run', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), (entity) => {
      const first = metricsText(runEnd(0, [entityEnd(entity)]), [entity], '0.1.0', '');
      const success = 'tamhr_sync_entity_last_success_timestamp_seconds';
      assert.equal(figure(first, success, { entity }), ENDED);
      const later = metricsText(runEnd(69), [entity], '0.1.0', first);
      assert.equal(figure(later, success, { entity }), ENDED);
    }),
    { examples: [['a"b'], ['a\\n'], ['a\nb'], ['a\r\u2028b'], ['} 1']] },
  );
});
