/** `tamhr-sync plan`: a dry run that tells of each entity what would be sent and deleted, and why. */
import { type Command, InvalidArgumentError } from 'commander';
import type { CommandContext } from './context.ts';
import { writeOut } from './output.ts';
import { openRunOutput } from './run-output.ts';
import { addSelectionOptions, runConfigured, type SelectionOptions } from './run-wiring.ts';

/** Rows that are shown of each operation of each entity, unless --sample says otherwise. */
const SAMPLED = 3;

interface PlanCommandOptions extends SelectionOptions {
  readonly sample?: number;
  readonly showValues?: true;
  readonly json?: true;
}

/** Adds the command to the program. It ends as `run --dry-run` does. */
export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('plan')
    .description('show what a run would send and delete, and why, with samples; sends and stores nothing');
  addSelectionOptions(command, 'plan')
    .option(
      '--sample <rows>',
      `show this many rows to send and to delete of each entity (default: ${SAMPLED})`,
      sampleSize,
    )
    .option('--show-values', "show the samples' values, which are masked otherwise")
    .option('--json', 'print one JSON document')
    .action(async (options: PlanCommandOptions) => {
      const document = await planned(context, options);
      const { stdout, env } = context.io;
      if (options.json) await writeOut(stdout, `${JSON.stringify(document, null, 2)}\n`);
      else {
        const { planText } = await import('../report/plan-text.ts');
        const { wantsColour } = await import('../report/colour.ts');
        const columns = stdout.columns === undefined ? {} : { columns: stdout.columns };
        await writeOut(stdout, planText(document, { ...columns, colour: wantsColour(stdout, env) }));
      }
      context.exit(document.exitCode);
    });
}

async function planned(context: CommandContext, options: PlanCommandOptions) {
  const config = await context.loadConfig();
  const { createPlanWatch } = await import('../report/plan-json.ts');
  const plan = createPlanWatch({ sample: options.sample ?? SAMPLED, showValues: options.showValues === true });
  const openOutput = () =>
    // The document tells of entities; stderr is left to what concerns the run as a whole.
    openRunOutput(context, config, { progress: true }, (log) => ({
      ...plan.observer,
      runWarning: (message) => log.warn(message),
    }));
  return plan.document(await runConfigured(context, config, { ...options, dryRun: true }, 'plan', openOutput));
}

function sampleSize(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('Expected a whole number.');
}
