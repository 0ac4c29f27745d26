/** What a scheduler is to start, and the starts in words; each scheduler's notation is in a file of its own. */
import type { Schedule } from './due.ts';
import { InexactSchedule } from './inexact.ts';
import { followedStarts, moveStarts, SECOND_START_MINUTES, type Starts } from './starts.ts';

/** The nightly job, to be handed to a scheduler. Paths are absolute. */
export interface ScheduledJob {
  /** Name of units and tasks, of letters, digits, `-` and `_`. */
  readonly name: string;
  readonly schedule: Schedule;
  /** Zone of the clock that cron and Task Scheduler go by; an IANA name. */
  readonly machineZone: string;
  /** Node's executable and the script that it runs. */
  readonly node: string;
  readonly script: string;
  readonly config: string;
  readonly secrets?: string;
  /** Names of the entities that it is to run; absent: all. */
  readonly entities?: readonly string[];
  /** File for the log; absent: the scheduler's own (the journal). */
  readonly log?: string;
  /** Account of the job, where not the scheduler's default. */
  readonly user?: string;
}

/** A file for a scheduler. */
export interface SchedulerFile {
  readonly name: string;
  readonly text: string;
}

/** Stands in everything that is written, so that it is known as ours. */
export const WRITTEN_BY = 'Written by tamhr-sync schedule';

/** The command line of the job, or of its second start, a word an element. */
export function commandWords(job: ScheduledJob, second: boolean): string[] {
  const { node, script, config, secrets, entities = [] } = job;
  return [
    node,
    script,
    'run',
    ...(second ? ['--resolve-only'] : []),
    // A name of its own: it may begin with a hyphen.
    ...entities.map((name) => `--entity=${name}`),
    '--config',
    config,
    ...(secrets === undefined ? [] : ['--secrets', secrets]),
  ];
}

/**
 * The second starts, half an hour after the first ones, by a clock that is `minutes` ahead. None where another start follows
 * within the hour, or where they would fall on a day that cannot be told exactly: then the next run resolves.
 */
export function secondStarts(starts: Starts, minutes: number): Starts[] {
  const followed = followedStarts(starts);
  if (followed === undefined) return [];
  try {
    return moveStarts(followed, minutes + SECOND_START_MINUTES);
  } catch (error) {
    if (error instanceof InexactSchedule) return [];
    throw error;
  }
}

/** Throws InexactSchedule for a word that would end its line, or that holds one of `characters`, which cannot be quoted there. */
export function checkWords(job: ScheduledJob, scheduler: string, characters = ''): void {
  for (const word of [...commandWords(job, false), job.log ?? '']) {
    const bad = [...word].find((character) => character < ' ' || characters.includes(character));
    if (bad === undefined) continue;
    throw new InexactSchedule(
      `${scheduler} cannot be given ${JSON.stringify(word)}, since it holds ${JSON.stringify(bad)}.`,
      'Choose names of files, folders and entities without such a character.',
    );
  }
}
