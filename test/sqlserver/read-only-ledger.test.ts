import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { TYPES } from 'tedious';
import { createLedger } from '../../src/sqlserver/ledger.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import { createReadOnlyLedger } from '../../src/sqlserver/read-only-ledger.ts';
import type { Comparison, EntityIdentity, LedgerRow, ReadOnlyLedger } from '../../src/sync/ports.ts';
import { deletionOf, entityNamed, hashOf, ownedLedger, settingsOf, USERS, useServerAndPool } from './fixture.ts';

const COLUMNS = [
  { name: 'EntityType', type: TYPES.NVarChar, length: 100, nullable: false },
  { name: 'EntityId', type: TYPES.NVarChar, length: 255, nullable: false },
  { name: 'SyncTimestamp', type: TYPES.DateTime2, scale: 7, nullable: false },
  { name: 'RowHash', type: TYPES.Binary, length: 16, nullable: true },
];

const labelled = (name: string): EntityIdentity => ({ ...entityNamed(name), trackingLabels: [name, `${name}Old`] });

/** All rows, read in pages of that size. */
async function pagesOf(ledger: ReadOnlyLedger, limit: number): Promise<{ rows: LedgerRow[]; sizes: number[] }> {
  const rows: LedgerRow[] = [];
  const sizes: number[] = [];
  for (;;) {
    const page = await ledger.page(rows.at(-1)?.key, limit);
    rows.push(...page);
    sizes.push(page.length);
    if (page.length < limit) return { rows, sizes };
  }
}

describe('a ledger that is read', () => {
  const { server, pool } = useServerAndPool('log');
  before(async () => {
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
  });

  const ledgerOf = async (entity: EntityIdentity) => createReadOnlyLedger(await pool(), entity);
  const insert = (rows: readonly (readonly [label: string, key: string, hash?: Buffer])[]) =>
    server.bulkInsert(
      'log',
      'dbo.TB_R_SYNC_TRACKING',
      COLUMNS,
      rows.map(([label, key, hash]) => [label, key, new Date(), hash ?? null]),
    );

  it('gives the rows of all labels in the order of their keys', async () => {
    await insert([
      ['Mixed', 'b', hashOf('b')],
      ['MixedOld', 'a'],
      ['Mixed', 'd', hashOf('d')],
      ['MixedOld', 'C'],
      ['MixedNot', 'c'],
    ]);
    const ledger = await ledgerOf(labelled('Mixed'));
    const expected = [{ key: 'a' }, { key: 'b', hash: hashOf('b') }, { key: 'C' }, { key: 'd', hash: hashOf('d') }];
    for (const limit of [1, 2, 3, 4, 5]) assert.deepEqual((await pagesOf(ledger, limit)).rows, expected);
    assert.equal(await ledger.count(), 4);
  });

  it('gives a key that stands under several labels once, with the hash it has', async () => {
    const first = hashOf('first');
    const second = hashOf('second');
    await insert([
      ['Twice', 'both', first],
      ['TwiceOld', 'both', second],
      ['Twice', 'first only', first],
      ['TwiceOld', 'FIRST ONLY'],
      ['Twice', 'second only'],
      ['TwiceOld', 'second only', second],
      ['Twice', 'without'],
      ['TwiceOld', 'Without'],
    ]);
    const ledger = await ledgerOf(labelled('Twice'));
    for (const limit of [1, 2, 3, 10]) {
      assert.deepEqual((await pagesOf(ledger, limit)).rows, [
        { key: 'both', hash: first },
        { key: 'first only', hash: first },
        { key: 'second only', hash: second },
        { key: 'without' },
      ]);
    }
    assert.equal(await ledger.count(), 8);
  });

  it('gives pages of thousands of rows', async () => {
    const keys = Array.from({ length: 7500 }, (_, index) => `${index}`.padStart(6, '0'));
    await insert(
      keys.flatMap((key, index) => [
        ...(index % 3 < 2 ? [['Large', key, hashOf(key)] as const] : []),
        ...(index % 3 > 0 ? [['LargeOld', key] as const] : []),
      ]),
    );
    const { rows, sizes } = await pagesOf(await ledgerOf(labelled('Large')), 3000);
    assert.deepEqual(sizes, [3000, 3000, 1500]);
    assert.deepEqual(
      rows,
      keys.map((key, index) => ({ key, ...(index % 3 < 2 && { hash: hashOf(key) }) })),
    );
  });

  it('is empty where the entity has no row', async () => {
    const ledger = await ledgerOf(labelled('Nothing'));
    assert.deepEqual(await ledger.page(undefined, 10), []);
    assert.equal(await ledger.count(), 0);
    assert.deepEqual(await ledger.comparison(), {});
  });

  describe('and what comparisons found', () => {
    const hash = (text: string) => hashOf(text);
    const full: Comparison = {
      sourceHash: hash('source'),
      mapHash: hash('map'),
      watermark: {
        method: 'modifiedAt',
        value: Buffer.from('2026-11-23T10:00:00.1234567'),
        sourceHash: hash('column'),
      },
      lastFullAt: new Date('2026-11-23T20:00:00.123Z'),
    };

    it('is what the last comparison of the run remembered, all of it', async () => {
      const entity = entityNamed('Compared');
      const { ledger } = await ownedLedger(server, await pool(), entity);
      assert.deepEqual(await ledger.comparison(), {});
      const { watermark: _, ...withoutWatermark } = full;
      for (const comparison of [full, withoutWatermark, full, { mapHash: hash('other') }, {}]) {
        await ledger.rememberComparison(comparison);
        assert.deepEqual(await ledger.comparison(), comparison);
        assert.deepEqual(await (await ledgerOf(entity)).comparison(), comparison);
      }
    });

    it('has no watermark where it is not known whose it is', async () => {
      const entity = entityNamed('Halfway');
      const { ledger } = await ownedLedger(server, await pool(), entity);
      for (const column of ['WatermarkKind', 'Watermark', 'WatermarkSourceHash']) {
        await ledger.rememberComparison(full);
        await server.execute('log', `UPDATE dbo.TB_R_SYNC_ENTITY SET ${column} = NULL WHERE EntityType = N'Halfway'`);
        assert.equal((await ledger.comparison()).watermark, undefined);
      }
    });
  });
});

