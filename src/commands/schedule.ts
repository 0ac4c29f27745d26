/** `tamhr-sync schedule print | install | remove`: hands the configured schedule to cron, systemd, Task Scheduler or Kubernetes. */
import { constants } from 'node:fs';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config/config.ts';
import type { Schedule } from '../schedule/due.ts';
import type { ScheduledJob, SchedulerFile } from '../schedule/job.ts';
import { SyncError } from '../sync/errors.ts';
import { VERSION } from '../version.js';
import type { CommandContext } from './context.ts';
import { entityOption, selectEntities } from './entities.ts';
import { isZone, machineZone } from './schedule/machine-zone.ts';

const SCRIPT = fileURLToPath(new URL('../../bin/tamhr-sync.js', import.meta.url));

type Scheduler = 'cron' | 'systemd' | 'schtasks' | 'kubernetes';

interface ScheduleOptions {
  readonly as: Scheduler;
  readonly entity?: readonly string[];
  readonly log?: string;
  readonly machineZone?: string;
  readonly name?: string;
  readonly user?: string;
  readonly image?: string;
  readonly output?: string;
  readonly dryRun?: true;
}

/**
 * Adds the command and its subcommands. They end with 0, and with 1 where the schedule cannot be kept exactly, a file is not
 * ours to replace, or crontab refuses.
 */
export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('schedule')
    .description('hand the configured schedule to cron, systemd, Task Scheduler or Kubernetes');
  const log = '--log <file>';
  const entity = () => entityOption('start only this entity (repeat for several), as where each machine has its share');
  const zone = new Option('--machine-zone <zone>', "zone of the scheduler's clock (default: this machine's)");
  zone.argParser(zoneName);
  const globals = () => program.opts<{ config?: string; secrets?: string }>();
  const secrets = () => globals().secrets;

  command
    .command('print')
    .description('print what starts the job at the times of schedule.cron in schedule.timeZone')
    .addOption(
      new Option('--as <scheduler>', 'for which scheduler')
        .choices(['cron', 'systemd', 'schtasks', 'kubernetes'])
        .makeOptionMandatory(),
    )
    .addOption(entity())
    .option(log, 'where its log goes (default: a file beside the configuration; systemd: the journal)')
    .addOption(zone)
    .option('--user <name>', 'account of the job (default: systemd: this user, schtasks: SYSTEM)')
    .option('--image <name>', `kubernetes: image of the container (default: tamhr-sync:${VERSION})`, imageName)
    .option('--name <name>', 'name of units, tasks and the CronJob (default: tamhr-sync)', unitName)
    .option('--output <folder>', 'write files into this folder instead')
    .action((options: ScheduleOptions) => print(context, options, secrets()));
  command
    .command('install')
    .description("put the job into this user's crontab, in place of what was there for this configuration")
    .addOption(new Option('--as <scheduler>', 'for which scheduler').choices(['cron']).default('cron'))
    .addOption(entity())
    .option(log, 'where its log goes (default: a file beside the configuration)')
    .addOption(zone)
    .option('--dry-run', 'print the crontab as it would be, and change nothing')
    .action((options: ScheduleOptions) => install(context, options, secrets()));
  command
    .command('remove')
    .description("take the job out of this user's crontab")
    .option('--dry-run', 'print the crontab as it would be, and change nothing')
    .action((options: ScheduleOptions) => remove(context, options, globals().config));
}

async function print(context: CommandContext, options: ScheduleOptions, secrets?: string): Promise<void> {
  const { stdout, stderr, cwd } = context.io;
  if (options.as !== 'kubernetes' && options.image !== undefined) {
    throw new SyncError('USAGE', '--image is for --as kubernetes only.', 'Leave it out.');
  }
  const files =
    options.as === 'kubernetes' ? await manifests(context, options) : await units(context, options, secrets);
  if (options.as === 'schtasks' && process.platform !== 'win32') {
    stderr.write(
      'warning: the paths are those of this machine; print it on the Windows machine that is to run the job\n',
    );
  }
  if (options.output === undefined) {
    for (const { name, text } of files) stdout.write(files.length > 1 ? `==> ${name} <==\n${text}\n` : text);
    return;
  }
  const folder = resolve(cwd, options.output);
  for (const file of files) stdout.write(`wrote ${await writeSchedulerFile(folder, file)}\n`);
  stdout.write(nextSteps(options.as, folder, files));
}

