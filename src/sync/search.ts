/**
 * The search for bad rows in a refused batch: which piece of it is sent next, which rows are known to be bad, and whether
 * it is the rows at all. It only thinks; what it is to send, split and settle is the sender's (sender.ts).
 *
 * It goes down to one row first, by first halves, and then begins again with the largest piece that is left. So the rows
 * that are found first stand far apart.
 */

/** Batches are searched for a common reason from this size on: a smaller one is searched to its end soon enough. */
export const LARGE_BATCH_ROWS = 100;

/** So many rows, refused alone for one reason while nothing else of a large batch was accepted, are enough. */
const SAMPLE_ROWS = 8;

/** A row that was refused by itself, and why. */
export interface RefusedAlone {
  readonly reason: string;
}

/** A search over pieces of one batch; the batch itself was sent and refused. */
export interface Search<Piece extends { readonly rows: number }, Row extends RefusedAlone> {
  /** The batch, or the piece that was sent last, is now these two. */
  halved(first: Piece, second: Piece): void;
  /** The piece that was sent last is one row, and was refused. */
  refusedAlone(row: Row): void;
  /** The piece that was sent last was accepted. */
  accepted(): void;
  /** The piece to be sent next, taken out; undefined where none is left, or nothing more need be sent. */
  next(): Piece | undefined;
  /** The reason for which, it seems, every row is refused; undefined as long as the rows may differ. */
  readonly commonReason: string | undefined;
  /** The rows whose refusal is known to be their own, taken out; `all`: the others, too. */
  takeRefusedAlone(all?: 'all'): Row[];
  /** The pieces that were not sent, taken out. */
  takeUnsent(): Piece[];
}

/** Begins the search in a batch of so many rows. */
export function createSearch<Piece extends { readonly rows: number }, Row extends RefusedAlone>(
  batchRows: number,
): Search<Piece, Row> {
  const unsent: Piece[] = [];
  const alone: Row[] = [];
  let anyAccepted = false;
  let first: Piece | undefined;
  const commonReason = () => {
    if (anyAccepted || batchRows < LARGE_BATCH_ROWS || alone.length < SAMPLE_ROWS) return undefined;
    const reasons = alone.map(({ reason }) => reason);
    return sameReason(reasons) ? reasons[0] : undefined;
  };
  return {
    halved(one, other) {
      first = one;
      unsent.push(other);
    },
    refusedAlone(row) {
      alone.push(row);
    },
    accepted() {
      anyAccepted = true;
    },
    next() {
      if (commonReason() !== undefined) return undefined;
      const piece = first ?? takeLargest(unsent);
      first = undefined;
      return piece;
    },
    get commonReason() {
      return commonReason();
    },
    takeRefusedAlone: (all) => (anyAccepted || all ? alone.splice(0) : []),
    takeUnsent() {
      if (first !== undefined) unsent.push(first);
      first = undefined;
      return unsent.splice(0);
    },
  };
}

/** Whether these texts say the same, but for numbers and masked values. */
export function sameReason(reasons: readonly string[]): boolean {
  return new Set(reasons.map((reason) => reason.replace(/\*{3}|\d+/g, '#'))).size === 1;
}

function takeLargest<Piece extends { readonly rows: number }>(pieces: Piece[]): Piece | undefined {
  let largest = 0;
  for (const [index, { rows }] of pieces.entries()) if (rows > (pieces[largest]?.rows ?? 0)) largest = index;
  return pieces.splice(largest, 1)[0];
}
