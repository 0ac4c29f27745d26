/** `tamhr-sync runs [RUN]`: the runs of the past, or one of them in detail. */
import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import type { RunMatch, RunStore } from '../sync/run-history.ts';
import type { CommandContext } from './context.ts';
import { positiveInteger } from './positive-integer.ts';
import { timedTextOptions } from './text-options.ts';

/** Runs that are listed, unless --limit says otherwise. */
const RUNS_LISTED = 20;

/** Batches of one run that are listed, unless --limit says otherwise. */
const BATCHES_LISTED = 50;

interface RunsOptions {
  readonly limit?: number;
  readonly json?: true;
}

/**
 * Adds the command. It ends with 0 when it could report, with 1 where RUN names no run or several, and with 69 when the log
 * database could not be used.
 */
export function register(program: Command, context: CommandContext): void {
  program
    .command('runs')
    .description('list the runs, newest first, or show one with its entities and batches')
    .argument('[run]', "a run's id or its beginning, or last")
    .option(
      '--limit <number>',
      `list at most this many runs (default: ${RUNS_LISTED}), or batches of the one run (default: ${BATCHES_LISTED})`,
      positiveInteger,
    )
    .option('--json', 'print one JSON document')
    .action(async (run: string | undefined, options: RunsOptions) => {
      const config = await context.loadConfig();
      const settings = config.connections[config.logConnection];
      if (settings === undefined) throw new Error(`the configuration has no connection ${config.logConnection}`);
      const { openRuns } = await import('../sqlserver/runs.ts');
      const store = openRuns(settings);
      try {
        if (run === undefined) await list(context, config, store, options);
        else await show(context, config, store, run, options);
      } finally {
        await store.close();
      }
    });
}

async function list(context: CommandContext, config: Config, store: RunStore, { limit, json }: RunsOptions) {
  const { runsDocument } = await import('../report/runs-json.ts');
  const document = runsDocument(await store.list(limit ?? RUNS_LISTED), new Date());
  const { runsText } = await import('../report/runs-text.ts');
  context.io.stdout.write(
    json ? `${JSON.stringify(document, null, 2)}\n` : runsText(document, await timedTextOptions(context, config)),
  );
}

async function show(
  context: CommandContext,
  config: Config,
  store: RunStore,
  run: string,
  { limit, json }: RunsOptions,
) {
  const { findRun } = await import('../sync/run-history.ts');
  const match = findRun(run, await store.references());
  const detail = 'runId' in match ? await store.detail(match.runId, limit ?? BATCHES_LISTED) : undefined;
  if (detail === undefined) return reportUnknown(context, config, run, match);
  const { runDetailDocument } = await import('../report/runs-json.ts');
  const names = new Map(config.entities.map(({ name, trackingLabels: [label] }) => [label.toLowerCase(), name]));
  const document = runDetailDocument(detail, (label) => names.get(label.toLowerCase()), new Date());
  const { runDetailText } = await import('../report/runs-text.ts');
  context.io.stdout.write(
    json ? `${JSON.stringify(document, null, 2)}\n` : runDetailText(document, await timedTextOptions(context, config)),
  );
}

async function reportUnknown(context: CommandContext, config: Config, run: string, match: RunMatch): Promise<void> {
  const { referenceLines } = await import('../report/runs-text.ts');
  const { printable } = await import('../report/terminal-text.ts');
  const lines = 'fitting' in match ? match.fitting : 'near' in match ? match.near : [];
  const what = 'fitting' in match ? `Several runs begin with ${run}:` : `No run is named ${run}.`;
  const hint = 'fitting' in match ? '' : lines.length === 0 ? 'No run has been recorded yet.\n' : 'The nearest are:\n';
  const runs = referenceLines(lines, config.schedule?.timeZone ?? 'UTC');
  context.io.stderr.write(`error: ${printable(what)}\n${hint}${runs}tamhr-sync runs lists them.\n`);
  context.exit(1);
}