/** What a scheduler of one machine starts the job by. */
async function units(context: CommandContext, options: ScheduleOptions, secrets?: string): Promise<SchedulerFile[]> {
  const job = await scheduledJob(context, options, secrets);
  const files = await exactly(() => schedulerFiles(options.as, job, new Date()));
  if (options.as === 'systemd') await warnOfSkippedNights(context, job.schedule, 'systemd');
  return files;
}

/** What a cluster starts it by: it has neither this machine's paths nor its accounts, and its own log. */
async function manifests(context: CommandContext, options: ScheduleOptions): Promise<SchedulerFile[]> {
  const unknown = (['log', 'user', 'machineZone'] as const).filter((name) => options[name] !== undefined);
  if (unknown.length > 0) {
    const names = unknown.map((name) => (name === 'machineZone' ? '--machine-zone' : `--${name}`)).join(', ');
    throw new SyncError('USAGE', `--as kubernetes has no use for ${names}.`, 'Leave that out.');
  }
  const config = await context.loadConfig();
  const schedule = scheduleOf(config);
  const { kubernetesManifest, POD_FOLDER } = await import('../schedule/kubernetes.ts');
  const references = (scheme: string) =>
    config.references.flatMap((reference) => {
      const [, name] = new RegExp(`^\\$\\{${scheme}:([^}]+)\\}$`).exec(reference) ?? [];
      return name === undefined ? [] : [name];
    });
  const entities = selectEntities(config, options.entity);
  const file = await exactly(() =>
    kubernetesManifest({
      name: options.name ?? 'tamhr-sync',
      schedule,
      image: options.image ?? `tamhr-sync:${VERSION}`,
      configFile: basename(config.file),
      entities: entities.map(({ name }) => name),
      variables: references('env'),
      graceSeconds: graceSeconds(config),
    }),
  );
  warnOfFiles(context, config, references('file'), POD_FOLDER);
  warnOfReports(context, config, entities.length);
  await warnOfSkippedNights(context, schedule, 'Kubernetes');
  return [file];
}

/** For the request in flight, and to record what became of it. */
function graceSeconds({ entities }: Config): number {
  const timeouts = entities.map(({ destination }) => destination.timeoutMs);
  return Math.ceil(Math.max(0, ...timeouts) / 1000) + 30;
}

/** A pod has the configuration's file alone. */
function warnOfFiles({ io }: CommandContext, config: Config, read: readonly string[], podFolder: string): void {
  const folder = dirname(config.file);
  for (const path of [...read.map((one) => resolve(folder, one)), ...config.files]) {
    const name = relative(folder, path);
    const place =
      isAbsolute(name) || name.startsWith('..')
        ? 'move that file beside the configuration and mount it there'
        : `mount that file as ${podFolder}/${name.replaceAll(sep, '/')}`;
    io.stderr.write(
      `warning: the configuration reads ${path}: ${place}, from a Secret where it is secret, or give its text by \${env:NAME}\n`,
    );
  }
}

/** Each pod tells of its own entity, and nothing that it writes outlives it. */
function warnOfReports({ io }: CommandContext, config: Config, pods: number): void {
  if (pods > 1 && config.notifications.some(({ type, on }) => type === 'ping' && on === 'always')) {
    io.stderr.write(
      'warning: each pod pings for itself, and one that succeeds covers up one that failed; set "on": "failure", or watch status --max-age\n',
    );
  }
  const written = [
    ...(config.logging.file === undefined ? [] : ['logging.file']),
    ...(config.report === undefined ? [] : ['report.html']),
    ...(config.metrics === undefined ? [] : ['metrics.file']),
  ];
  if (written.length === 0) return;
  io.stderr.write(
    `warning: pods cannot write what ${written.join(', ')} ${written.length === 1 ? 'names' : 'name'}; leave that out of their configuration\n`,
  );
}

async function schedulerFiles(as: Scheduler, job: ScheduledJob, now: Date): Promise<SchedulerFile[]> {
  if (as === 'systemd') return (await import('../schedule/systemd.ts')).systemdUnits(job);
  if (as === 'schtasks') return (await import('../schedule/task-scheduler.ts')).taskDefinitions(job, now);
  return [{ name: `${job.name}.crontab`, text: (await import('../schedule/crontab.ts')).crontabBlock(job, now) }];
}

