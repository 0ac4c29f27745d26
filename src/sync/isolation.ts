/**
 * What becomes of a batch that the destination refuses for its rows or its size: it is taken apart, its pieces are sent as
 * batches of their own, bad rows become dead letters, everything else goes through. Which piece comes next: search.ts.
 */
import type { BatchSteps, Numbered } from './batch-steps.ts';
import type { Breaker } from './breaker.ts';
import type { Delivery } from './delivery.ts';
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import { hashAt } from './hash.ts';
import type { Attempt, Batch, DeadLetter, Ledger } from './ports.ts';
import { nothingThereError, schemaError } from './refusal.ts';
import { createSearch, type Search, sameReason } from './search.ts';
import { isAlreadyGone } from './verdict.ts';

/** From this size on it is asked whether it is the rows at all: smaller batches are searched to their end soon enough. */
const LARGE_BATCH_ROWS = 100;

/** So many rows, refused alone for one reason while nothing else of a large batch was accepted, tell that all are. */
const SAMPLE_ROWS = 8;

/** The same, once it was so for another batch of the run. */
const LATER_SAMPLE_ROWS = 3;

/** A batch of so many rows of which nothing was accepted counts as failed: else nothing would bound the calls. */
const TELLING_BATCH_ROWS = 10;

/** What is known of a batch beside its answer. */
export interface BatchKind {
  /** Dead letters that are tried again: that all of them are refused for one reason says nothing. */
  readonly suspects?: boolean;
  /** It was refused by a 500, run after run: for its pieces, too, a 500 is a refusal. */
  readonly serverErrors?: boolean;
}

/** A batch that was refused for its rows (verdict `halve`) or its size (`shrink`), and is not settled. */
interface Refused {
  readonly sent: Numbered;
  readonly delivery: Delivery;
}

/** A piece of a refused batch: reserved, not sent. `isolates`: to find bad rows, not to make batches smaller. */
interface Piece {
  readonly sent: Numbered;
  readonly rows: number;
  readonly isolates: boolean;
}

/** A row that was refused by itself, or (of a deletion) that the destination says it does not have. */
interface RefusedRow extends Refused {
  readonly reason: string;
}

/** A batch that is being taken apart. */
interface Tree {
  readonly kind: BatchKind;
  readonly search: Search<Piece, RefusedRow>;
  /** What is reserved and neither settled nor counted. */
  readonly open: Set<Numbered>;
}

/** Takes refused batches of one entity apart. */
export interface Isolation {
  /** Rows that the destination is known to take in a batch; Infinity where it never refused one for its size. */
  readonly maxBatchRows: number;
  /** The SyncError DESTINATION_REFUSED of a batch in which every row was refused for one reason, if there was one. */
  readonly schemaProblem: SyncError | undefined;
  /**
   * Takes a batch apart until its bad rows stand alone, in at most 2 · ⌈log2 rows⌉ further calls for each of them. Throws
   * what `finish` throws, and schemaProblem where that has opened the breaker.
   */
  takeApart(root: Refused, kind: BatchKind): Promise<void>;
  /** Settles a batch all of whose rows were refused for one reason, so that they are pending again; throws likewise. */
  refuseAll(sent: Numbered, attempts: readonly Attempt[], reason: string): Promise<void>;
}

