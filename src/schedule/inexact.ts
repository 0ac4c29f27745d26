/** What a scheduler cannot express. */

/** A schedule that a scheduler cannot keep exactly. `message`: why, one sentence; `hint`: what to do, one sentence. */
export class InexactSchedule extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'InexactSchedule';
    this.hint = hint;
  }
}