function nextSteps(as: Scheduler, folder: string, files: readonly SchedulerFile[]): string {
  const names = files.map(({ name }) => name);
  if (as === 'cron') return 'Insert it with crontab -e, or let tamhr-sync schedule install do that.\n';
  if (as === 'kubernetes') {
    return `Hand it to the cluster, after the ConfigMap and the Secret that it names: kubectl apply -f ${names.map((name) => join(folder, name)).join(' ')}\n`;
  }
  if (as === 'systemd') {
    const timers = names.filter((name) => name.endsWith('.timer'));
    const copy =
      folder === '/etc/systemd/system'
        ? ''
        : `cp ${names.map((name) => join(folder, name)).join(' ')} /etc/systemd/system/ && `;
    return `Start the timers as root: ${copy}systemctl daemon-reload && systemctl enable --now ${timers.join(' ')}\n`;
  }
  const commands = names.map(
    (name) => `schtasks /Create /TN ${basename(name, '.xml')} /XML "${join(folder, name)}" /F`,
  );
  return `Create the tasks as administrator (with --user: and /RU NAME /RP *):\n${commands.join('\n')}\n`;
}

/** Replaces only what this command has written. Task Scheduler reads UTF-16 with a byte order mark. */
async function writeSchedulerFile(folder: string, { name, text }: SchedulerFile): Promise<string> {
  const path = join(folder, name);
  const { WRITTEN_BY } = await import('../schedule/job.ts');
  const bytes = name.endsWith('.xml') ? Buffer.from(`\uFEFF${text}`, 'utf16le') : Buffer.from(text);
  try {
    await mkdir(folder, { recursive: true });
    const old = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (old !== undefined && !old.toString('latin1').replaceAll('\0', '').includes(WRITTEN_BY)) {
      throw new SyncError(
        'OUTPUT_FAILED',
        `${path} exists and was not written by this command.`,
        'Name another folder.',
      );
    }
    await writeFile(path, bytes);
  } catch (error) {
    if (error instanceof SyncError) throw error;
    const { message } = error as Error;
    throw new SyncError(
      'OUTPUT_FAILED',
      `${path} cannot be written: ${message}.`,
      'Name another folder with --output.',
    );
  }
  return path;
}

async function install(context: CommandContext, options: ScheduleOptions, secrets?: string): Promise<void> {
  const { crontabBlock } = await import('../schedule/crontab.ts');
  const job = await scheduledJob(context, { ...options, as: 'cron' }, secrets);
  const block = await exactly(() => crontabBlock(job, new Date()));
  await changeCrontab(context, options, job.config, block);
}

/** Goes by the file's path alone: the job can be taken out where its configuration is broken, lacks secrets or is gone. */
async function remove(context: CommandContext, options: ScheduleOptions, config?: string): Promise<void> {
  const { cwd } = context.io;
  const { findConfigFile } = await import('../config/file.ts');
  const file = config === undefined ? (await findConfigFile(cwd)).path : resolve(cwd, config);
  await changeCrontab(context, options, file, '');
}

/** Puts `block` in place of what the crontab has for the configuration `file`; an empty one takes that out. */
async function changeCrontab(
  { io }: CommandContext,
  options: ScheduleOptions,
  file: string,
  block: string,
): Promise<void> {
  const { stdout, env } = io;
  const install = block !== '';
  const { withBlock } = await import('../schedule/crontab.ts');
  const { readCrontab, writeCrontab } = await import('./schedule/crontab-program.ts');
  const old = await readCrontab(env);
  // The crontab's text has a character for each byte.
  const bytes = (text: string) => Buffer.from(text).toString('latin1');
  const text = await exactly(() => withBlock(old, bytes(file), bytes(block)));
  if (install && /^\s*CRON_TZ\s*=/m.test(text)) {
    throw new SyncError(
      'SCHEDULE_INEXACT',
      'The crontab sets CRON_TZ, and what is added would go by that zone on some systems and not on others.',
      'Remove that line, or use schedule print --as systemd.',
    );
  }
  const unchanged = install ? 'The crontab is up to date.\n' : 'The crontab has no such job.\n';
  if (options.dryRun) {
    stdout.write(Buffer.from(text, 'latin1').toString());
    // Of an empty crontab nothing is printed.
    if (text === old) io.stderr.write(unchanged);
  } else if (text === old) stdout.write(unchanged);
  else {
    await writeCrontab(text, env);
    stdout.write(install ? `The crontab now has:\n${block}` : 'The job is no longer in the crontab.\n');
  }
}

