/** One entity's run against ports in memory. */
import { createBreaker } from '../../src/sync/breaker.ts';
import { createRetryBudget } from '../../src/sync/delivery.ts';
import type { Entity } from '../../src/sync/entity.ts';
import type { Row, RunObserver, Source } from '../../src/sync/ports.ts';
import { type EntityEnd, type EntityOptions, runEntity } from '../../src/sync/run-entity.ts';
import { emptyTally } from '../../src/sync/tally.ts';
import { entityOf, MemoryDestination, MemoryLedger, memorySource } from './fakes.ts';

/** What a run of one entity meets; what is absent is empty, or goes well. */
interface Setting {
  rows?: readonly Row[];
  source?: Source;
  ledger?: MemoryLedger;
  destination?: MemoryDestination;
  entity?: Entity;
  observer?: RunObserver;
  options?: Partial<EntityOptions>;
  dryRun?: boolean;
}

/** Runs an entity against ports in memory; the promise is wrapped, so that a test can act while it runs. */
export async function runOnce(setting: Setting) {
  const ledger = setting.ledger ?? new MemoryLedger();
  const destination = setting.destination ?? new MemoryDestination();
  const entity = setting.entity ?? entityOf({});
  const warnings: string[] = [];
  const tally = emptyTally();
  const never = new AbortController().signal;
  const run = runEntity(
    entity,
    {
      source: setting.source ?? memorySource(setting.rows ?? []),
      ledger,
      ...(!setting.dryRun && {
        writes: {
          ledger,
          destination,
          breaker: createBreaker(entity.destination.maxFailedBatches),
          budget: createRetryBudget(1000),
        },
      }),
      observer: { warning: (_, message) => warnings.push(message), ...setting.observer },
    },
    {
      stop: never,
      abort: never,
      countRows: false,
      resolveOnly: false,
      tryBatchSize: false,
      full: false,
      confirmSourceChange: false,
      resendUnknown: false,
      ...setting.options,
    },
    tally,
  );
  return { ledger, destination, tally, warnings, run };
}

/** How the run ended, in one word. */
export async function endOf(run: Promise<EntityEnd>): Promise<EntityEnd['state']> {
  return (await run).state;
}