describe('a ledger before `migrate`', () => {
  const { server, pool } = useServerAndPool('log', {
    seed: { rows: 0, oldJob: { rows: 10, labels: ['User', 'Users'] } },
  });

  it('gives the rows of the old job, and nothing of what the tool keeps', async () => {
    const ledger = createReadOnlyLedger(await pool(), USERS);
    assert.equal(await ledger.count(), 10);
    const { rows } = await pagesOf(ledger, 4);
    assert.equal(rows.length, 10);
    assert.ok(rows.every(({ hash }) => hash === undefined));
    assert.deepEqual(await ledger.dueDeadLetters(undefined, 10), []);
    assert.deepEqual(await ledger.comparison(), {});
    const entity =
      'CREATE TABLE dbo.TB_R_SYNC_ENTITY (EntityType nvarchar(100) NOT NULL PRIMARY KEY, MapHash binary(16))';
    await server.execute('log', entity);
    assert.deepEqual(await ledger.comparison(), {});
  });
});

describe('a ledger whose keys are told apart by case', () => {
  const { server, pool } = useServerAndPool('log');

  it('gives them all, in its collation’s order, and deletes the ones that are meant', async () => {
    await server.execute(
      'log',
      `CREATE TABLE dbo.TB_R_SYNC_TRACKING (Id int IDENTITY(1,1) NOT NULL PRIMARY KEY, EntityType nvarchar(100) NOT NULL,
         EntityId nvarchar(255) COLLATE Latin1_General_CS_AS NOT NULL, SyncTimestamp datetime2 NOT NULL DEFAULT GETUTCDATE())`,
    );
    await server.execute('log', 'CREATE UNIQUE INDEX UQ_Cases ON dbo.TB_R_SYNC_TRACKING (EntityType, EntityId)');
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
    const { runId } = await ownedLedger(server, await pool(), entityNamed('Cases'));
    const ledger = createLedger(await pool(), { entity: labelled('Cases'), runId, host: 'worker-1' });
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId)
       VALUES (N'Cases', N'k'), (N'CasesOld', N'K'), (N'Cases', N'a'), (N'CasesOld', N'Z'), (N'Cases', N'Z')`,
    );
    const ordered = await server.query('log', 'SELECT DISTINCT EntityId FROM dbo.TB_R_SYNC_TRACKING ORDER BY EntityId');
    const keysOf = async (limit: number) => (await pagesOf(ledger, limit)).rows.map(({ key }) => key);
    for (const limit of [1, 2, 10]) {
      assert.deepEqual(
        await keysOf(limit),
        ordered.map(({ EntityId }) => EntityId),
      );
    }
    await ledger.takeHashes([{ key: 'K', hash: hashOf('K') }]);
    const hashed = (await ledger.page(undefined, 10)).filter(({ hash }) => hash !== undefined);
    assert.deepEqual(hashed, [{ key: 'K', hash: hashOf('K') }]);
    const batch = deletionOf(['k', 'z']);
    await ledger.reserve(batch);
    await ledger.settle(batch, { state: 'accepted', attempts: [] }, []);
    assert.deepEqual((await keysOf(10)).sort(), ['K', 'Z', 'a']);
  });
});
