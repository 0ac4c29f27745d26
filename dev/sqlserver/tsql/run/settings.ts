/** SET options: the ones that clients send are accepted with the values that the stand-in behaves by, all others refused. */
import type { Statement } from '../ast.ts';
import { sqlError, unsupported } from '../errors.ts';

/** What a session has set; sp_reset_connection brings the defaults back. */
export interface Settings {
  noCount: boolean;
  xactAbort: boolean;
  lockTimeout: number;
  textSize: number;
  implicitTransactions: boolean;
  quotedIdentifier: boolean;
  metadataOnly: boolean;
  isolation: 'READ UNCOMMITTED' | 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE' | 'SNAPSHOT';
}

/** What a new session has, where the server is not set up otherwise. */
export const defaultSettings: Settings = {
  noCount: false,
  xactAbort: false,
  lockTimeout: -1,
  textSize: 2147483647,
  implicitTransactions: false,
  quotedIdentifier: true,
  metadataOnly: false,
  isolation: 'READ COMMITTED',
};

/** Options of which only one value is how the stand-in behaves. */
const fixed: Readonly<Record<string, string>> = {
  ANSI_NULLS: 'ON',
  ANSI_NULL_DFLT_ON: 'ON',
  ANSI_NULL_DFLT_OFF: 'OFF',
  ANSI_PADDING: 'ON',
  ANSI_WARNINGS: 'ON',
  ANSI_DEFAULTS: 'ON',
  ARITHABORT: 'ON',
  ARITHIGNORE: 'OFF',
  CONCAT_NULL_YIELDS_NULL: 'ON',
  CURSOR_CLOSE_ON_COMMIT: 'OFF',
  NOEXEC: 'OFF',
  NO_BROWSETABLE: 'OFF',
  NUMERIC_ROUNDABORT: 'OFF',
  FORCEPLAN: 'OFF',
  DATEFIRST: '7',
  DATEFORMAT: 'MDY',
  ROWCOUNT: '0',
};

const switches: Readonly<Record<string, keyof Settings>> = {
  NOCOUNT: 'noCount',
  XACT_ABORT: 'xactAbort',
  IMPLICIT_TRANSACTIONS: 'implicitTransactions',
  QUOTED_IDENTIFIER: 'quotedIdentifier',
  FMTONLY: 'metadataOnly',
};

/** Applies SET option, … value. Throws 102 for a value that the stand-in can't keep. */
export function applySetting(settings: Settings, statement: Extract<Statement, { kind: 'setOption' }>): void {
  for (const option of statement.options) applyOne(settings, option, statement.value);
}

function applyOne(settings: Settings, option: string, value: string): void {
  const key = switches[option];
  if (key !== undefined) (settings as unknown as Record<string, boolean>)[key] = value === 'ON';
  // ARITHABORT OFF is what db-lib clients send; with ANSI_WARNINGS ON it changes nothing.
  else if (option === 'ARITHABORT') return;
  else if (fixed[option] !== undefined) {
    if (fixed[option] !== value) throw unsupported(`SET ${option} ${value}`);
  } else if (option === 'ISOLATION') settings.isolation = value as Settings['isolation'];
  else if (option === 'LOCK_TIMEOUT') settings.lockTimeout = Math.max(-1, Number(value));
  else if (option === 'TEXTSIZE') settings.textSize = Number(value) <= 0 ? 2147483647 : Number(value);
  else if (option === 'LANGUAGE') {
    if (!['US_ENGLISH', 'ENGLISH'].includes(value)) throw unsupported(`SET LANGUAGE ${value}`);
  } else if (option === 'DEADLOCK_PRIORITY') {
    if (!['LOW', 'NORMAL', 'HIGH'].includes(value)) throw sqlError(102, value);
    // A victim is always the session whose request closes the circle.
    if (value !== 'NORMAL') throw unsupported(`SET DEADLOCK_PRIORITY ${value}`);
  } else throw unsupported(`SET ${option}`);
}