async function scheduledJob(
  context: CommandContext,
  options: ScheduleOptions,
  secrets?: string,
): Promise<ScheduledJob> {
  const { cwd } = context.io;
  const config = await context.loadConfig();
  const schedule = scheduleOf(config);
  const log = logFile(config, options, cwd);
  if (log !== undefined && options.as !== 'schtasks') await warnOfLog(context, log);
  await warnOfVariables(context, config, secrets);
  const entities = options.entity && selectEntities(config, options.entity).map(({ name }) => name);
  const user = options.user ?? (options.as === 'systemd' ? userInfo().username : undefined);
  return {
    name: options.name ?? 'tamhr-sync',
    schedule,
    machineZone: options.machineZone ?? (await schedulerZone(options.as, schedule.timeZone)),
    node: process.execPath,
    script: SCRIPT,
    config: config.file,
    ...(secrets !== undefined && { secrets: resolve(cwd, secrets) }),
    ...(entities !== undefined && { entities }),
    ...(log !== undefined && { log }),
    ...(user !== undefined && { user }),
  };
}

function scheduleOf({ file, schedule }: Config): Schedule {
  if (schedule !== undefined) return schedule;
  throw new SyncError(
    'CONFIG_INVALID',
    `${basename(file)} has no schedule.`,
    'Add "schedule": { "cron": "0 3 * * *", "timeZone": "Asia/Jakarta" } to it.',
  );
}

/** The zone of the scheduler's clock. systemd's timers go by their own. */
async function schedulerZone(as: Scheduler, timeZone: string): Promise<string> {
  const zone = as === 'systemd' ? timeZone : await machineZone(process.platform);
  if (zone !== undefined) return zone;
  throw new SyncError(
    'SCHEDULE_INEXACT',
    "The time zone of this machine's clock cannot be told from /etc/localtime and /etc/timezone.",
    'Name it with --machine-zone, such as --machine-zone Asia/Jakarta.',
  );
}

/** Beside the configuration; not the file that the program writes and rotates itself. */
function logFile(config: Config, { as, log }: ScheduleOptions, cwd: string): string | undefined {
  const own = config.logging.file?.path;
  if (log === undefined) {
    if (as === 'systemd') return undefined;
    return join(dirname(config.file), own === undefined ? 'tamhr-sync.log' : 'tamhr-sync.stderr.log');
  }
  if (resolve(cwd, log) !== own) return resolve(cwd, log);
  throw new SyncError('USAGE', `${log} is the file of logging.file, which rotates.`, 'Name another file with --log.');
}

async function warnOfLog({ io }: CommandContext, log: string): Promise<void> {
  const isWritable = (path: string) =>
    access(path, constants.W_OK).then(
      () => true,
      () => false,
    );
  const exists = await access(log).then(
    () => true,
    () => false,
  );
  if (await isWritable(exists ? log : dirname(log))) return;
  io.stderr.write(`warning: this user cannot write ${log}, and where the job's user cannot either it does not start\n`);
}

/** A scheduler's job does not have the variables of this shell. */
async function warnOfVariables({ io }: CommandContext, { file }: Config, secrets?: string): Promise<void> {
  const { loadConfig } = await import('../config/config.ts');
  try {
    await loadConfig({ file, cwd: io.cwd, env: {}, ...(secrets !== undefined && { secretsFile: secrets }) });
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'SECRET_UNRESOLVED') throw error;
    io.stderr.write(
      'warning: variables of the configuration are only set in this shell, where the job does not see them; give it --secrets FILE\n',
    );
  }
}

async function warnOfSkippedNights({ io }: CommandContext, schedule: Schedule, scheduler: string): Promise<void> {
  const { readExpression } = await import('../schedule/starts.ts');
  const { firstSkipped } = await import('../schedule/clocks.ts');
  const skipped = firstSkipped(schedule.timeZone, readExpression(schedule.cron).times, new Date());
  if (skipped === undefined) return;
  const time = [Math.floor(skipped.time / 60), skipped.time % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
  io.stderr.write(
    `warning: clocks in ${schedule.timeZone} skip ${time} on ${skipped.day}, and ${scheduler} then skips that start; choose another time\n`,
  );
}

/** What `work` returns; throws SyncError SCHEDULE_INEXACT where the scheduler cannot do it. */
async function exactly<T>(work: () => T | Promise<T>): Promise<T> {
  const { InexactSchedule } = await import('../schedule/inexact.ts');
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InexactSchedule)) throw error;
    throw new SyncError('SCHEDULE_INEXACT', error.message, error.hint);
  }
}

function zoneName(name: string): string {
  if (isZone(name)) return name;
  throw new InvalidArgumentError('Expected an IANA zone such as Asia/Jakarta.');
}

function unitName(name: string): string {
  if (/^[\w-]+$/.test(name)) return name;
  throw new InvalidArgumentError('Expected letters, digits, - and _.');
}

function imageName(name: string): string {
  if (/^[\w./:@-]+$/.test(name)) return name;
  throw new InvalidArgumentError('Expected an image such as registry.example.com/tamhr-sync:1.0.0.');
}
