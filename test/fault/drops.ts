/** Cuts the connection to the server before and after each statement of a run, one by one; or all connections at once. */
import { EventEmitter } from 'node:events';
import type { Fault } from '../../dev/sqlserver/faults.ts';
import type { Random } from './random.ts';
import { addFindings, createRig, type Findings, misbehaviours, type Rig } from './rig.ts';

/** Rows of a batch: the run has one of an earlier run, one of its own, and two rows of which one is bad. */
const BATCH_ROWS = 25;
const ROWS = 2 * BATCH_ROWS + 2;

/** How many connections were cut, and what came of it. */
export interface DropReport extends Findings {
  readonly drops: number;
  /** After how many of them the run went on, and ended as one whose connection is not cut. */
  readonly survived: number;
  /** Further runs that the others took. */
  readonly runs: number;
}

/** The connection is lost before the statement runs, or after it and before its answer; or the run's connections all are, before it. */
const CUTS = ['before', 'after', 'with all others before'] as const;

/**
 * Runs the job once for each statement of the run, logins included, and each of CUTS; or for a `share` of them (0 to 1) that
 * `random` chooses. Each run starts from the same tables: an unresolved batch, rows for more, and a row that the receiver
 * refuses by itself. `tell` is told after each statement.
 */
export async function dropAtStatements(
  share: number,
  random: Random,
  tell: (statement: number, report: DropReport) => void = () => {},
): Promise<DropReport> {
  const rig = await createRig({
    idempotency: true,
    concurrency: 1,
    batchSize: BATCH_ROWS,
    rows: ROWS,
    badRows: 1,
    usersOnly: true,
  });
  let report: DropReport = { drops: 0, survived: 0, runs: 0, ...addFindings([]) };
  try {
    const restore = await leaveUnresolvedBatch(rig);
    for (let statement = 1; ; statement += 1) {
      if (!random.chance(share)) continue;
      for (const cut of CUTS) {
        await restore();
        const fault = plant(rig, statement, cut);
        const first = await rig.run();
        rig.calm();
        // The row that is refused is a new dead letter: 1.
        const survived = first.code === 1;
        const further = survived ? [] : await rig.complete();
        const found = await rig.verify(1);
        const problems = [...found.problems, ...misbehaviours([first, ...further])];
        report = {
          ...addFindings([
            report,
            { ...found, problems: problems.map((text) => `cut off ${cut} statement ${statement}: ${text}`) },
          ]),
          drops: report.drops + fault.hits,
          survived: report.survived + (survived ? fault.hits : 0),
          runs: report.runs + further.length,
        };
        if (fault.hits === 0) return report;
      }
      tell(statement, report);
    }
  } finally {
    await rig.close();
  }
}

function plant({ server }: Rig, statement: number, cut: (typeof CUTS)[number]): Fault {
  const match = /./s;
  if (cut !== 'with all others before') return server.faults.add({ match, on: statement, action: { drop: cut } });
  const fault = server.faults.add({ match, on: statement, action: { hold: true } });
  fault.struck.then(async () => {
    await server.dropConnections();
    fault.remove();
  });
  return fault;
}

/** Has a run cut off while its first batch is in flight; gives a way back to the tables that it leaves. */
async function leaveUnresolvedBatch(rig: Rig): Promise<() => Promise<void>> {
  const signals = new EventEmitter();
  rig.receiver.respond(() => {
    signals.emit('SIGINT');
    signals.emit('SIGINT');
    return { send: 'none' };
  });
  const { code, stderr } = await rig.run({ signals });
  if (code !== 130) throw new Error(`expected the exit code of SIGINT, found ${code}: ${stderr}`);
  rig.calm();
  const columns =
    'BatchId, RunId, EntityType, Operation, State, RowsInBatch, BodyHash, Body, RowKeys, Attempts, RunsTried, CreatedAt';
  const [kept] = await rig.log(
    `SELECT ${columns} INTO dbo.UnresolvedBatch FROM dbo.TB_R_SYNC_BATCH WHERE State = N'sending';
     SELECT COUNT(*) AS Batches FROM dbo.UnresolvedBatch`,
  );
  if (kept?.Batches !== 1) throw new Error(`expected one unresolved batch, found ${kept?.Batches}`);
  return async () => {
    await rig.forget();
    await rig.log(`INSERT INTO dbo.TB_R_SYNC_BATCH (${columns}) SELECT ${columns} FROM dbo.UnresolvedBatch`);
  };
}
