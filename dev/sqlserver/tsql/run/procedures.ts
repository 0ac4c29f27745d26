/** The system procedures that the stand-in has, but sp_executesql, which batch.ts runs. */
import type { SqlType } from '../../engine.ts';
import { sameName, withObject, withoutObject } from '../catalogue/objects.ts';
import { message, sqlError } from '../errors.ts';
import { nvarchar, spell, storageLength, types } from '../types.ts';
import type { Stored } from '../values/stored.ts';
import type { SessionCore, Step } from './core.ts';
import type { LockMode } from './locks.ts';
import { selectPlan } from './select.ts';

/** An argument of a call, as stored value with its type. */
export interface ProcedureArgument {
  readonly name: string | undefined;
  readonly type: SqlType;
  readonly value: Stored;
}

interface Procedure {
  readonly parameters: readonly (readonly [name: string, fallback?: string | null])[];
  readonly run: (core: SessionCore, args: Record<string, Stored>) => Generator<Step, bigint> | bigint;
}

const modes: readonly LockMode[] = ['IntentShared', 'Shared', 'Update', 'IntentExclusive', 'Exclusive'];

/** The owner of an app lock, or undefined for a name that is none. */
function ownerOf(text: Stored): 'Session' | 'Transaction' | undefined {
  const name = String(text ?? 'Transaction').toLowerCase();
  return name === 'session' ? 'Session' : name === 'transaction' ? 'Transaction' : undefined;
}

// https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/sp-getapplock-transact-sql
const getAppLock: Procedure = {
  parameters: [
    ['@Resource'],
    ['@LockMode'],
    ['@LockOwner', 'Transaction'],
    ['@LockTimeout', null],
    ['@DbPrincipal', 'public'],
  ],
  *run(core, args) {
    const mode = modes.find((candidate) => candidate.toLowerCase() === String(args['@lockmode']).toLowerCase());
    const owner = ownerOf(args['@lockowner'] as Stored);
    const timeout = args['@locktimeout'] === null ? core.settings.lockTimeout : Number(args['@locktimeout']);
    if (mode === undefined || owner === undefined || args['@resource'] === null || !(timeout >= -1)) return -999n;
    if (owner === 'Transaction' && core.transactionCount === 0) {
      yield {
        kind: 'message',
        message: message(
          16700,
          16,
          1,
          'The statement or function must be executed in the context of a user transaction.',
        ).info,
      };
      return -999n;
    }
    const result = yield* core.lock(core.appLockName(String(args['@resource']).slice(0, 255)), owner, mode, timeout);
    return { granted: 0n, waited: 1n, timeout: -1n, cancelled: -2n, deadlock: -3n }[result];
  },
};

const releaseAppLock: Procedure = {
  parameters: [['@Resource'], ['@LockOwner', 'Transaction'], ['@DbPrincipal', 'public']],
  run(core, args) {
    const owner = ownerOf(args['@lockowner'] as Stored);
    if (owner === undefined || args['@resource'] === null) return -999n;
    const name = String(args['@resource']).slice(0, 255);
    if (core.server.locks.release(core.appLockName(name), core.sessionId, owner)) return 0n;
    throw message(
      1223,
      16,
      1,
      `Cannot release the application lock (Database Principal: 'public', Resource: '${name}') because it is not currently held.`,
    );
  },
};

// https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/sp-describe-first-result-set-transact-sql
const describeFirstResultSet: Procedure = {
  parameters: [['@tsql'], ['@params', null], ['@browse_information_mode', '0']],
  *run(core, args) {
    const statements = core.server.parse(String(args['@tsql'] ?? ''), core.settings.quotedIdentifier);
    const query = statements.find((statement) => statement.kind === 'select');
    const columns = [
      { name: 'is_hidden', type: types.bit },
      { name: 'column_ordinal', type: types.int },
      { name: 'name', type: types.sysname },
      { name: 'is_nullable', type: types.bit },
      { name: 'system_type_name', type: nvarchar(256) },
      { name: 'max_length', type: types.smallint },
      { name: 'precision', type: types.tinyint },
      { name: 'scale', type: types.tinyint },
      { name: 'is_identity_column', type: types.bit },
    ] as const;
    yield { kind: 'columns', columns: columns.map((column) => ({ ...column, nullable: true })) };
    const described = query?.kind === 'select' ? selectPlan(core, query.query).columns : [];
    for (const [index, column] of described.entries()) {
      const { type } = column;
      yield {
        kind: 'row',
        values: [
          0,
          index + 1,
          column.name === '' ? null : column.name,
          column.nullable ? 1 : 0,
          spell(type),
          storageLength(type),
          type.precision ?? 0,
          type.scale ?? 0,
          column.identity ? 1 : 0,
        ],
      };
    }
    yield { kind: 'done', rowCount: described.length };
    return 0n;
  },
};

/** sp_rename for tables and columns. */
const rename: Procedure = {
  parameters: [['@objname'], ['@newname'], ['@objtype', null]],
  *run(core, args) {
    const parts = String(args['@objname']).replace(/[[\]]/g, '').split('.');
    const newName = String(args['@newname']);
    const isColumn = /^column$/i.test(String(args['@objtype']));
    const table = core.object(isColumn ? parts.slice(0, -1) : parts);
    if (table?.kind !== 'table')
      throw message(
        15225,
        11,
        1,
        `No item by the name of '${args['@objname']}' could be found in the current database '${core.database}'.`,
      );
    const changed = isColumn
      ? {
          ...table,
          columns: table.columns.map((column) =>
            sameName(column.name, parts.at(-1) as string) ? { ...column, name: newName } : column,
          ),
        }
      : { ...table, name: newName };
    yield* core.write(false, (): void => {
      core.changeCatalogue(withObject(withoutObject(core.catalogue, table), changed), [table.database]);
    });
    return 0n;
  },
};

const resetConnection: Procedure = {
  parameters: [],
  run(core) {
    core.reset();
    core.pushFrame();
    return 0n;
  },
};

const procedures: ReadonlyMap<string, Procedure> = new Map([
  ['sp_getapplock', getAppLock],
  ['sp_releaseapplock', releaseAppLock],
  ['sp_describe_first_result_set', describeFirstResultSet],
  ['sp_rename', rename],
  ['sp_reset_connection', resetConnection],
]);

/** Calls a system procedure and returns its status. Throws 2812, 201, 8144, 8145. */
export function* callProcedure(
  core: SessionCore,
  name: string,
  args: readonly ProcedureArgument[],
): Generator<Step, bigint> {
  const bare = name.replace(/^(?:\[?[^.]*\]?\.){0,2}\[?([^.\]]+)\]?$/, '$1').toLowerCase();
  const procedure = procedures.get(bare);
  if (procedure === undefined) throw sqlError(2812, name);
  const values: Record<string, Stored> = {};
  args.forEach((argument, index) => {
    const parameter =
      argument.name === undefined || argument.name === ''
        ? procedure.parameters[index]
        : procedure.parameters.find(([known]) => known.toLowerCase() === argument.name?.toLowerCase());
    if (parameter === undefined)
      throw argument.name === undefined ? sqlError(8144, bare) : sqlError(8145, argument.name, bare);
    values[parameter[0].toLowerCase()] = argument.value;
  });
  for (const [parameter, fallback] of procedure.parameters) {
    const key = parameter.toLowerCase();
    if (key in values) continue;
    if (fallback === undefined) throw sqlError(201, bare, parameter);
    values[key] = fallback;
  }
  const status = procedure.run(core, values);
  return typeof status === 'bigint' ? status : yield* status;
}
