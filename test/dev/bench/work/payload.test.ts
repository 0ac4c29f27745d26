import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { sendingTime, USER_COLUMNS, type UserCells, userPayload } from '../../../../dev/bench/work/payload.ts';
import { sampleRows } from '../../../../dev/sqlserver/sample-rows.ts';
import { columnsOf, compileMap } from '../../../../src/sync/map.ts';
import type { Cell, Column } from '../../../../src/sync/ports.ts';

const SHIPPED = new URL('../../../../sync.config.json', import.meta.url);
const KINDS: Readonly<Record<string, Column['kind']>> = { Id: 'guid', IsActive: 'integer' };

test("a floor's user has the JSON text of the shipped map", async () => {
  const { entities, schedule } = JSON.parse(await readFile(SHIPPED, 'utf8'));
  const { name, map } = entities[0];
  const names = columnsOf(map) ?? [];
  assert.deepEqual(USER_COLUMNS.split(', ').toSorted(), [...names].toSorted());
  const columns = names.map((column): Column => ({ name: column, kind: KINDS[column] ?? 'text', sqlType: '' }));
  const mapper = compileMap({ name, map, timeZone: schedule.timeZone }, columns);
  // In Jakarta the next day has begun.
  const now = new Date('2026-11-22T20:15:30.250Z');
  for (const row of sampleRows('Users', 500)) {
    const mapped = mapper.map(
      names.map((column) => row[column] as Cell),
      now,
    );
    const cells = USER_COLUMNS.split(', ').map((column) => row[column]) as unknown as UserCells;
    assert.equal(JSON.stringify(userPayload(cells, sendingTime(now))), 'json' in mapped && mapped.json.toString());
  }
});
