/** The checks of `check` that need no network: Node.js, the configuration, its secrets and files, the schedule. */
import { basename, dirname, join, resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { DEFAULT_SECRETS_FILE } from '../../config/secrets-file.ts';
import type { Check, Finding } from '../../sync/check.ts';
import type { SyncError } from '../../sync/errors.ts';
import type { Io } from '../context.ts';

/** Of a configuration that was loaded. */
export async function configChecks(config: Config): Promise<Check[]> {
  const { scheduleFinding } = await import('../../report/check-findings.ts');
  const { othersCanWrite } = await import('../../config/text-file.ts');
  const { unwritableFiles } = await import('./output-files.ts');
  const others = config.warnings.filter((warning) => !config.fileWarnings.includes(warning));
  return [
    await nodeCheck(),
    one('config', () => ({ state: 'ok', found: validText(config) })),
    ...others.map((warning, index) =>
      one('config', () => ({ state: 'warning', found: warning, remedy: WEAKENED }), `warning ${index}`),
    ),
    one('secrets', () => ({ state: 'ok', found: secretsText(config) })),
    ...config.fileWarnings.map((warning, index) =>
      one('files', () => ({ state: 'warning', found: warning }), `warning ${index}`),
    ),
    ...(await unwritableFiles(config)).map((found, index) =>
      one('files', () => ({ state: 'warning', found, remedy: UNWRITABLE }), `unwritable ${index}`),
    ),
    one('files', async () => {
      if (process.platform === 'win32') return UNSEEN_MODES;
      if (await othersCanWrite(config.file)) return writable(basename(config.file));
      const exposed = config.fileWarnings.length > 0 ? 'no others can write the configuration' : NOT_EXPOSED;
      return { state: 'ok', found: exposed };
    }),
    one('schedule', () => scheduleFinding(config.schedule, new Date())),
  ];
}

/** Of a configuration that could not be loaded: why, and what of its surroundings can be checked. */
export async function brokenConfigChecks(
  error: SyncError,
  { cwd }: Pick<Io, 'cwd'>,
  { config, secrets }: { readonly config?: string; readonly secrets?: string },
): Promise<Check[]> {
  const { othersCanRead, othersCanWrite } = await import('../../config/text-file.ts');
  const { findConfigFile } = await import('../../config/file.ts');
  const isSecret = error.code === 'SECRET_UNRESOLVED';
  const why: Finding = { state: 'failed', found: oneLine(error.message), remedy: error.hint };
  const notChecked = (since: string): Finding => ({
    state: 'skipped',
    found: `not checked to the end, since ${since}`,
  });
  const path =
    config === undefined
      ? await findConfigFile(cwd).then(
          ({ path }) => path,
          () => undefined,
        )
      : resolve(cwd, config);
  const asked = async (question: (path: string) => Promise<boolean>, file: string | undefined) =>
    file !== undefined && (await question(file).catch(() => false));
  return [
    await nodeCheck(),
    one('config', () => (isSecret ? notChecked('secrets are missing') : why)),
    one('secrets', () => (isSecret ? why : notChecked('the configuration is broken'))),
    one('files', async () => {
      if (process.platform === 'win32') return UNSEEN_MODES;
      const secretsFile = secrets ? resolve(cwd, secrets) : path && join(dirname(path), DEFAULT_SECRETS_FILE);
      if (await asked(othersCanRead, secretsFile)) {
        return {
          state: 'warning',
          found: `${secrets ?? DEFAULT_SECRETS_FILE} holds secrets and others can read it`,
          remedy: 'Let only its owner read it (chmod 600).',
        };
      }
      if (path !== undefined && (await asked(othersCanWrite, path))) return writable(basename(path));
      return { state: 'ok', found: 'nothing found, as far as the files are known' };
    }),
  ];
}

const WEAKENED = 'A run works all the same; correct it where it is not meant so.';

const UNWRITABLE =
  "Make its folder, and let the job's account write into it; a run goes on without the file, and warns.";

const UNSEEN_MODES: Finding = {
  state: 'skipped',
  found: "not checked on Windows; see that only the job's account can read the file of secrets",
};

const NOT_EXPOSED = 'others can read no secrets and write no configuration';

function writable(name: string): Finding {
  return {
    state: 'warning',
    found: `others can write ${name}, and so decide where the rows go`,
    remedy: 'Let only its owner write it (chmod go-w).',
  };
}

async function nodeCheck(): Promise<Check> {
  const { nodeFinding } = await import('../../report/check-findings.ts');
  return one('node', () => nodeFinding(process.versions.node));
}

function one(kind: Check['kind'], run: Check['run'], id: string = kind): Check {
  return { id: id === kind ? kind : `${kind} ${id}`, kind, subject: '', run };
}

function validText({ file, entities, disabled, connections }: Config): string {
  const off = disabled.length === 0 ? '' : ` (and ${disabled.length} disabled)`;
  return `${basename(file)} is valid: entities ${entities.map(({ name }) => name).join(', ')}${off}; connections ${Object.keys(connections).join(', ')}`;
}

function secretsText({ references, secretsFile }: Config): string {
  if (references.length === 0) return 'the configuration refers to none';
  const from = secretsFile === undefined ? '' : `, with ${basename(secretsFile)}`;
  return `${references.join(', ')} resolved${from}`;
}

/** Problems stand on lines of their own in the message. */
function oneLine(message: string): string {
  return message.replace(/:\n\s+/, ': ').replaceAll(/\n\s+/g, '; ');
}
