/**
 * The search for bad rows in a refused batch: which piece of it is sent next, which rows are known to be bad, and whether
 * it is the rows at all. It only thinks; sending, splitting and settling is isolation.ts's.
 *
 * It goes down to one row first, by halves taken at random, and then begins again with the largest piece that is left. So
 * the rows that are found first stand anywhere in the batch, whatever order its bad rows have.
 */

/** A search over pieces of one batch; the batch itself was sent and refused. */
export interface Search<Piece extends { readonly rows: number }, Row extends { readonly reason: string }> {
  /** The batch, or the piece that was sent last, is now these two. */
  halved(one: Piece, other: Piece): void;
  /** The piece that was sent last is one row, and was refused. */
  refusedAlone(row: Row): void;
  /** The piece that was sent last was accepted. */
  accepted(): void;
  readonly anyAccepted: boolean;
  /** The piece to be sent next, taken out; undefined where none is left, or none need be sent. */
  next(): Piece | undefined;
  /** The reason for which, it seems, every row is refused; undefined as long as the rows may differ. */
  readonly commonReason: string | undefined;
  /** The rows whose refusal is known to be their own, taken out; `all`: the others, too. */
  takeRefusedAlone(all?: 'all'): Row[];
  /** The pieces that were not sent, taken out. */
  takeUnsent(): Piece[];
}

/** Begins a search. So many rows, refused alone for one reason while nothing was accepted, are a common reason. */
export function createSearch<Piece extends { readonly rows: number }, Row extends { readonly reason: string }>(
  sampleRows: number,
): Search<Piece, Row> {
  const unsent: Piece[] = [];
  const alone: Row[] = [];
  let anyAccepted = false;
  let ahead: Piece | undefined;
  const commonReason = () => {
    if (anyAccepted || alone.length < sampleRows) return undefined;
    const reasons = alone.map(({ reason }) => reason);
    return sameReason(reasons) ? reasons[0] : undefined;
  };
  return {
    halved(one, other) {
      const isOneAhead = Math.random() < 0.5;
      ahead = isOneAhead ? one : other;
      unsent.push(isOneAhead ? other : one);
    },
    refusedAlone(row) {
      alone.push(row);
    },
    accepted() {
      anyAccepted = true;
    },
    get anyAccepted() {
      return anyAccepted;
    },
    next() {
      if (commonReason() !== undefined) return undefined;
      const piece = ahead ?? takeLargest(unsent);
      ahead = undefined;
      return piece;
    },
    get commonReason() {
      return commonReason();
    },
    takeRefusedAlone: (all) => (anyAccepted || all ? alone.splice(0) : []),
    takeUnsent() {
      if (ahead !== undefined) unsent.push(ahead);
      ahead = undefined;
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
