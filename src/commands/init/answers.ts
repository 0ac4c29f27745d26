/** Gathers what a first configuration needs: from flags, the old file, the environment, and by asking what is left. */
import { type OldSettings, readCron } from '../../config/appsettings.ts';
import { readConnection } from '../../config/connection.ts';
import { isTimeZone } from '../../config/fields.ts';
import {
  type Answers,
  CONNECTION_VARIABLES,
  type ConnectionName,
  commonBase,
  VARIABLES,
} from '../../config/new-config.ts';
import type { RawConfig } from '../../config/schema.ts';
import type { Auth } from '../../sync/entity.ts';
import { SyncError } from '../../sync/errors.ts';
import type { Asker } from './ask.ts';

/** The flags that answer questions. */
export interface AnswerOptions {
  readonly apiUrl?: string;
  readonly auth?: Auth['type'];
  readonly apiKeyHeader?: string;
  readonly cron?: string;
  readonly timeZone?: string;
  readonly batchSize?: number;
}

/** What is known before anything is asked. */
export interface Known {
  readonly options: AnswerOptions;
  readonly old: OldSettings | undefined;
  /** Environment variables and those of a secrets file that is there already. */
  readonly variable: (name: string) => string | undefined;
  readonly shipped: RawConfig;
}

const DATABASES: Readonly<Record<ConnectionName, string>> = {
  default: 'the database with users and organization',
  ess: 'the database with the events calendar',
  log: 'the log database',
};

/**
 * All answers. Without `asker` nothing is asked, and what is missing is a SyncError USAGE that names the flags. `learn` is
 * told each secret as soon as it is known.
 */
export async function gatherAnswers(
  { options, old, variable, shipped }: Known,
  asker: Asker | undefined,
  learn: (secrets: readonly string[]) => void,
): Promise<Answers> {
  const missing: string[] = [];
  const secret = async (
    question: string,
    known: string | undefined,
    flag: string,
    check?: (text: string) => Promise<string | undefined>,
  ) => {
    const value = known ?? (await asker?.secret(question, check));
    if (value === undefined) missing.push(flag);
    else learn([value]);
    return value ?? '';
  };
  const connections = { default: '', ess: '', log: '' };
  for (const [name, what] of Object.entries(DATABASES) as [ConnectionName, string][]) {
    const envName = CONNECTION_VARIABLES[name];
    connections[name] = await secret(
      `ADO.NET connection string of ${what}`,
      old?.connections[name] ?? variable(envName),
      `--from FILE, or ${envName} in the environment: ${what}`,
      async (text) => (await readConnection(name, text, '.')).problems[0],
    );
  }
  const endpoints = old?.endpoints ?? new Map<string, string>();
  const endpointBase = commonBase(endpoints, shipped);
  const apiUrl =
    options.apiUrl ??
    endpointBase ??
    variable(VARIABLES.apiUrl) ??
    (await asker?.text('URL of the API, before /users and the like', { check: urlProblem }));
  if (apiUrl === undefined) missing.push(`--api-url URL, or ${VARIABLES.apiUrl} in the environment`);
  const auth = await gatherAuth(secret);
  const shippedCron = shipped.schedule?.cron ?? '';
  const cron =
    options.cron ??
    old?.cron ??
    (await asker?.text('When it is to run, as five cron fields', {
      initial: shippedCron,
      check: (text) => (readCron(text) === undefined ? 'Write five fields such as 0 3 * * *.' : undefined),
    })) ??
    shippedCron;
  const shippedZone = shipped.schedule?.timeZone ?? 'UTC';
  const timeZone =
    options.timeZone ??
    (await asker?.text('Time zone of that', {
      initial: shippedZone,
      check: (text) => (isTimeZone(text) ? undefined : 'Write an IANA time zone such as Asia/Jakarta.'),
    })) ??
    shippedZone;
  if (missing.length > 0) {
    throw new SyncError(
      'USAGE',
      `There is no terminal to ask on (or --yes forbids it), and these are missing:${missing.map((one) => `\n  ${one}`).join('')}`,
      'Give them, or run tamhr-sync init on a terminal.',
    );
  }
  const batchSize = options.batchSize ?? old?.batchSize;
  return {
    connections,
    apiUrl: apiUrl ?? '',
    endpoints,
    ...(endpointBase !== undefined && { endpointBase }),
    auth,
    ...(batchSize !== undefined && { batchSize }),
    ...(old?.timeoutMs !== undefined && { timeoutMs: old.timeoutMs }),
    schedule: { cron, timeZone },
  };

  async function gatherAuth(ask: typeof secret): Promise<Auth> {
    const known = old?.auth?.type ?? authOfVariables(variable);
    const type =
      options.auth ?? known ?? (await asker?.choose('How the API knows who sends', AUTH_CHOICES)) ?? 'apiKey';
    const same = old?.auth?.type === type ? old.auth : undefined;
    switch (type) {
      case 'none':
        return { type };
      case 'apiKey': {
        const { header, value } = {
          header: undefined,
          value: undefined,
          ...(same as (Auth & { type: 'apiKey' }) | undefined),
        };
        const key = await ask(
          'API key',
          value ?? variable(VARIABLES.apiKey),
          `--from FILE, ${VARIABLES.apiKey} in the environment, or another --auth: the API key`,
        );
        const asked =
          value === undefined ? await asker?.text('Header of the API key', { initial: DEFAULT_HEADER }) : undefined;
        return { type, header: options.apiKeyHeader ?? header ?? asked ?? DEFAULT_HEADER, value: key };
      }
      case 'basic': {
        const { user, password } = {
          user: undefined,
          password: undefined,
          ...(same as (Auth & { type: 'basic' }) | undefined),
        };
        const name = user ?? variable(VARIABLES.apiUser) ?? (await asker?.text('User at the API', {}));
        if (name === undefined) missing.push(`--from FILE, or ${VARIABLES.apiUser} in the environment: the user`);
        return {
          type,
          user: name ?? '',
          password: await ask(
            'Password of that user',
            password ?? variable(VARIABLES.apiPassword),
            `--from FILE, or ${VARIABLES.apiPassword} in the environment: the password`,
          ),
        };
      }
      case 'bearer':
        return {
          type,
          token: await ask(
            'Bearer token',
            variable(VARIABLES.apiToken),
            `${VARIABLES.apiToken} in the environment: the bearer token`,
          ),
        };
    }
  }
}

