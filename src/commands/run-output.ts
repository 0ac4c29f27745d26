/** What shows a run as it goes: the program's log, and progress bars on a terminal. `run` and `plan` share it. */
import type { Config } from '../config/config.ts';
import type { Log } from '../log/log.ts';
import type { RunObserver } from '../sync/ports.ts';
import type { CommandContext } from './context.ts';

/** How much of a run is shown on stderr. */
export interface RunOutputOptions {
  readonly quiet?: true;
  readonly verbose?: true;
  readonly progress: boolean;
}

/** The log, and an observer that feeds it and the bars. */
export interface RunOutput {
  readonly log: Log;
  readonly observer: RunObserver & { readonly showsTotals: boolean };
  close(): Promise<void>;
}

/** Opens both; `watch` makes the observer that stands beside the progress bars. */
export async function openRunOutput(
  { io, redactor }: CommandContext,
  config: Config,
  options: RunOutputOptions,
  watch: (log: Log) => RunObserver,
): Promise<RunOutput> {
  const { createLog } = await import('../log/log.ts');
  const progress =
    io.stderr.isTTY && options.progress && !options.quiet
      ? (await import('../report/progress.ts')).createProgress(io.stderr)
      : undefined;
  const { format, file } = config.logging;
  const level = options.quiet ? 'warn' : options.verbose ? 'debug' : config.logging.level;
  const log = createLog({
    level,
    // The bars say what the batches' lines would.
    ...(progress && level === 'info' && { stderrLevel: 'warn' }),
    format,
    stderr: { write: (text) => (progress ? progress.print(text) : io.stderr.write(text)) },
    redactor,
    ...(file !== undefined && { file }),
  });
  const watching = watch(log);
  return {
    log,
    observer: { ...(progress ? both(progress.observer, watching) : watching), showsTotals: progress !== undefined },
    async close() {
      progress?.close();
      await log.close();
    },
  };
}

function both(first: RunObserver, second: RunObserver): RunObserver {
  const forwarded: Record<keyof RunObserver, true> = {
    entityStarted: true,
    comparing: true,
    planned: true,
    pageRead: true,
    retrying: true,
    batchEnded: true,
    entityEnded: true,
    warning: true,
    runWarning: true,
  };
  const events = Object.keys(forwarded) as (keyof RunObserver)[];
  const tell =
    (event: keyof RunObserver) =>
    (...details: never[]) => {
      for (const observer of [first, second])
        (observer[event] as ((...details: never[]) => void) | undefined)?.(...details);
    };
  return Object.fromEntries(events.map((event) => [event, tell(event)]));
}
