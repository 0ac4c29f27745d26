/** `tamhr-sync help [COMMAND | TOPIC]`: help for a command, as its --help prints it, or a topic of its own. */
import type { Command } from 'commander';
import type { HelpTopic } from '../report/help-topics.ts';
import { SyncError } from '../sync/errors.ts';
import type { CommandContext } from './context.ts';

/** Adds the command, in place of commander's own. It ends with 64 where there is neither command nor topic of that name. */
export function register(program: Command, context: CommandContext): void {
  program
    .command('help')
    .description('show help for a command, or on a topic: exit-codes, configuration, secrets, topics')
    .argument('[name...]', 'a command, or a topic')
    .action(async (names: readonly string[]) => {
      const { HELP_TOPICS } = await import('../report/help-topics.ts');
      const [topic = '', ...keys] = names;
      if (Object.hasOwn(HELP_TOPICS, topic)) await printTopic(context, topic as HelpTopic, keys);
      else commandNamed(program, names, Object.keys(HELP_TOPICS)).outputHelp();
    });
}

function commandNamed(program: Command, names: readonly string[], topics: readonly string[]): Command {
  let command = program;
  for (const name of names) {
    const next = command.commands.find((candidate) => candidate.name() === name);
    if (next === undefined) {
      const known = command.commands.map((candidate) => candidate.name()).join(', ');
      throw new SyncError(
        'USAGE',
        `There is no help on ${names.join(' ')}.`,
        `${command === program ? 'Commands' : `Commands of ${command.name()}`} are: ${known}. Topics are: ${topics.join(', ')}.`,
      );
    }
    command = next;
  }
  return command;
}

async function printTopic({ io: { stdout, env } }: CommandContext, topic: HelpTopic, wanted: readonly string[]) {
  const { configReference } = await import('../config/reference.ts');
  const { topicText } = await import('../report/help-topics.ts');
  const { wantsColour } = await import('../report/colour.ts');
  if (wanted.length > 0 && topic !== 'configuration') {
    throw new SyncError('USAGE', `The topic ${topic} takes no further name.`, `Try tamhr-sync help ${topic}.`);
  }
  const all = configReference();
  const keys = wanted.length === 0 ? all : all.filter(({ key }) => wanted.some((name) => isAtOrBelow(key, name)));
  if (keys.length === 0) {
    throw new SyncError(
      'USAGE',
      `The configuration has no key ${wanted.join(' ')}.`,
      'tamhr-sync help configuration lists all keys.',
    );
  }
  const columns = stdout.columns === undefined ? {} : { columns: stdout.columns };
  stdout.write(topicText(topic, keys, wanted.length === 0, { ...columns, colour: wantsColour(stdout, env) }));
}

function isAtOrBelow(key: string, name: string): boolean {
  return key === name || key.startsWith(`${name}.`) || key.startsWith(`${name}[]`);
}
