/** Evaluates single expressions and conditions: SET, IF, PRINT, arguments. */
import type { SqlType } from '../../engine.ts';
import type { Expression } from '../ast.ts';
import { convert } from '../bind/bound.ts';
import { QueryBinder } from '../bind/query.ts';
import { type Binding, Compilation } from '../bind/scope.ts';
import { spell } from '../types.ts';
import type { Stored } from '../values/stored.ts';
import { compiled } from './compiled.ts';
import type { SessionCore } from './core.ts';

interface ScalarPlan {
  readonly sql: string;
  readonly bindings: readonly Binding[];
  readonly type: SqlType;
}

/** Evaluates an expression; with `type` its value is converted to that. */
export function evaluate(core: SessionCore, expression: Expression, type?: SqlType): Stored {
  const plan = scalarPlan(core, expression, type);
  return (core.prepare(plan.sql).get(...core.parameters(plan.bindings)) as unknown as [Stored])[0];
}

/** The type that an expression has by itself. */
export function typeOf(core: SessionCore, expression: Expression): SqlType {
  return scalarPlan(core, expression, undefined).type;
}

/** Compiles an expression; its plans by wanted type are kept with it. */
export function scalarPlan(core: SessionCore, expression: Expression, type: SqlType | undefined): ScalarPlan {
  const byType = compiled(core, expression, () => new Map([[keyOf(type), compileScalar(core, expression, type)]]));
  const known = byType.get(keyOf(type)) ?? compileScalar(core, expression, type);
  byType.set(keyOf(type), known);
  return known;
}

const keyOf = (type: SqlType | undefined): string => (type === undefined ? '' : spell(type));

function compileScalar(core: SessionCore, expression: Expression, type: SqlType | undefined): ScalarPlan {
  const compilation = new Compilation(core);
  const bound = new QueryBinder(compilation).bind(expression, undefined);
  const wanted = type === undefined ? bound : convert(bound, type);
  return { ...compilation.finish(`SELECT ${wanted.sql}`), type: wanted.type };
}

interface ConditionPlan {
  readonly sql: string;
  readonly bindings: readonly Binding[];
}

/** Compiles a condition. */
export function conditionPlan(core: SessionCore, condition: Expression): ConditionPlan {
  return compiled(core, condition, () => {
    const compilation = new Compilation(core);
    const sql = new QueryBinder(compilation).condition(condition, undefined);
    return compilation.finish(`SELECT ${sql}`);
  });
}

/** Is a condition true (not false, not unknown)? */
export function holds(core: SessionCore, condition: Expression): boolean {
  const plan = conditionPlan(core, condition);
  return (core.prepare(plan.sql).get(...core.parameters(plan.bindings)) as unknown as [Stored])[0] === 1n;
}