const DEFAULT_HEADER = 'X-Api-Key';

/** The ways to authenticate, as flag and as choice. */
const AUTH_CHOICES: readonly { value: Auth['type']; label: string }[] = [
  { value: 'apiKey', label: 'an API key in a header' },
  { value: 'basic', label: 'HTTP Basic: user and password' },
  { value: 'bearer', label: 'a bearer token' },
  { value: 'none', label: 'not at all' },
];

function authOfVariables(variable: Known['variable']): Auth['type'] | undefined {
  if (variable(VARIABLES.apiKey) !== undefined) return 'apiKey';
  if (variable(VARIABLES.apiUser) !== undefined) return 'basic';
  return variable(VARIABLES.apiToken) === undefined ? undefined : 'bearer';
}

/** What is wrong with the URL of the API, if anything. */
function urlProblem(text: string): string | undefined {
  return /^https?:$/.test(URL.parse(text)?.protocol ?? '') ? undefined : 'Write a URL such as https://api.example.com.';
}

/** Throws SyncError USAGE for a flag whose value is none, before anything is asked. */
export function checkAnswerOptions({ apiUrl, cron, timeZone }: AnswerOptions): void {
  const wrong = (flag: string, hint: string) => new SyncError('USAGE', `${flag} has a value that is none.`, hint);
  const problem = apiUrl === undefined ? undefined : urlProblem(apiUrl);
  if (problem !== undefined) throw wrong('--api-url', problem);
  if (cron !== undefined && readCron(cron) === undefined)
    throw wrong('--cron', 'Write five fields such as "0 3 * * *".');
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    throw wrong('--time-zone', 'Write an IANA time zone such as Asia/Jakarta.');
  }
}
