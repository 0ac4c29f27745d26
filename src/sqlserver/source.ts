/** A table, view or query as a Source: described once, then read by keyset pages or by keys. */
import type { PageFilter, Row, Source } from '../sync/ports.ts';
import type { SourceColumn } from './columns.ts';
import { chooseDetection, readWatermark, timeColumn } from './detection.ts';
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';
import { type Description, describe } from './source-description.ts';
import { type SourceEntity, sourceError } from './source-entity.ts';
import {
  countStatement,
  keysTable,
  lookupStatement,
  type Predicate,
  pageStatement,
  sinceRowversion,
  sinceTime,
  type TimeColumn,
} from './source-statements.ts';
import { fill } from './temporary-table.ts';

export type { SourceEntity } from './source-entity.ts';

/**
 * The rows of an entity. Reads `columns` and the key's, or every column where `columns` is absent.
 *
 * Its methods throw SyncError: SOURCE_UNAVAILABLE, SOURCE_MISSING (no such table), SOURCE_COLUMN_MISSING,
 * SOURCE_KEY_INVALID (no key type), SOURCE_REFUSED (permission, type that cannot be read, error of the server's).
 */
export function createSource(pool: Pool, entity: SourceEntity, columns?: readonly string[]): Source {
  const connection = pool.settings.name;
  const { server, port, instance, database } = pool.settings;

  /** Errors of the server's are told in terms of the entity. */
  async function onSession<T>(work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const translated = async (session: Session) => {
      try {
        return await work(session);
      } catch (error) {
        throw sourceError(error, entity, connection);
      }
    };
    return pool.repeating(translated, signal && { signal });
  }

  const description = once(() => onSession((session) => describe(session, connection, entity, columns)));
  const times = new Map<string, () => Promise<TimeColumn>>();

  function time(column: string): Promise<TimeColumn> {
    const described = times.get(column) ?? once(() => onSession((session) => timeColumn(session, entity, column)));
    times.set(column, described);
    return described();
  }

  async function predicateOf(since: NonNullable<PageFilter['since']>): Promise<Predicate | undefined> {
    if (since.method === 'rowversion') return sinceRowversion(since);
    return sinceTime(since, await time(since.column), entity.detection.overlapMinutes);
  }

  async function pageOf(from: Row | undefined, limit: number, { shape, since }: PageFilter) {
    const described = await description();
    const columns = columnsOf(described, shape);
    const changed = since && (await predicateOf(since));
    const part = { from, limit, ...(changed && { since: changed }) };
    return { columns, ...pageStatement(entity, columns, described.key, part) };
  }

  return {
    location: JSON.stringify([server, port ?? null, instance ?? null, database]).toLowerCase(),
    async describe() {
      return (await description()).columns;
    },
    async page(from, limit, signal, filter) {
      const { columns, sql, parameters } = await pageOf(from, limit, filter);
      const { rows } = await onSession((session) => session.query(sql, parameters, signal), signal);
      return rows.map(converter(columns));
    },
    async eachRow(from, limit, signal, filter, take) {
      const { columns, sql, parameters } = await pageOf(from, limit, filter);
      const convert = converter(columns);
      let taken = 0;
      return onSession(async (session) => {
        // It is tried again after a fault: that would give these rows twice.
        if (taken > 0) return false;
        await session.query(sql, parameters, signal, (row) => {
          taken += 1;
          take(convert(row));
        });
        return true;
      }, signal);
    },
    async lookup(keys, shape, signal) {
      if (keys.length === 0) return [];
      const described = await description();
      const columns = columnsOf(described, shape);
      const table = keysTable(entity, described.key);
      const sql = lookupStatement(entity, columns, described.key, table);
      const { rows } = await onSession(async (session) => {
        await fill(
          session,
          table,
          keys.map((key, index) => [index, ...key]),
        );
        return session.query(sql, {}, signal);
      }, signal);
      const convert = converter(columns);
      return rows.map(([index, ...row]) => ({ index: Number(index), row: convert(row) }));
    },
    async count(atMost) {
      const { sql, parameters } = countStatement(entity, atMost);
      const { rows } = await onSession((session) => session.query(sql, parameters));
      return Number(rows[0]?.[0]);
    },
    detection: () => onSession((session) => chooseDetection(session, connection, entity)),
    watermark: (detection) => onSession((session) => readWatermark(session, connection, entity, detection)),
  };
}

/** Keeps what `work` resolves to; after a rejection the next call tries again. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let kept: Promise<T> | undefined;
  return () => {
    kept ??= work().catch((error) => {
      kept = undefined;
      throw error;
    });
    return kept;
  };
}

function columnsOf({ columns, key }: Description, shape: PageFilter['shape']): readonly SourceColumn[] {
  return shape === 'key' ? key : columns;
}

/** Makes rows' cells what the tool takes them for. */
function converter(columns: readonly SourceColumn[]): (row: Row) => Row {
  const converted = columns.flatMap(({ cell }, index) => (cell === undefined ? [] : [{ cell, index }]));
  if (converted.length === 0) return (row) => row;
  return (row) => {
    const copy = [...row];
    for (const { cell, index } of converted) copy[index] = cell(copy[index] ?? null);
    return copy;
  };
}
