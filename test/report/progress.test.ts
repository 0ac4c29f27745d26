import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { createProgress } from '../../src/report/progress.ts';
import type { Batch, EntitySummary, Outcome } from '../../src/sync/ports.ts';
import { emptyTally } from '../../src/sync/tally.ts';
import { Screen } from './screen.ts';

const accepted: Outcome = { state: 'accepted', attempts: [] };
const refused: Outcome = { state: 'refused', attempts: [] };
const batch = (number: number, rows = 3000) => ({ number, rows, id: `batch-${number}` });
const summary = (changes: Partial<EntitySummary>): EntitySummary => ({
  entity: 'Users',
  state: 'done',
  startedAt: '2026-11-23T20:00:00.000Z',
  durationMs: 2100,
  ...emptyTally(),
  ...changes,
});

describe('the progress bars', () => {
  beforeEach(() => mock.timers.enable({ apis: ['Date', 'setTimeout'], now: Date.parse('2026-11-23T20:00:00Z') }));
  afterEach(() => mock.timers.reset());

  /** A screen on which 3,000 of 10,000 rows took two seconds. */
  function inMidRun(columns: number) {
    const screen = new Screen(columns);
    const progress = createProgress(screen);
    progress.observer.entityStarted?.('Users', 10_000);
    progress.observer.pageRead?.('Users', 5000, 0);
    mock.timers.tick(2000);
    progress.observer.batchEnded?.('Users', batch(1), accepted);
    mock.timers.tick(200);
    return { screen, progress };
  }

  it('show rows done, batches, rate and time left, in 100 columns', () => {
    const { screen, progress } = inMidRun(100);
    assert.equal(screen.text, `Users [${'='.repeat(12)}${'-'.repeat(28)}] 3,000/10,000 rows, 1 ok, 1,364/s, ETA 5 s`);
    progress.close();
  });

  for (const columns of [60, 80, 200]) {
    it(`fill one line of ${columns} columns at most`, () => {
      const { screen, progress } = inMidRun(columns);
      assert.match(screen.text, /^Users \[=+-+\] 3,000\/10,000 rows, 1 ok/);
      assert.match(screen.text, /ETA 5 s$/);
      assert.equal(screen.text.includes('\n'), false);
      progress.close();
    });
  }

  it('keep their line when the entity ends, and the next one begins below', () => {
    const { screen, progress } = inMidRun(80);
    progress.observer.pageRead?.('Users', 10_000, 0);
    progress.observer.batchEnded?.('Users', batch(2, 7000), { state: 'split', attempts: [] });
    progress.observer.batchEnded?.('Users', batch(3, 3500), refused);
    progress.observer.batchEnded?.('Users', batch(4, 3500), { state: 'unknown', attempts: [] });
    progress.observer.entityEnded?.(summary({ read: 10_000, accepted: 3000, refused: 7000 }));
    progress.observer.entityStarted?.('ActualOrg', 50);
    progress.observer.pageRead?.('ActualOrg', 50, 50);
    mock.timers.tick(200);
    progress.observer.entityEnded?.(summary({ entity: 'ActualOrg', read: 50, durationMs: 200 }));
    progress.close();
    assert.deepEqual(
      screen.text.split('\n').map((line) => line.replace(/=+/, '=')),
      [
        'Users [=] 10,000 rows, 1 ok, 2 failed, 4,762/s, done, 2.1 s',
        'ActualOrg [=] 50 rows, 0 ok, 250/s, done, 0.2 s',
      ],
    );
  });

  it('stay whole below log lines, also long ones', () => {
    const { screen, progress } = inMidRun(80);
    progress.print('2026-11-23T20:00:02.200Z info  Users: batch 1 accepted\n');
    progress.print(`${'x'.repeat(100)}\nlast line\n`);
    const lines = screen.text.split('\n');
    assert.deepEqual(lines.slice(0, 4), [
      '2026-11-23T20:00:02.200Z info  Users: batch 1 accepted',
      'x'.repeat(80),
      'x'.repeat(20),
      'last line',
    ]);
    assert.equal(lines.length, 5);
    assert.match(lines[4] ?? '', /^Users \[=+-+\] 3,000\/10,000 rows/);
    progress.close();
    progress.print('after\n');
    assert.match(screen.text, /10,000 rows.*\nafter$/);
  });

  it('log lines before the first bar go straight to the terminal', () => {
    const screen = new Screen(80);
    createProgress(screen).print('hello');
    assert.equal(screen.text, 'hello');
  });

  it('without a total there are counts, but neither bar nor time left', () => {
    const screen = new Screen(80);
    const progress = createProgress(screen);
    progress.observer.entityStarted?.('Users', undefined);
    progress.observer.pageRead?.('Users', 3000, 0);
    mock.timers.tick(1000);
    progress.observer.batchEnded?.('Users', batch(1), accepted);
    mock.timers.tick(200);
    assert.equal(screen.text, 'Users 3,000 rows, 1 ok, 2,500/s');
    progress.close();
  });

  it('rows that came since the count do not overfill the bar', () => {
    const screen = new Screen(80);
    const progress = createProgress(screen);
    progress.observer.entityStarted?.('Users', 3000);
    progress.observer.pageRead?.('Users', 3001, 0);
    mock.timers.tick(1000);
    progress.observer.batchEnded?.('Users', batch(1, 3001), accepted);
    mock.timers.tick(200);
    assert.match(screen.text, /^Users \[=+\] 3,001\/3,001 rows/);
    progress.close();
  });

  it('an old batch that ends late counts no row that was not read', () => {
    const { screen, progress } = inMidRun(80);
    progress.observer.batchEnded?.('Users', batch(2, 3000), { state: 'unknown', attempts: [] });
    mock.timers.tick(200);
    assert.match(screen.text, /5,000\/10,000 rows, 1 ok, 1 failed/);
    progress.close();
  });

  it('rows that a dry run would send count as done with, those that it would delete do not', () => {
    const screen = new Screen(80);
    const progress = createProgress(screen);
    const planned = (operation: Batch['operation'], rows: number) =>
      progress.observer.planned?.('Users', {
        id: 'x',
        operation,
        keys: Array(rows).fill('k'),
        hashes: new Uint8Array(),
        offsets: new Uint32Array(),
        body: new Uint8Array(),
      });
    progress.observer.entityStarted?.('Users', 10_000);
    progress.observer.pageRead?.('Users', 5000, 100);
    planned('upsert', 3000);
    planned('delete', 500);
    mock.timers.tick(200);
    assert.match(screen.text, /3,100\/10,000 rows/);
    progress.close();
  });

  it('batches replayed before the first page, and entities that never started, draw nothing', () => {
    const screen = new Screen(80);
    const progress = createProgress(screen);
    progress.observer.batchEnded?.('Users', batch(1), accepted);
    progress.observer.entityEnded?.(summary({ state: 'failed' }));
    assert.equal(screen.text, '');
    progress.close();
  });

  it('a narrower terminal gets a shorter line from the next drawing on', () => {
    const { screen, progress } = inMidRun(200);
    screen.columns = 60;
    progress.observer.batchEnded?.('Users', batch(2), accepted);
    mock.timers.tick(200);
    assert.equal(
      screen.text.split('\n').every((line) => line.length < 60),
      true,
    );
    progress.close();
  });

  it('an entity name of any kind fits, and cannot steer the terminal', () => {
    const screen = new Screen(60);
    const progress = createProgress(screen);
    progress.observer.entityStarted?.('\u001b[2J組織オブジェクト👩‍💼の予定表', 1_000_000);
    mock.timers.tick(200);
    assert.equal(screen.text.includes('\n'), false);
    assert.match(screen.text, /^\\u001b\[2J/);
    progress.close();
  });
});
