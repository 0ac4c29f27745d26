/** What the exit codes of the commands of `tamhr-sync ledger` mean, as their help prints them. They are those of exit-codes.ts. */
import type { Command } from 'commander';

const LOCKED = 'a run holds the lock of every entity asked for';
const SOME_LOCKED = 'a run holds the lock of some entities, or the output could not be written';

/** Of each command: 0, 1 and where it may end so 75; and under '' of all of them. */
const OWN: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  show: {
    0: 'shown',
    1: 'nobody knows a key, no row matches --where, a source could not be read, or the output not be written',
  },
  verify: {
    0: 'source and ledger agree',
    1: `they differ, some sources could not be read, ${SOME_LOCKED}`,
    75: `${LOCKED} (--repair)`,
  },
  adopt: {
    0: 'all rows asked for count as sent',
    1: `keys are not in the source, rows have no payload or collide, ${SOME_LOCKED}`,
    75: LOCKED,
  },
  forget: {
    0: 'forgotten, or the answer was no',
    1: `keys are not tracked, ${SOME_LOCKED}`,
    75: LOCKED,
  },
  rehash: {
    0: 'rehashed (but for dead letters, which are left alone)',
    1: `rows have no payload, ${SOME_LOCKED}`,
    75: LOCKED,
  },
  export: { 0: 'written, or nobody reads any more', 1: 'the output could not be written' },
  prune: { 0: 'removed' },
  '': { 0: 'done', 1: 'in part: --help of each command tells more', 75: LOCKED },
};

const COMMON: Readonly<Record<number, string>> = {
  1: 'the output could not be written',
  64: 'wrong usage',
  69: 'the log database, or the source, could not be reached or used',
  70: 'a bug: unexpected error',
  78: 'configuration invalid',
  130: 'stopped by SIGINT; what was done until then stays',
  143: 'stopped by SIGTERM; what was done until then stays',
};

/** Each exit code of the command with its meaning; undefined where it is none of `tamhr-sync ledger`. */
export function ledgerExitCodes(command: Command): Readonly<Record<number, string>> | undefined {
  if (command.name() === 'ledger') return { ...COMMON, ...OWN[''] };
  return command.parent?.name() === 'ledger' ? { ...COMMON, ...OWN[command.name()] } : undefined;
}
