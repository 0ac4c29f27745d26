/** What tests of the SQL edge share: settings for a test server's databases, a pool, an entity, a batch. */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after } from 'node:test';
import { readConnection } from '../../src/config/connection.ts';
import { createLedger, type RehearsingLedger } from '../../src/sqlserver/ledger.ts';
import { createPool, type Pool } from '../../src/sqlserver/pool.ts';
import type { ConnectionSettings } from '../../src/sync/connection.ts';
import { type Batch, DELETION_HASH, type EntityIdentity } from '../../src/sync/ports.ts';
import { type TestSqlServer, type TestSqlServerOptions, useSqlServer } from '../support/sqlserver.ts';

/** The settings that a connection string stands for. */
export async function settingsOf(connectionString: string, name = 'log'): Promise<ConnectionSettings> {
  const { settings, problems } = await readConnection(name, connectionString, '.');
  assert.deepEqual(problems, []);
  assert.ok(settings);
  return settings;
}

/**
 * A test server and a pool on one of its databases, made on the first call. Hooks run in the order of their registration:
 * the pool is closed before a real server's database is dropped.
 */
export function useServerAndPool(
  database: 'mdm' | 'ess' | 'log',
  options: TestSqlServerOptions = {},
): { readonly server: TestSqlServer; readonly pool: () => Promise<Pool> } {
  let opened: Promise<Pool> | undefined;
  after(async () => (await opened)?.close());
  const server = useSqlServer(options);
  return {
    server,
    pool() {
      opened ??= settingsOf(server.connectionString(database), database).then((settings) =>
        createPool(settings, database === 'log' ? 'LOG_DATABASE' : 'SOURCE', 4),
      );
      return opened;
    },
  };
}

/** The ledger of an entity that a run owns, as the lock leaves it; what TB_R_SYNC_ENTITY held of the entity is gone. */
export async function ownedLedger(
  server: TestSqlServer,
  pool: Pool,
  entity: EntityIdentity,
): Promise<{ readonly ledger: RehearsingLedger; readonly runId: string }> {
  const runId = randomUUID();
  const [label] = entity.trackingLabels;
  await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = @label', { label });
  await server.execute('log', 'INSERT INTO dbo.TB_R_SYNC_ENTITY (EntityType, OwnerRunId) VALUES (@label, @runId)', {
    label,
    runId,
  });
  return { ledger: createLedger(pool, { entity, runId, host: 'worker-1' }), runId };
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
    operation: 'upsert',
    keys,
    hashes: Buffer.concat(keys.map(hashOf)),
    offsets,
    body: Buffer.from(`[${rows.join(',')}]`),
  };
}

/** A batch that deletes these keys. */
export function deletionOf(keys: readonly string[]): Batch {
  return { ...batchOf(keys), operation: 'delete', hashes: Buffer.concat(keys.map(() => DELETION_HASH)) };
}

/** 16 bytes that differ by text. */
export function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, 16);
}
