/** Runs queries: SELECT to the client, into variables, into a new table; and single expressions. */
import type { ResultColumn } from '../../engine.ts';
import type { Query } from '../ast.ts';
import { QueryBinder } from '../bind/query.ts';
import { type Binding, Compilation } from '../bind/scope.ts';
import type { Table } from '../catalogue/objects.ts';
import { sqlError } from '../errors.ts';
import { presenter, type Stored } from '../values/stored.ts';
import { compiled } from './compiled.ts';
import type { SessionCore, Step } from './core.ts';
import { insertRows } from './rows.ts';
import { createFromColumns } from './tables.ts';

interface SelectPlan {
  readonly sql: string;
  readonly bindings: readonly Binding[];
  readonly columns: readonly ResultColumn[];
  readonly collations: readonly (string | undefined)[];
  readonly presenters: readonly {
    readonly index: number;
    readonly present: NonNullable<ReturnType<typeof presenter>>;
  }[];
  readonly assigns: readonly string[];
  readonly locks: boolean;
  readonly reads: readonly Table[];
}

/** Compiles a query, or takes the plan compiled before. */
export function selectPlan(core: SessionCore, query: Query): SelectPlan {
  return compiled(core, query, () => {
    const compilation = new Compilation(core);
    const bound = new QueryBinder(compilation).query(query, undefined);
    const columns = bound.columns.map((column): ResultColumn => {
      const identity = column.identity ? { identity: true } : {};
      const utf8 = /_UTF8$/i.test(column.collation ?? '') ? { utf8: true } : {};
      return { name: column.name, type: column.type, nullable: column.nullable, ...identity, ...utf8 };
    });
    const presenters = columns.flatMap((column, index) => {
      const present = presenter(column.type);
      return present === undefined ? [] : [{ index, present }];
    });
    return {
      ...compilation.finish(bound.sql),
      columns,
      collations: bound.columns.map((column) => column.collation),
      presenters,
      assigns: bound.assigns,
      locks: compilation.locksForRead,
      reads: [...compilation.reads],
    };
  });
}

/** Takes the writer's place to read where an isolation level or a lock hint asks that nobody else changes anything meanwhile. */
function* lockForRead(
  core: SessionCore,
  plan: { readonly locks: boolean; readonly reads: readonly Table[] },
): Generator<Step> {
  const { isolation } = core.settings;
  const isImplicit = core.settings.implicitTransactions && core.transactionCount === 0;
  if (isImplicit && plan.reads.length > 0) yield* core.begin();
  if (plan.reads.every((table) => table.temporary)) return;
  if (isolation === 'SNAPSHOT') throw sqlError(3952, core.database);
  if (core.transactionCount === 0 || core.isDoomed) return;
  if (plan.locks || isolation === 'REPEATABLE READ' || isolation === 'SERIALIZABLE') yield* core.openStorage();
}

/** SELECT: rows to the client, or to variables, or to a new table. */
export function* runSelect(core: SessionCore, query: Query): Generator<Step> {
  if (query.body.kind === 'select' && query.body.into !== undefined) {
    yield* selectInto(core, query);
    return;
  }
  const plan = selectPlan(core, query);
  if (plan.assigns.length > 0) {
    yield* assignVariables(core, plan);
    return;
  }
  yield* lockForRead(core, plan);
  yield { kind: 'columns', columns: plan.columns };
  core.isResultOpen = true;
  if (core.settings.metadataOnly) {
    core.isResultOpen = false;
    yield { kind: 'done' };
    return;
  }
  let rowCount = 0;
  const rows = core.prepare(plan.sql).iterate(...core.parameters(plan.bindings));
  const { presenters } = plan;
  try {
    for (const row of rows as unknown as Iterable<Stored[]>) {
      for (const { index, present } of presenters) row[index] = present(row[index] as Stored) as Stored;
      rowCount++;
      yield { kind: 'row', values: row };
    }
  } finally {
    // A cursor left open would pin the snapshot it reads.
    (rows as unknown as { return(): void }).return();
  }
  core.isResultOpen = false;
  core.rowCount = BigInt(rowCount);
  yield core.settings.noCount ? { kind: 'done' } : { kind: 'done', rowCount };
}

function* assignVariables(core: SessionCore, plan: SelectPlan): Generator<Step> {
  yield* lockForRead(core, plan);
  const rows = core.prepare(plan.sql).all(...core.parameters(plan.bindings)) as unknown as Stored[][];
  const last = rows.at(-1);
  if (last !== undefined) {
    plan.assigns.forEach((name, index) => {
      core.variable(name).value = last[index] as Stored;
    });
  }
  core.rowCount = BigInt(rows.length);
  yield core.settings.noCount ? { kind: 'done' } : { kind: 'done', rowCount: rows.length };
}

/** SELECT … INTO: makes the table from the columns, then fills it. */
function* selectInto(core: SessionCore, query: Query): Generator<Step> {
  const select = query.body;
  if (select.kind !== 'select' || select.into === undefined) return;
  const name = select.into;
  const plan = selectPlan(core, query);
  const isTemporary = name.parts.at(-1)?.startsWith('#') ?? false;
  const count = yield* core.write(isTemporary, (): number => {
    const rows = core.prepare(plan.sql).all(...core.parameters(plan.bindings)) as unknown as Stored[][];
    const table = createFromColumns(core, name, plan.columns, plan.collations);
    insertRows(
      core,
      table,
      plan.columns.map((_, index) => index + 1),
      rows,
      { keepIdentity: true },
    );
    return rows.length;
  });
  core.rowCount = BigInt(count);
  yield core.settings.noCount ? { kind: 'done' } : { kind: 'done', rowCount: count };
}
