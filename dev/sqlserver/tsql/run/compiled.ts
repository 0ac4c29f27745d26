/** Keeps what was compiled from a node of the tree, for as long as catalogue, database and variables mean the same. */
import { SqlServerError } from '../../engine.ts';
import type { SessionCore } from './core.ts';

const plans = new WeakMap<object, Map<string, unknown>>();
const plansPerNode = 20;

/** The plan of a node; an error while compiling it is noted as such in the session. */
export function compiled<T>(core: SessionCore, node: object, compile: () => T): T {
  let known = plans.get(node);
  if (known === undefined) {
    known = new Map();
    plans.set(node, known);
  }
  const key = core.planKey;
  const plan = known.get(key) as T | undefined;
  if (plan !== undefined) return plan;
  try {
    const fresh = compile();
    if (known.size >= plansPerNode) known.clear();
    known.set(key, fresh);
    return fresh;
  } catch (error) {
    if (error instanceof SqlServerError) core.compileErrors.add(error);
    throw error;
  }
}
