import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planComparison, recallComparison, sourceHash } from '../../src/sync/comparison.ts';
import type { Entity } from '../../src/sync/entity.ts';
import { mapHash } from '../../src/sync/map.ts';
import type { Column, Comparison } from '../../src/sync/ports.ts';
import { entityOf, ID_AND_NAME, MemoryLedger, memorySource, watermarkOf } from '../support/fakes.ts';

const DAY_MS = 86_400_000;
const MAP = new Uint8Array(16).fill(1);
const changed = entityOf({ changes: 'changed' });
const sourceAt = (version: number) => memorySource([], undefined, undefined, { of: () => 0, current: () => version });

/** What a full comparison that came to its end at version 10 left. */
async function left(changes: Partial<Comparison> = {}): Promise<Comparison> {
  const { completed } = await planComparison(changed, sourceAt(10), {}, MAP, false);
  return { ...completed, ...changes };
}

test('the first comparison is a full one; what it leaves lets the next one read what is above', async () => {
  const first = await planComparison(changed, sourceAt(10), {}, MAP, false);
  assert.match(first.report.fullBecause ?? '', /no comparison has come to its end yet/);
  assert.equal(first.since, undefined);
  const second = await planComparison(changed, sourceAt(17), first.completed ?? {}, MAP, false);
  assert.equal(second.report.fullBecause, undefined);
  assert.deepEqual(second.since, { method: 'rowversion', column: 'Version', from: watermarkOf(10) });
  assert.deepEqual(second.completed?.watermark?.value, watermarkOf(17));
  assert.equal(second.completed?.lastFullAt, first.completed?.lastFullAt);
});

test('all rows are read where the watermark cannot be relied on', async () => {
  const others: readonly (readonly [RegExp, Entity, Comparison, number, Uint8Array, boolean])[] = [
    [/asked for/, changed, await left(), 17, MAP, true],
    [/restored backup/, changed, await left(), 9, MAP, false],
    [/map has changed/, changed, await left(), 17, new Uint8Array(16), false],
    [
      /8 days ago \(reconcileEvery\)/,
      changed,
      await left({ lastFullAt: new Date(Date.now() - 8 * DAY_MS) }),
      17,
      MAP,
      false,
    ],
    [
      /source or its detection has changed/,
      entityOf({ changes: 'changed', source: { where: 'Id > 0' } }),
      await left(),
      17,
      MAP,
      false,
    ],
  ];
  for (const [why, entity, known, version, map, full] of others) {
    const { report, since } = await planComparison(entity, sourceAt(version), known, map, full);
    assert.match(report.fullBecause ?? '', why);
    assert.equal(since, undefined);
  }
});

test('a watermark that equals what the server has now is relied on', async () => {
  assert.ok((await planComparison(changed, sourceAt(10), await left(), MAP, false)).since);
});

test('a changed map is told of, in a comparison by hash too', async () => {
  const known = { mapHash: MAP };
  const { report } = await planComparison(changed, memorySource([]), known, new Uint8Array(16), false);
  assert.deepEqual(report, { method: 'hash', why: 'there are no versions', mapChanged: true });
});

test('by keys alone nothing is asked of the source, and nothing is remembered', async () => {
  const source = { location: 'memory', detection: () => assert.fail(), watermark: () => assert.fail() };
  const { report, completed } = await planComparison(entityOf({}), source, {}, MAP, false);
  assert.equal(report.method, 'keys');
  assert.equal(completed, undefined);
});

test('the first run confirms the source, a later one does not, and a dry run remembers nothing', async () => {
  const ledger = new MemoryLedger();
  await recallComparison(changed, memorySource([]), ledger, undefined);
  assert.deepEqual(ledger.compared, {});
  await recallComparison(changed, memorySource([]), ledger, ledger);
  assert.deepEqual(ledger.compared.sourceHash, sourceHash(changed, memorySource([])));
  const moved = entityOf({ changes: 'changed', source: { table: 'dbo.OTHER' } });
  assert.deepEqual(
    (await recallComparison(moved, memorySource([]), ledger, ledger)).sourceHash,
    sourceHash(changed, memorySource([])),
  );
});

test('maps differ where payloads do, and not by times of sending', () => {
  const hashOf = (map: Entity['map'], columns: readonly Column[] = ID_AND_NAME) =>
    Buffer.from(mapHash(map === undefined ? {} : { map }, columns)).toString('hex');
  const base = hashOf({ Code: 'Id', Sent: { sentAt: 'yyyy' } });
  assert.equal(hashOf({ Code: 'Id', Sent: { sentAt: 'yyyy-MM' } }), base);
  assert.equal(hashOf({ Code: 'Id' }), base);
  const [idColumn, nameColumn] = ID_AND_NAME as readonly [Column, Column];
  assert.equal(hashOf({ Code: 'Id' }, [nameColumn, idColumn]), base);
  assert.notEqual(hashOf({ Code: 'Name' }), base);
  assert.notEqual(hashOf({ code: 'Id' }), base);
  assert.notEqual(hashOf({ Code: 'Id', Name: 'Name' }), hashOf({ Name: 'Name', Code: 'Id' }));
  assert.notEqual(hashOf({ Code: 'Id' }, [{ ...idColumn, kind: 'text' }, nameColumn]), base);
  // Without a map the columns are the payload, in their order.
  assert.notEqual(hashOf(undefined), hashOf(undefined, [nameColumn, idColumn]));
});
