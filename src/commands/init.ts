/** `tamhr-sync init`: makes the configuration and its secrets file, from answers and the old job's appsettings.json. */
import { existsSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { OldSettings } from '../config/appsettings.ts';
import type { NewConfig } from '../config/new-config.ts';
import type { SourceProposal } from '../config/source-proposal.ts';
import type { InitReport } from '../report/init-text.ts';
import type { ConnectionSettings } from '../sync/connection.ts';
import { SyncError } from '../sync/errors.ts';
import type { CommandContext } from './context.ts';
import type { AnswerOptions } from './init/answers.ts';
import type { Asker } from './init/ask.ts';
import { positiveInteger } from './positive-integer.ts';
import { watchSignals } from './signals.ts';

const CONFIG_FILE = 'sync.config.json';
const SCHEMA_FILE = 'sync.config.schema.json';
const OLD_FILE = 'appsettings.json';
const NO_FILE = '-';

interface InitCommandOptions extends AnswerOptions {
  readonly from?: string;
  readonly directory?: string;
  readonly inspect?: true;
  readonly force?: true;
  readonly yes?: true;
}

/** Where the files go, absolute. */
interface Targets {
  readonly config: string;
  readonly secrets: string;
  readonly schema: string;
}

/**
 * Adds the command to the program. It ends with 0, with 1 where it was to look at the tables and could not, and with 78 where
 * what it wrote has to be corrected by hand.
 */
export function register(program: Command, context: CommandContext): void {
  program
    .command('init')
    .description('make the configuration and its secrets file; asks on a terminal what the options do not say')
    .option('--from <file>', "the old job's appsettings.json, to take over what it says")
    .option('--directory <dir>', 'folder to write to (default: the working directory)')
    .option('--api-url <url>', 'URL of the API, before /users and the like')
    .addOption(
      new Option('--auth <type>', 'how the API knows who sends').choices(['apiKey', 'basic', 'bearer', 'none']),
    )
    .option('--api-key-header <name>', 'header of the API key (default: X-Api-Key)')
    .option('--cron <fields>', 'when it is to run, five fields (default: the old schedule, else "0 3 * * *")')
    .option('--time-zone <zone>', 'time zone of that (default: Asia/Jakarta)')
    .option('--batch-size <rows>', 'rows per request (default: the old size, else 3000)', positiveInteger)
    .option('--inspect', 'look at the source tables, and fit tables, keys and columns to what is there')
    .option('--force', 'replace what is there, and keep it as NAME.bak')
    .option('--yes', 'ask nothing: take the defaults')
    .action((options: InitCommandOptions) => init(program, context, options));
}

async function init(program: Command, context: CommandContext, options: InitCommandOptions): Promise<void> {
  const { io } = context;
  const { checkAnswerOptions } = await import('./init/answers.ts');
  const { terminalAsker, Unanswered } = await import('./init/ask.ts');
  checkAnswerOptions(options);
  const targets = targetsOf(program.opts(), options, io.cwd);
  await refuseExisting(targets, options, io.cwd);
  const signals = watchSignals(io.signals, () => {});
  try {
    const asker = options.yes ? undefined : await terminalAsker(io, signals.stop);
    await initWith(context, options, targets, asker);
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    io.stderr.write('Nothing was written.\n');
    context.exit(signals.stop.reason === 'SIGTERM' ? 143 : 130);
  } finally {
    signals.dispose();
  }
}

async function initWith(
  context: CommandContext,
  options: InitCommandOptions,
  targets: Targets,
  asker: Asker | undefined,
): Promise<void> {
  const { io, redactor } = context;
  const { gatherAnswers } = await import('./init/answers.ts');
  const { newConfig, shippedConfig } = await import('../config/new-config.ts');
  const { withProposals } = await import('../config/source-proposal.ts');
  const { displayPath } = await import('../config/file.ts');
  const shipped = await shippedConfig();
  const from = await oldFile(options, io.cwd, asker);
  const old =
    from === undefined
      ? undefined
      : await readOld(
          from,
          displayPath(from, io.cwd),
          shipped.entities.map(({ name }) => name),
        );
  const before = await secretsBefore(targets.secrets);
  const answers = await gatherAnswers(
    { options, old, shipped, variable: (name) => before.get(name) ?? (io.env[name] || undefined) },
    asker,
    (secrets) => redactor.add(secrets),
  );
  const fresh = newConfig(shipped, answers);
  const connections = await connectionsOf(answers.connections, dirname(targets.config));
  redactor.add([...connections.values()].map(({ login }) => login.password));

  const looks =
    options.inspect ?? (await asker?.confirm('Look at the source tables now? (It only reads the catalogue.)'));
  const seen = looks ? await inspect(fresh, connections) : { proposals: [], failures: [] };
  const accepted = await acceptedOf(seen.proposals, asker);
  const config = withProposals(fresh.config, accepted);
  const files = { config, secrets: new Map([...before, ...fresh.secrets]) };
  const kept = await writeFiles(targets, files, options.force === true);
  const written = (path: string, what: string) => {
    const backup = kept.get(path);
    const note = backup === undefined ? '' : `; the one before is now ${displayPath(backup, io.cwd)}`;
    return { name: displayPath(path, io.cwd), what: `${what}${note}` };
  };

  const problems = await problemsOf(targets, context);
  const { initText } = await import('../report/init-text.ts');
  const report: InitReport = {
    files: [
      written(
        targets.config,
        `${entityCount(config.entities)}, ${answers.schedule.cron} in ${answers.schedule.timeZone}`,
      ),
      written(targets.secrets, 'the secrets; only its owner may read it'),
      written(targets.schema, 'for editors: the keys of the configuration'),
    ],
    ...(old !== undefined && from !== undefined && { old: { ...old, name: displayPath(from, io.cwd) } }),
    fromEnvironment: [...fresh.secrets].flatMap(([name, value]) =>
      !before.has(name) && io.env[name] === value ? [name] : [],
    ),
    changes: accepted.map(described),
    open: [
      ...problems,
      ...seen.failures,
      ...seen.proposals.flatMap(({ entity, open }) => open.map((text) => `${entity}: ${text}`)),
      ...(asker === undefined ? scheduleNote(old, options, answers.schedule.timeZone) : []),
      ...endpointNotes(old, shipped.entities),
      ...(await otherConfigs(targets)).map(
        (path) => `${displayPath(path, io.cwd)} is no longer read: ${CONFIG_FILE} goes before it`,
      ),
    ],
    next: nextSteps(targets, options, io.cwd),
  };
  io.stdout.write(initText(report, io.stdout.columns));
  if (problems.length > 0) context.exit(78);
  else if (seen.failures.length > 0) context.exit(1);
}

/** --config and --secrets name the files to write, too. Throws SyncError USAGE. */
function targetsOf(
  { config, secrets }: { config?: string; secrets?: string },
  { directory }: InitCommandOptions,
  cwd: string,
): Targets {
  if (config !== undefined && directory !== undefined) {
    throw new SyncError('USAGE', '--config and --directory exclude each other.', 'Use one of them.');
  }
  const path = config === undefined ? resolve(cwd, directory ?? '.', CONFIG_FILE) : resolve(cwd, config);
  if (extname(path).toLowerCase() !== '.json') {
    throw new SyncError('USAGE', `init writes JSON, and ${config} does not end in .json.`, 'Name a .json file.');
  }
  const folder = dirname(path);
  return {
    config: path,
    secrets: secrets === undefined ? join(folder, '.env') : resolve(cwd, secrets),
    schema: join(folder, SCHEMA_FILE),
  };
}

async function refuseExisting(targets: Targets, { force }: InitCommandOptions, cwd: string): Promise<void> {
  if (force) return;
  const { alreadyThere, isThere } = await import('../config/new-files.ts');
  const { displayPath } = await import('../config/file.ts');
  const there: string[] = [];
  for (const path of [targets.config, targets.secrets]) if (await isThere(path)) there.push(displayPath(path, cwd));
  if (there.length > 0) throw alreadyThere(there);
  const [other] = await otherConfigs(targets);
  if (other === undefined) return;
  throw new SyncError(
    'USAGE',
    `${displayPath(other, cwd)} is a configuration that is there already, and nothing was written.`,
    `Add --force to write ${CONFIG_FILE}, which is then read instead of it, or name another folder with --directory.`,
  );
}

/** Those that are found in the folder as the one to write is, which goes before them. None where it has a name of its own. */
async function otherConfigs({ config }: Targets): Promise<string[]> {
  if (basename(config) !== CONFIG_FILE) return [];
  const { configFilesIn } = await import('../config/file.ts');
  const folder = dirname(config);
  return configFilesIn(folder).flatMap((name) => (name === CONFIG_FILE ? [] : [join(folder, name)]));
}

/** --from, or what is answered; absolute. */
async function oldFile(
  { from }: InitCommandOptions,
  cwd: string,
  asker: Asker | undefined,
): Promise<string | undefined> {
  if (from !== undefined) return resolve(cwd, from);
  const answer = await asker?.text(`The old job's appsettings.json (${NO_FILE}: there is none)`, {
    initial: existsSync(resolve(cwd, OLD_FILE)) ? OLD_FILE : NO_FILE,
    check: (text) => (text === NO_FILE || existsSync(resolve(cwd, text)) ? undefined : 'There is no such file.'),
  });
  return answer === undefined || answer === NO_FILE ? undefined : resolve(cwd, answer);
}

async function readOld(path: string, name: string, entities: readonly string[]): Promise<OldSettings> {
  const { readAppSettings } = await import('../config/appsettings.ts');
  const { readFailure, readText } = await import('../config/text-file.ts');
  const text = await readText(path).catch((error: unknown) => {
    throw new SyncError(
      'CONFIG_NOT_FOUND',
      `${name} cannot be read: ${readFailure(error)}.`,
      'Name the old appsettings.json with --from.',
    );
  });
  return readAppSettings(text, name, entities);
}

/** The variables of a secrets file that is to be replaced: they stay unless something else is known. */
async function secretsBefore(path: string): Promise<ReadonlyMap<string, string>> {
  if (!existsSync(path)) return new Map();
  const { parseSecretsFile } = await import('../config/secrets-file.ts');
  const { readText } = await import('../config/text-file.ts');
  return parseSecretsFile(await readText(path)).variables;
}

/** Those whose connection strings are sound. */
async function connectionsOf(
  strings: Readonly<Record<string, string>>,
  directory: string,
): Promise<ReadonlyMap<string, ConnectionSettings>> {
  const { readConnection } = await import('../config/connection.ts');
  const connections = new Map<string, ConnectionSettings>();
  for (const [name, text] of Object.entries(strings)) {
    const { settings } = await readConnection(name, text, directory);
    if (settings !== undefined) connections.set(name, settings);
  }
  return connections;
}

/** Proposals for all entities whose database can be looked at; `failures` tell of the other databases, a sentence each. */
async function inspect(
  { config }: NewConfig,
  connections: ReadonlyMap<string, ConnectionSettings>,
): Promise<{ proposals: SourceProposal[]; failures: string[] }> {
  const { inspectDatabase } = await import('../sqlserver/inspect.ts');
  const { proposeSource } = await import('../config/source-proposal.ts');
  const proposals: SourceProposal[] = [];
  const failures: string[] = [];
  for (const name of new Set(config.entities.map(({ source }) => source.connection))) {
    const settings = connections.get(name);
    if (settings === undefined) {
      failures.push(`The tables of connection ${name} were not looked at, since its connection string cannot be used`);
      continue;
    }
    try {
      const tables = await inspectDatabase(settings);
      const entities = config.entities.filter(({ source }) => source.connection === name);
      proposals.push(...entities.map((entity) => proposeSource(entity, tables)));
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      failures.push(`The tables of connection ${name} were not looked at. ${error.message} ${error.hint}`);
    }
  }
  return { proposals, failures };
}

/** Those that change something and, where somebody can be asked, are wanted. */
async function acceptedOf(proposals: readonly SourceProposal[], asker: Asker | undefined): Promise<SourceProposal[]> {
  const { hasChanges } = await import('../config/source-proposal.ts');
  const accepted: SourceProposal[] = [];
  for (const proposal of proposals.filter(hasChanges)) {
    if (asker === undefined || (await asker.confirm(`${described(proposal)}?`))) accepted.push(proposal);
  }
  return accepted;
}

function described({ entity, table, key, columns }: SourceProposal): string {
  const parts = [
    ...(table === undefined ? [] : [`read ${table}`]),
    ...(key === undefined ? [] : [`key ${key.join(', ')}`]),
    ...columns.map(({ from, to }) => `column ${to} for ${from}`),
  ];
  return `${entity}: ${parts.join('; ')}`;
}

function entityCount(entities: NewConfig['config']['entities']): string {
  const disabled = entities.filter(({ enabled }) => enabled === false).length;
  return `${entities.length} entities${disabled === 0 ? '' : ` (${disabled} not enabled)`}`;
}

/** Returns, by the path of each file that was replaced, where the one before is. */
async function writeFiles(
  { config, secrets, schema }: Targets,
  files: NewConfig,
  force: boolean,
): Promise<ReadonlyMap<string, string>> {
  const { configText, shippedFile } = await import('../config/new-config.ts');
  const { secretsFileText } = await import('../config/secrets-file.ts');
  const { isThere, linkedFile, makeFolder, replaceKeeping, writeNewFile } = await import('../config/new-files.ts');
  const schemaText = await shippedFile(SCHEMA_FILE);
  const secretsText = secretsFileText(files.secrets);
  const kept = new Map<string, string>();
  const write = async (path: string, text: string, mode: number) => {
    if (!force) return writeNewFile({ path, text, mode }, false);
    // The schema may be a link to the installed package's.
    const file = path === schema ? path : await linkedFile(path);
    const backup = await replaceKeeping({ path: file, text, mode });
    if (backup !== undefined) kept.set(path, backup);
  };
  for (const path of [config, secrets]) await makeFolder(dirname(path));
  // The configuration last: where it stands, what it needs stands, too.
  await write(secrets, secretsText, 0o600);
  if (force || !(await isThere(schema))) await write(schema, schemaText, 0o644);
  await write(config, configText(files.config), 0o644);
  return kept;
}

/** What `config validate` would say of the files, without a full stop. */
async function problemsOf(targets: Targets, { io, redactor }: CommandContext): Promise<string[]> {
  const { loadConfig } = await import('../config/config.ts');
  try {
    const config = await loadConfig({ cwd: io.cwd, env: io.env, file: targets.config, secretsFile: targets.secrets });
    redactor.add(config.secrets);
    for (const warning of config.warnings) io.stderr.write(`warning: ${warning}\n`);
    return [];
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    const lines = error.message.split('\n').map((line) => line.trim());
    // The first one counts the others.
    return lines.length > 1 ? lines.slice(1) : lines;
  }
}

/**
 * Recurring jobs of Hangfire are in UTC unless the job says otherwise, which appsettings.json does not tell:
 * https://docs.hangfire.io/en/latest/background-methods/performing-recurrent-tasks.html
 */
function scheduleNote(old: OldSettings | undefined, { cron, timeZone }: InitCommandOptions, zone: string): string[] {
  if (old?.cron === undefined || cron !== undefined || timeZone !== undefined) return [];
  return [
    `The old schedule ${old.cron} is now in ${zone}; Hangfire counts in UTC unless the old job said otherwise. ` +
      'Correct schedule.timeZone where that is another time than before',
  ];
}

function endpointNotes(
  old: OldSettings | undefined,
  entities: readonly { readonly name: string; readonly destination: { readonly url: string } }[],
): string[] {
  if (old === undefined || old.endpoints.size === 0) return [];
  return entities
    .filter(({ name }) => !old.endpoints.has(name))
    .map(
      ({ name, destination }) =>
        `${name} had no endpoint and is not enabled; without "enabled": false it goes to ${destination.url} below the URL of the API`,
    );
}

/** What comes after, with the options that find the files. */
function nextSteps({ config, secrets }: Targets, { directory }: InitCommandOptions, cwd: string): InitReport['next'] {
  const isFound = dirname(config) === cwd && basename(config) === CONFIG_FILE;
  const named = [
    ...(isFound ? [] : [`--config ${quoted(directory === undefined ? config : join(directory, CONFIG_FILE))}`]),
    ...(secrets === join(dirname(config), '.env') ? [] : [`--secrets ${quoted(secrets)}`]),
  ];
  const steps = [
    ['migrate', 'create the tables in the log database (or: migrate --print, for a DBA)'],
    ['check', 'try every connection, source and endpoint'],
    ['plan', 'see what a run would send'],
    ['run', 'send it'],
  ] as const;
  return steps.map(([name, what]) => ({ command: ['tamhr-sync', name, ...named].join(' '), what }));
}

function quoted(path: string): string {
  return /^[\w./\\:@-]+$/.test(path) ? path : `"${path}"`;
}
