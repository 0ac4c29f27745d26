/** How a command's text is to look on the stdout that it has. */
import type { TextOptions } from '../report/view.ts';
import type { CommandContext } from './context.ts';

/** Width and colour, as the terminal and the environment say. */
export async function textOptions({
  io: { stdout, env },
}: CommandContext): Promise<Pick<TextOptions, 'columns' | 'colour'>> {
  const { wantsColour } = await import('../report/colour.ts');
  return {
    ...(stdout.columns !== undefined && { columns: stdout.columns }),
    colour: wantsColour(stdout, env),
  };
}

/** The same with the schedule's time zone. */
export async function timedTextOptions(
  context: CommandContext,
  { schedule }: { readonly schedule?: { readonly timeZone: string } },
): Promise<TextOptions> {
  return { ...(await textOptions(context)), timeZone: schedule?.timeZone ?? 'UTC' };
}
