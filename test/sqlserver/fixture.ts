/** What tests of the SQL edge share: settings for a test server's databases, a pool, an entity, a batch. */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after } from 'node:test';
import { readConnection } from '../../src/config/connection.ts';
import { createPool, type Pool } from '../../src/sqlserver/pool.ts';
import type { ConnectionSettings } from '../../src/sync/connection.ts';
import type { Batch, EntityIdentity } from '../../src/sync/ports.ts';
import type { TestSqlServer } from '../support/sqlserver.ts';

/** The settings that a connection string stands for. */
export async function settingsOf(connectionString: string, name = 'log'): Promise<ConnectionSettings> {
  const { settings, problems } = await readConnection(name, connectionString, '.');
  assert.deepEqual(problems, []);
  assert.ok(settings);
  return settings;
}

/** A pool on one of the test server's databases, closed after the file's tests. Made on the first call. */
export function usePool(
  server: TestSqlServer,
  database: 'mdm' | 'ess' | 'log',
  changes: Partial<ConnectionSettings> = {},
): () => Promise<Pool> {
  let pool: Promise<Pool> | undefined;
  after(async () => (await pool)?.close());
  return () => {
    pool ??= settingsOf(server.connectionString(database), database).then((settings) =>
      createPool({ ...settings, ...changes }, database === 'log' ? 'LOG_DATABASE' : 'SOURCE', 4),
    );
    return pool;
  };
}

/** Users, tracked under `User` and `Users`. */
export const USERS: EntityIdentity = {
  name: 'Users',
  trackingLabels: ['User', 'Users'],
  destination: { url: 'https://robot:secret@api.example/users?token=abc', batchSize: 3000 },
};

/** An entity of its own for one test, so that tests don't meet in the tables. */
export function entityNamed(name: string): EntityIdentity {
  return { name, trackingLabels: [name], destination: { url: 'http://127.0.0.1/rows', batchSize: 3000 } };
}

/** A batch of these keys; row hashes are those of the keys. */
export function batchOf(keys: readonly string[], id: string = randomUUID()): Batch {
  const rows = keys.map((key) => JSON.stringify({ Code: key, Name: 'Dewi 三' }));
  const offsets = new Uint32Array(rows.length);
  let offset = 1;
  for (const [index, row] of rows.entries()) {
    offsets[index] = offset;
    offset += Buffer.byteLength(row) + 1;
  }
  return {
    id,
    keys,
    hashes: Buffer.concat(keys.map(hashOf)),
    offsets,
    body: Buffer.from(`[${rows.join(',')}]`),
  };
}

/** 16 bytes that differ by text. */
export function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, 16);
}

/** Waits until `condition` holds; fails after 10 s. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'the condition did not come about');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
