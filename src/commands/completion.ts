/** `tamhr-sync completion SHELL`, and the hidden `complete` that the shells' scripts call. The only home of @bomb.sh/tab. */
import { resolve } from 'node:path';
import type { RootCommand } from '@bomb.sh/tab';
import { Argument, type Command, type Option } from 'commander';
import type { CommandContext } from './context.ts';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'];

/**
 * The library's script for bash never completes names of files, which options such as --config need (it switches them off by
 * itself where they are not wanted), and cannot be read twice in one shell.
 */
function forBash(script: string): string {
  return `${script.replaceAll(/^readonly /gm, '')}complete -o default -F __tamhr_sync_complete tamhr-sync\n`;
}

/** What ends the library's answer where nothing else is to be completed, and where names of files are. */
const NO_FILES = ':4';
const FILES = ':0';

/** Adds both commands. They end with 0, `completion` with 64 for a shell that it does not know. */
export function register(program: Command, context: CommandContext): void {
  const { stdout } = context.io;
  program
    .command('completion')
    .description('print a script that lets a shell complete commands, options and entity names')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action(async (shell: string) => {
      const { script } = await import('@bomb.sh/tab');
      const text = printedBy(() => script(shell, program.name(), program.name()));
      stdout.write(shell === 'bash' ? forBash(text) : text);
    });
  program
    .command('complete', { hidden: true })
    .description('print what the last of these words may be, for the scripts that completion prints')
    .argument('[words...]')
    .action(async (words: string[]) => {
      const tab = await import('@bomb.sh/tab');
      const { HELP_TOPICS } = await import('../report/help-topics.ts');
      const tree = new tab.RootCommand();
      const entities = await entityNames(words, context);
      let isFile = false;
      fillTree(tree, program, {
        entities,
        topics: Object.keys(HELP_TOPICS),
        onFile: () => {
          isFile = true;
        },
      });
      const text = printedBy(() => tree.parse([...words]));
      stdout.write(isFile ? text.replace(NO_FILES, FILES) : text);
    });
}

interface Words {
  readonly entities: readonly string[];
  readonly topics: readonly string[];
  /** Called where the name of a file is to be completed. */
  readonly onFile: () => void;
}

/** The commands as the library knows them: each under its path, with the options that stand in its help. */
function fillTree(tree: RootCommand, program: Command, words: Words): void {
  const add = (command: Command, path: string) => {
    const help = command.createHelp();
    const known = path === '' ? tree : tree.command(path, command.description());
    for (const option of [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)]) {
      const name = option.long?.slice(2) ?? '';
      const short = option.short?.slice(1);
      const values = valuesOf(option, words);
      if (values) known.option(name, option.description, (complete) => tell(values(), complete), short);
      else known.option(name, option.description, short ?? '');
    }
    for (const argument of command.registeredArguments) {
      const choices = path === 'help' ? [...namesIn(program), ...words.topics] : (argument.argChoices ?? []);
      known.argument(argument.name(), (complete) => tell(choices, complete), argument.variadic);
    }
    for (const below of help.visibleCommands(command)) add(below, `${path} ${below.name()}`.trim());
  };
  add(program, '');
}

/** What an option may hold, as far as that is known; undefined where it holds nothing. */
function valuesOf({ required, optional, long, flags, argChoices }: Option, words: Words) {
  if (!required && !optional) return undefined;
  return (): readonly string[] => {
    if (flags.includes('<file>')) words.onFile();
    return long === '--entity' ? words.entities : (argChoices ?? []);
  };
}

function namesIn(program: Command): string[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .map((command) => command.name());
}

function tell(values: readonly string[], complete: (value: string, description: string) => void): void {
  for (const value of values) complete(value, '');
}

/**
 * Of the configuration that the words name, without its secrets: they are not at hand where somebody types. None where it
 * cannot be read; names that a shell would have to quote are left out.
 */
async function entityNames(words: readonly string[], { io: { cwd } }: CommandContext): Promise<readonly string[]> {
  const named = words.lastIndexOf('--config');
  const option =
    named < 0 ? words.find((word) => word.startsWith('--config='))?.slice('--config='.length) : words[named + 1];
  const { findConfigFile, readConfigFile } = await import('../config/file.ts');
  try {
    const path = option === undefined ? (await findConfigFile(cwd)).path : resolve(cwd, option);
    const { entities } = (await readConfigFile(path, cwd)) as { entities: { name: string; enabled?: boolean }[] };
    return entities
      .filter(({ enabled }) => enabled !== false)
      .map(({ name }) => name)
      .filter((name) => /^[\w.-]+$/.test(name));
  } catch {
    return [];
  }
}

/** What the library prints, which it does by console.log alone, and at once: nothing else can print meanwhile. */
function printedBy(work: () => void): string {
  const { log } = console;
  let text = '';
  console.log = (line: string) => {
    text += `${line}\n`;
  };
  try {
    work();
  } finally {
    console.log = log;
  }
  return text;
}
