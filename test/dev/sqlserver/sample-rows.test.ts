import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { sampleRow, sampleRows } from '../../../dev/sqlserver/sample-rows.ts';
import { SAMPLE_TABLES, type SampleEntity } from '../../../dev/sqlserver/sample-schema.ts';

const ENTITIES = Object.keys(SAMPLE_TABLES) as SampleEntity[];

describe('sample rows', () => {
  it('are the same on every machine', () => {
    const digest = createHash('sha256');
    for (const entity of ENTITIES) for (const row of sampleRows(entity, 100)) digest.update(JSON.stringify(row));
    // A change of this value changes what everybody's trials and expectations are made of: do it on purpose only.
    assert.equal(digest.digest('hex').slice(0, 16), 'fd8edbed05c51885');
    assert.deepEqual(sampleRow('Users', 7), [...sampleRows('Users', 8)][7]);
  });

  for (const entity of ENTITIES) {
    it(`have the columns of ${entity}, NULL only where that is allowed, and keys of their own`, () => {
      const { columns } = SAMPLE_TABLES[entity];
      const keys = new Set<unknown>();
      const nulls = new Set<string>();
      for (const row of sampleRows(entity, 2000)) {
        keys.add(row.Id);
        assert.deepEqual(
          Object.keys(row),
          columns.map(({ name }) => name),
        );
        for (const [name, value] of Object.entries(row)) if (value === null) nulls.add(name);
      }
      assert.equal(keys.size, 2000);
      assert.deepEqual(
        [...nulls].sort(),
        columns
          .filter(({ nullable }) => nullable)
          .map(({ name }) => name)
          .sort(),
      );
    });

    it(`fit the columns of ${entity}`, () => {
      for (const row of sampleRows(entity, 2000)) {
        for (const { name, type } of SAMPLE_TABLES[entity].columns) {
          const limit = /^nvarchar\((\d+)\)$/.exec(type)?.[1];
          const value = row[name];
          if (limit !== undefined && typeof value === 'string')
            assert.ok(value.length <= Number(limit), `${name}: ${value}`);
        }
      }
    });
  }

  it('hold the text and the times that break programs', () => {
    const all = ENTITIES.flatMap((entity) => [...sampleRows(entity, 500)].map((row) => JSON.stringify(row))).join('\n');
    for (const sign of [
      '山田',
      '🚀',
      "Ni'mah",
      '\\"ya\\"',
      '\\r\\n',
      '\\t',
      'T00:00:00.000',
      'T23:59:59.997',
      '\\\\data',
    ]) {
      assert.ok(all.includes(sign), sign);
    }
  });
});