/** `finish` ends the delivery of a piece that was not refused. */
export function createIsolation(
  entity: Entity,
  ledger: Pick<Ledger, 'rememberMaxBatchRows'>,
  steps: BatchSteps,
  breaker: Breaker,
  finish: (sent: Numbered, delivery: Delivery) => Promise<void>,
  knownMaxBatchRows: number,
): Isolation {
  const { maxIsolationCalls } = entity.destination;
  const spentNote = `not searched any further for bad rows: maxIsolationCalls (${maxIsolationCalls}) are used up`;
  let calls = 0;
  let maxBatchRows = knownMaxBatchRows;
  let schemaProblem: SyncError | undefined;

  async function takeApart(root: Refused, kind: BatchKind): Promise<void> {
    const sampleRows = schemaProblem === undefined ? SAMPLE_ROWS : LATER_SAMPLE_ROWS;
    const isAsked = root.sent.batch.keys.length >= LARGE_BATCH_ROWS && !kind.suspects;
    const search: Tree['search'] = createSearch(isAsked ? sampleRows : Number.POSITIVE_INFINITY);
    const tree: Tree = { kind, search, open: new Set([root.sent]) };
    try {
      await searchThrough(root, tree);
    } catch (error) {
      for (const { batch } of tree.open) steps.countUnresolved(batch);
      throw error;
    }
  }

  async function searchThrough(root: Refused, tree: Tree): Promise<void> {
    const { search, kind } = tree;
    const rows = root.sent.batch.keys.length;
    let stopped: { readonly error: unknown } | undefined;
    const note = await sendPieces(root, tree).catch((error) => {
      // Where the ledger fails, nothing more can be settled.
      if (!(error instanceof SyncError) || error.code !== 'DESTINATION_REFUSED') throw error;
      stopped = { error };
      return 'not sent: another part of its batch stopped the entity';
    });
    const { commonReason, anyAccepted } = search;
    for (const { sent } of search.takeUnsent()) await release(tree, sent, [], note);
    // An outage in the middle of the search looks the same.
    const isNoVerdict = commonReason !== undefined || (kind.serverErrors && !anyAccepted && rows > 1);
    let gone: RefusedRow | undefined;
    const alone = search.takeRefusedAlone('all');
    const areTooLarge = alone.every(({ delivery }) => delivery.verdict === 'shrink');
    for (const row of alone) {
      // None of several is there, though the destination has taken them all: rather, there is no such endpoint.
      const isDoubtful = isGone(row) && !anyAccepted && rows > 1;
      if (isDoubtful) gone ??= row;
      if (isNoVerdict || isDoubtful) {
        await release(tree, row.sent, row.delivery.attempts, 'refused alone, as all that was tried');
      } else {
        await bury(tree, row);
      }
    }
    if (gone !== undefined) stopped ??= { error: nothingThereError(entity, rows, gone.delivery.attempts.at(-1)) };
    if (root.delivery.verdict === 'shrink' && root.sent.batch.operation === 'upsert') await learnSize();
    if (stopped !== undefined) {
      steps.fail(stopped.error);
      throw stopped.error;
    }
    if (commonReason !== undefined) noteSchemaProblem(rows, commonReason, areTooLarge);
    else if (!anyAccepted && rows >= TELLING_BATCH_ROWS) breaker.failed();
  }

  /** Sends pieces until none is left; returns why some are, as a note. */
  async function sendPieces(root: Refused, tree: Tree): Promise<string> {
    const { search, kind, open } = tree;
    let refused: Refused | undefined = root;
    for (;;) {
      if (refused !== undefined) {
        const { sent, delivery } = refused;
        const isolates = delivery.verdict === 'halve';
        if (sent.batch.keys.length === 1) {
          search.refusedAlone({ sent, delivery, reason: delivery.attempts.at(-1)?.error ?? 'no reason was given' });
        } else if (isolates && calls >= maxIsolationCalls) {
          await release(tree, sent, delivery.attempts, spentNote);
          return spentNote;
        } else {
          const [first, second] = await splitUp(tree, refused, isolates);
          search.halved(first, second);
        }
      }
      for (const row of search.takeRefusedAlone()) await bury(tree, row);
      const piece = search.next();
      if (piece === undefined) return 'not sent: the rows that were tried were all refused for the same reason';
      if (piece.isolates && calls >= maxIsolationCalls) {
        await release(tree, piece.sent, [], spentNote);
        return spentNote;
      }
      if (!(await steps.begin(piece.rows))) {
        await release(tree, piece.sent, [], steps.whyNotSent());
        return steps.whyNotSent();
      }
      if (piece.isolates) calls += 1;
      const { sent } = piece;
      const delivery = await steps.deliver(sent, {
        ambiguous: false,
        serverErrorRefuses: kind.serverErrors === true,
      });
      const isRefused = delivery.verdict === 'halve' || delivery.verdict === 'shrink' || isGone({ sent, delivery });
      refused = isRefused ? { sent, delivery } : undefined;
      if (refused !== undefined) continue;
      open.delete(sent);
      await finish(sent, delivery);
      if (delivery.verdict === 'accepted') search.accepted();
    }
  }

  async function splitUp(tree: Tree, { sent, delivery }: Refused, isolates: boolean): Promise<[Piece, Piece]> {
    tree.open.delete(sent);
    const halves = await steps.split(sent, delivery.attempts);
    const pieces = halves.map((batch) => ({ sent: steps.number(batch), rows: batch.keys.length, isolates }));
    for (const piece of pieces) tree.open.add(piece.sent);
    return pieces as [Piece, Piece];
  }

  /** Settles a row that was refused by itself as a dead letter; the deletion of one that is not there is done. */
  async function bury({ open }: Tree, row: RefusedRow): Promise<void> {
    const { sent, delivery, reason } = row;
    const { attempts } = delivery;
    open.delete(sent);
    if (isGone(row)) return finish(sent, delivery);
    await steps.settle(sent, { state: 'refused', attempts }, [
      letterOf(sent.batch, 0, reason, attempts.at(-1)?.status),
    ]);
  }

  /** Settles what is reserved so that its rows are pending again. */
  async function release({ open }: Tree, sent: Numbered, attempts: readonly Attempt[], note: string): Promise<void> {
    open.delete(sent);
    await steps.settle(sent, { state: 'refused', attempts, note });
  }

  /** After a 413: what was accepted so far is what the destination takes for sure. One fat row does not make all small. */
  async function learnSize(): Promise<void> {
    const { largestAccepted } = steps;
    if (largestAccepted === 0 || largestAccepted >= Math.min(maxBatchRows, entity.destination.batchSize)) return;
    maxBatchRows = largestAccepted;
    await ledger.rememberMaxBatchRows(maxBatchRows);
  }

  function noteSchemaProblem(rows: number, reason: string, isTooLarge = false): void {
    const problem = schemaError(entity, rows, { reason, isTooLarge });
    schemaProblem ??= problem;
    steps.warn(`${problem.message.replace(`${entity.name}: `, '')} ${problem.hint}`);
    breaker.failed();
    if (breaker.reason === undefined) return;
    steps.fail(schemaProblem);
    throw schemaProblem;
  }

  return {
    get maxBatchRows() {
      return maxBatchRows;
    },
    get schemaProblem() {
      return schemaProblem;
    },
    takeApart,
    async refuseAll(sent, attempts, reason) {
      await steps.settle(sent, { state: 'refused', attempts, note: `every row was rejected: ${reason}` });
      noteSchemaProblem(sent.batch.keys.length, reason);
    },
  };
}

function isGone({ sent, delivery }: Refused): boolean {
  const last = delivery.attempts.at(-1);
  return last !== undefined && isAlreadyGone(sent.batch, last);
}

/** The reason for which an answer rejects every row of a large batch; undefined where it does not. */
export function reasonForAll({ keys }: Batch, reasons: readonly string[]): string | undefined {
  const isAll = reasons.length === keys.length && reasons.length >= LARGE_BATCH_ROWS && sameReason(reasons);
  return isAll ? reasons[0] : undefined;
}

/** The dead letter of a row in a batch. */
export function letterOf({ keys, hashes }: Batch, index: number, reason: string, httpStatus?: number): DeadLetter {
  return {
    key: keys[index] as string,
    hash: Uint8Array.from(hashAt(hashes, index)),
    reason,
    ...(httpStatus !== undefined && { httpStatus }),
  };
}
