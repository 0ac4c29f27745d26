/** A connection of the configuration, string or object, to the one form that the rest knows. */
import type { ConnectionSettings } from '../sync/connection.ts';
import { parseConnectionString, splitConnectionString } from './connection-string.ts';
import { readPem } from './pem.ts';
import { hasReference } from './references.ts';
import { DEFAULT_PORT, DEFAULTS, type RawConnection } from './schema.ts';

/** A connection read. `settings` is absent where there are problems. Problems are without path and without secrets. */
export interface ReadConnection {
  readonly settings?: ConnectionSettings;
  /** The file that `ca` names, absolute. */
  readonly file?: string;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Reads a connection whose references are resolved and whose form is checked. A file that `ca` names is read, relative
 * to `directory`.
 */
export async function readConnection(
  name: string,
  raw: string | RawConnection,
  directory: string,
): Promise<ReadConnection> {
  const { connectionString, ...object } = typeof raw === 'string' ? { connectionString: raw } : raw;
  const parsed = connectionString === undefined ? NO_STRING : parseConnectionString(connectionString);
  if (parsed.connection === undefined) return parsed;
  const { server, port, instance, database, user, password, domain, ca, ...rest } = { ...parsed.connection, ...object };
  const terms = connectionString === undefined ? OBJECT_TERMS : STRING_TERMS;
  const address = server === undefined ? `${terms.server} is missing` : parseServer(server);
  const authority = ca === undefined ? undefined : await readPem(ca, directory, 'certificate');
  const problems = [
    ...parsed.problems,
    ...(typeof address === 'string' ? [address] : []),
    ...(database === undefined ? [`${terms.database} is missing`] : []),
    ...loginProblems(user, password, parsed.integratedSecurity, terms),
    ...(authority?.problem === undefined ? [] : [`ca ${authority.problem}`]),
  ];
  const isComplete = database !== undefined && user !== undefined && password !== undefined;
  if (problems.length > 0 || typeof address === 'string' || !isComplete) return { problems, warnings: [] };
  return {
    problems,
    warnings: parsed.integratedSecurity
      ? [...parsed.warnings, 'Integrated Security is ignored; the user and password given are used']
      : parsed.warnings,
    ...(authority?.problem === undefined && authority?.path !== undefined && { file: authority.path }),
    settings: {
      name,
      ...endpoint({ ...address, ...(instance !== undefined && { instance }), ...(port !== undefined && { port }) }),
      database,
      login: loginOf(user, password, domain),
      encrypt: true,
      trustServerCertificate: false,
      multiSubnetFailover: false,
      readOnlyIntent: false,
      ...DEFAULTS.connection,
      ...rest,
      ...(authority?.problem === undefined && authority !== undefined && { ca: authority.pem }),
    },
  };
}

const NO_STRING = { connection: {}, integratedSecurity: false, problems: [], warnings: [] };

/** With a port, SQL Server Browser need not be asked for the instance's; with neither, the port is the default one. */
function endpoint({ server, port, instance }: Address): Address {
  if (port !== undefined) return { server, port };
  return instance === undefined ? { server, port: DEFAULT_PORT } : { server, instance };
}

function loginProblems(
  user: string | undefined,
  password: string | undefined,
  integratedSecurity: boolean,
  terms: typeof STRING_TERMS,
): string[] {
  if (integratedSecurity && (user === undefined || password === undefined)) {
    return [
      'Integrated Security needs the Windows account of the process, which is not supported; expected User ID and ' +
        'Password of a SQL login, or for a Windows account (NTLM) User ID=DOMAIN\\user and Password',
    ];
  }
  return [
    ...(user === undefined ? [`${terms.user} is missing`] : []),
    ...(password === undefined ? [`${terms.password} is missing`] : []),
  ];
}

/** `DOMAIN\user` signs in by NTLM, like a user with a domain; a SQL login's name cannot hold a backslash. */
function loginOf(user: string, password: string, domain: string | undefined): ConnectionSettings['login'] {
  const [, ownDomain, name] = /^([^\\]*)\\(.*)$/s.exec(user) ?? [user, undefined, user];
  const ntlmDomain = domain ?? ownDomain;
  return ntlmDomain === undefined
    ? { type: 'sql', user, password }
    : { type: 'ntlm', domain: ntlmDomain, user: name ?? user, password };
}

const OBJECT_TERMS = { server: 'server', database: 'database', user: 'user', password: 'password' };
const STRING_TERMS = {
  server: 'Data Source (Server)',
  database: 'Initial Catalog (Database)',
  user: 'User ID',
  password: 'Password',
};

/** Whether a password stands in the configuration itself. `raw` has its references still unresolved. */
export function hasClearPassword(raw: string | RawConnection): boolean {
  const { connectionString = '', password } = typeof raw === 'string' ? { connectionString: raw } : raw;
  const inString = splitConnectionString(connectionString);
  return [password, inString?.get('password'), inString?.get('pwd')].some(
    (text) => text !== undefined && text !== '' && !hasReference(text),
  );
}

interface Address {
  readonly server: string;
  readonly port?: number;
  readonly instance?: string;
}

/**
 * `host`, `host,port`, `host\instance`, each also after `tcp:`; an IPv6 address with or without brackets; `.` and
 * `(local)` are this machine. Returns what is wrong where it is none of these.
 */
export function parseServer(text: string): Address | string {
  const protocol = /^\s*([a-z]+):(?!:)/i.exec(text)?.[1]?.toLowerCase();
  if (protocol === 'np' || protocol === 'lpc' || protocol === 'admin' || text.trim().startsWith('\\\\')) {
    return 'named pipes, shared memory and the admin connection are not supported, expected TCP (host,port)';
  }
  if (/^\s*\(localdb\)/i.test(text)) return 'LocalDB is not supported, expected TCP (host,port)';
  const parts =
    /^\s*(?:tcp:)?\s*(?<host>\[[^\]]+\]|[^\\,[\]\s]+)\s*(?:\\\s*(?<instance>[^\\,\s]+)\s*)?(?:,\s*(?<port>\d+)\s*)?$/i.exec(
      text,
    )?.groups;
  if (parts?.host === undefined) return 'the server is not of the form host, host,port or host\\instance';
  const host = parts.host.replace(/^\[|\]$/g, '');
  if (/^[^:]*:\d+$/.test(host)) return 'the port stands after a comma, not a colon: host,port';
  const port = parts.port === undefined ? undefined : Number(parts.port);
  if (port !== undefined && (port < 1 || port > 65_535)) return 'the port is not from 1 to 65535';
  const isDefaultInstance = parts.instance?.toUpperCase() === 'MSSQLSERVER';
  return {
    server: host === '.' || host.toLowerCase() === '(local)' ? 'localhost' : host,
    ...(port !== undefined && { port }),
    ...(parts.instance !== undefined && !isDefaultInstance && { instance: parts.instance }),
  };
}
