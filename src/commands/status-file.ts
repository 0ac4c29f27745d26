/** The status report: reading it, and writing it as an HTML file, as `status --html` and the end of `run` do. */
import type { Config } from '../config/config.ts';
import type { StatusDocument } from '../report/status-json.ts';
import type { EntityIdentity } from '../sync/ports.ts';
import { VERSION } from '../version.js';
import type { CommandContext } from './context.ts';
import { writeWholeFile } from './whole-file.ts';

/** Runs that its charts show: a month of nights. */
const RUNS_CHARTED = 30;

/** The report is for others too, as far as the umask lets it. */
const FILE_MODE = 0o666;

/** What `status` says of these entities and the last `runs` runs, without secrets. Throws SyncError LOG_DATABASE_*. */
export async function readStatus(
  { redactor }: CommandContext,
  config: Config,
  entities: readonly EntityIdentity[],
  runs: number,
): Promise<StatusDocument> {
  const { openSqlServer } = await import('../sqlserver/open.ts');
  const { statusDocument } = await import('../report/status-json.ts');
  const server = openSqlServer(config.connections, config.logConnection);
  try {
    const history = await server.history(entities, runs);
    // Before it is laid out: afterwards a secret may be escaped, or broken over two lines, and not be known any more.
    return redacted(statusDocument(history, config.schedule, new Date()), redactor.redact);
  } finally {
    await server.close();
  }
}

/** The report on these entities as HTML, without secrets. Throws SyncError LOG_DATABASE_*. */
export async function statusPage(
  context: CommandContext,
  config: Config,
  entities: readonly EntityIdentity[],
): Promise<string> {
  const document = await readStatus(context, config, entities, RUNS_CHARTED);
  const { statusHtml } = await import('../report/status-html.ts');
  return statusHtml(document, { version: VERSION });
}

/** Puts the page into its place at `path`. Throws SyncError OUTPUT_FAILED. */
export async function writeStatusPage(path: string, page: string): Promise<void> {
  await writeWholeFile(path, FILE_MODE, (write) => write(page));
}

/** Writes report.html of the configuration, where it has that. What goes wrong is a warning on stderr, and no more. */
export async function reportAfterRun(context: CommandContext, config: Config): Promise<void> {
  const path = config.report?.html;
  if (path === undefined) return;
  try {
    await writeStatusPage(path, await statusPage(context, config, config.entities));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    context.io.stderr.write(`warning: the status report was not written: ${reason}\n`);
  }
}

/** The same value with every text in it redacted. */
function redacted<T>(value: T, redact: (text: string) => string): T {
  if (typeof value === 'string') return redact(value) as T;
  if (Array.isArray(value)) return value.map((item) => redacted(item, redact)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, redacted(item, redact)])) as T;
}
