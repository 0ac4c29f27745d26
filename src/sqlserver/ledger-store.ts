/** LedgerStore of ledger-store.ts in sync/: the ledger for commands, which are no run. */
import type { ConnectionSettings } from '../sync/connection.ts';
import type { LedgerStore } from '../sync/ledger-store.ts';
import type { EntityIdentity } from '../sync/ports.ts';
import { entityLock, isAppLockFree } from './app-lock.ts';
import { readBatchRecord, readUnresolvedKeys, unresolvedIds } from './batches.ts';
import { readHolder, withEntityLock } from './entity-lock.ts';
import { createLedgerChanges } from './ledger-changes.ts';
import { countDuplicates, countEntries, entryFilter, PAGE_ROWS, readEntries } from './ledger-entries.ts';
import { requireMigrated } from './migrate.ts';
import type { Parameter } from './parameters.ts';
import { createPool } from './pool.ts';
import { pruneHistory } from './prune.ts';
import { createReadOnlyLedger } from './read-only-ledger.ts';
import { createRepeat, type FaultPolicy, type Repeat } from './repeat.ts';
import type { Session } from './session.ts';
import { labelParameters } from './tracking.ts';
import { isDeadlock } from './transient.ts';

/** The lock's, and what is read meanwhile. */
const CONNECTIONS = 4;

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;

/**
 * Opens nothing until it is used. But for `readOnly` all of it throws LOG_DATABASE_NOT_MIGRATED before `migrate`. With
 * `faults`, what reads is repeated after a fault that may pass, and each transaction that changes something after a deadlock
 * alone: the lock ends with its connection.
 */
export function openLedgerStore(settings: ConnectionSettings, faults?: FaultPolicy): LedgerStore {
  const pool = createPool(settings, 'LOG_DATABASE', CONNECTIONS, faults);

  const onSession = <T>(read: (session: Session) => Promise<T>): Promise<T> =>
    pool.repeating(async (session) => {
      await requireMigrated(session, settings.name);
      return read(session);
    });

  const repeatOn = (session: Session): Repeat =>
    createRepeat(settings, faults, (error) => session.usable && isDeadlock(error));

  return {
    readOnly: (entity) => createReadOnlyLedger(pool, entity),
    async *entries(entity, filter) {
      const used = entryFilter(filter);
      for (const label of labelsOf(entity)) {
        for (let after: string | undefined; ; ) {
          const page = await onSession((session) => readEntries(session, label, used, after));
          if (page.length > 0) yield page;
          if (page.length < PAGE_ROWS) break;
          after = page.at(-1)?.key;
        }
      }
    },
    countEntries: (entity, filter) =>
      onSession(async (session) => {
        const used = entryFilter(filter);
        let entries = 0;
        for (const label of labelsOf(entity)) entries += await countEntries(session, label, used);
        return entries;
      }),
    countDuplicates: (entity) => onSession((session) => countDuplicates(session, labelParameters(entity))),
    batch: async (id) => (UUID.test(id) ? onSession((session) => readBatchRecord(session, id)) : undefined),
    async *unresolved(entity) {
      for (const id of await onSession((session) => unresolvedIds(session, labelParameters(entity)))) {
        const found = await onSession((session) => readUnresolvedKeys(session, id));
        if (found !== undefined) yield found;
      }
    },
    holder: ({ trackingLabels: [entityType] }) =>
      onSession(async (session) =>
        (await isAppLockFree(session, entityLock(entityType))) ? undefined : readHolder(session, entityType),
      ),
    change: (entity, work) =>
      withEntityLock(pool, entity, async (session) => work(createLedgerChanges(session, entity, repeatOn(session)))),
    prune: (options) =>
      pool.withSession(async (session) => {
        await requireMigrated(session, settings.name);
        return pruneHistory(session, options, settings.name, repeatOn(session));
      }),
    close: () => pool.close(),
  };
}

function labelsOf(entity: EntityIdentity): readonly Parameter[] {
  return Object.values(labelParameters(entity));
}
