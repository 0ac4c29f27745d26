/** `check --json`: docs/json/check.schema.json as types, made from the results. */
import { type CheckKind, type CheckResult, type CheckState, checkTitle } from '../sync/check.ts';
import { printable } from './terminal-text.ts';

/** The document. */
export interface CheckDocument {
  readonly generatedAt: string;
  readonly exitCode: number;
  readonly counts: Readonly<Record<CheckState, number>>;
  readonly checks: readonly CheckedItem[];
}

/** One check. */
export interface CheckedItem {
  readonly check: CheckKind;
  readonly subject: string | null;
  readonly title: string;
  readonly state: CheckState;
  readonly found: string;
  readonly remedy: string | null;
  readonly durationMs: number;
}

/** `exitCode` is the command's. Texts are lines without control characters. */
export function checkDocument(results: readonly CheckResult[], exitCode: number, now: Date): CheckDocument {
  const count = (wanted: CheckState) => results.filter(({ state }) => state === wanted).length;
  return {
    generatedAt: now.toISOString(),
    exitCode,
    counts: { ok: count('ok'), warning: count('warning'), failed: count('failed'), skipped: count('skipped') },
    checks: results.map(({ kind, subject, state, found, remedy, durationMs }) => ({
      check: kind,
      subject: subject === '' ? null : subject,
      title: printable(checkTitle({ kind, subject })),
      state,
      found: printable(found),
      remedy: remedy === undefined ? null : printable(remedy),
      durationMs,
    })),
  };
}
