/**
 * ADO.NET connection strings to connection objects.
 *
 * @tediousjs/connection-string gives the list of keywords and their synonyms. Its parser is not used: it reads
 * `Password=;User ID=sa` as the password `;User ID=sa`, `Server=a;;Database=b` as the server `a;Database=b`, and takes
 * braces around a value for quotes, which in ADO.NET they are not.
 */
import { MSSQL_SCHEMA } from '@tediousjs/connection-string';
import { didYouMean } from './problem.ts';
import type { RawConnection } from './schema.ts';

/** A connection string as an object. Problems and warnings never hold a value that may be secret. */
export interface ParsedConnectionString {
  /** Absent where the text is no ADO.NET connection string at all. */
  readonly connection?: Omit<RawConnection, 'connectionString'>;
  /** Whether it wants the Windows account of the process. */
  readonly integratedSecurity: boolean;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * One `keyword=value;` as SqlClient's own pattern has it: in a keyword `==` is one `=`; a value in quotes, double or
 * single, may hold anything, with the quote itself doubled; any other value ends at the next `;` and its white space
 * around it does not count.
 * https://github.com/dotnet/SqlClient/blob/main/src/Microsoft.Data.SqlClient/src/Microsoft/Data/Common/DbConnectionOptions.cs
 */
const PAIR =
  /[\s;]*(?<keyword>(?:[^=;\s]|==|\s+(?:[^=;\s]|==))+)\s*=(?!=)\s*(?:"(?<double>(?:[^"]|"")*)"|'(?<single>(?:[^']|'')*)'|(?<plain>(?!["'])[^;]*?))\s*(?:;|$)/y;

/**
 * Splits a connection string into keywords (lower case, without white space) and values; of two equal keywords the last
 * holds. Undefined where it does not have the form.
 */
export function splitConnectionString(text: string): ReadonlyMap<string, string> | undefined {
  const pairs = new Map<string, string>();
  PAIR.lastIndex = 0;
  for (let position = 0; /[^\s;]/.test(text.slice(position)); position = PAIR.lastIndex) {
    const { keyword, double, single, plain = '' } = PAIR.exec(text)?.groups ?? {};
    if (keyword === undefined) return undefined;
    pairs.set(
      fold(keyword.replaceAll('==', '=')),
      double?.replaceAll('""', '"') ?? single?.replaceAll("''", "'") ?? plain,
    );
  }
  return pairs;
}

/** SqlClient's keywords are spelt with and without spaces (`Trust Server Certificate`); here white space never counts. */
function fold(keyword: string): string {
  return keyword.toLowerCase().replace(/\s+/g, '');
}

/** Newer keywords and synonyms of SqlClient, which the library's list lacks. */
const MORE_KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  'user id': ['user'],
  'command timeout': [],
  'host name in certificate': [],
  'server certificate': [],
  'server spn': [],
  'failover partner spn': [],
  'attestation protocol': [],
  'enclave attestation url': [],
  'ip address preference': [],
};

/** Every keyword and synonym, folded → the keyword, folded. */
const KEYWORDS: ReadonlyMap<string, string> = new Map(
  [
    ...Object.entries(MSSQL_SCHEMA).map(([name, { aliases }]) => [name, aliases ?? []] as const),
    ...Object.entries(MORE_KEYWORDS),
  ].flatMap(([name, aliases]) => [name, ...aliases].map((alias) => [fold(alias), fold(name)] as const)),
);

/** As they are written, for "did you mean". */
const SPELLINGS = [
  'Server',
  'Data Source',
  'Database',
  'Initial Catalog',
  'User ID',
  'Password',
  'Encrypt',
  'Trust Server Certificate',
  'Integrated Security',
  'Trusted_Connection',
  'Connect Timeout',
  'Connection Timeout',
  'Command Timeout',
  'App',
  'Application Name',
  'Application Intent',
  'MultiSubnetFailover',
  'MultipleActiveResultSets',
  'Persist Security Info',
  'Host Name In Certificate',
  'Authentication',
  'Pooling',
  'Max Pool Size',
  'Min Pool Size',
  'Packet Size',
  'Workstation ID',
  'Network Library',
  'Failover Partner',
] as const;

const FOREIGN: Readonly<Record<string, string>> = {
  driver: 'found an ODBC connection string, expected the ADO.NET form (Server=…;Database=…;User ID=…;Password=…)',
  dsn: 'found an ODBC connection string, expected the ADO.NET form (Server=…;Database=…;User ID=…;Password=…)',
  provider: 'found an OLE DB connection string, expected the ADO.NET form (Server=…;Database=…;User ID=…;Password=…)',
  metadata: 'found an Entity Framework connection string, expected what stands in its "provider connection string"',
};

const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, yes: true, false: false, no: false };

/** What SqlClient takes for Encrypt. https://learn.microsoft.com/dotnet/api/microsoft.data.sqlclient.sqlconnection.connectionstring */
const ENCRYPT: Readonly<Record<string, boolean | 'strict'>> = {
  ...BOOLEANS,
  mandatory: true,
  optional: false,
  strict: 'strict',
};

/** Reads an ADO.NET connection string. Keywords without a meaning here (pooling, MARS and the like) do not count. */
export function parseConnectionString(text: string): ParsedConnectionString {
  const problems: string[] = [];
  const warnings: string[] = [];
  const pairs = splitConnectionString(text);
  if (pairs === undefined) {
    return {
      integratedSecurity: false,
      warnings,
      problems: ['found no ADO.NET connection string, expected Keyword=value;Keyword=value (values with ; in quotes)'],
    };
  }
  const values = new Map<string, string>();
  for (const [index, [keyword, value]] of [...pairs].entries()) {
    const name = KEYWORDS.get(keyword);
    const foreign = Object.hasOwn(FOREIGN, keyword) ? FOREIGN[keyword] : undefined;
    if (foreign !== undefined) return { integratedSecurity: false, warnings, problems: [foreign] };
    // Not shown: after an unquoted ; it may be the rest of a password.
    const near = didYouMean(keyword, SPELLINGS) || ' (a value with ; in it stands in quotes)';
    if (name === undefined) problems.push(`keyword ${index + 1} is unknown${near}`);
    // An empty value is as if the keyword were absent, but for a password, which can be empty.
    else if (value !== '' || name === 'password') values.set(name, value);
  }

  const seconds = (keyword: string, label: string): number | undefined => {
    const value = values.get(keyword);
    if (value === undefined) return undefined;
    if (!/^\d{1,6}$/.test(value)) problems.push(`${label} is no whole number of seconds`);
    // 0 waits without end.
    return Number(value) * 1000 || 2_147_483_647;
  };
  const boolean = (keyword: string, label: string): boolean | undefined =>
    choice(keyword, label, BOOLEANS, '"true" or "false"');
  function choice<T>(
    keyword: string,
    label: string,
    choices: Readonly<Record<string, T>>,
    expected: string,
  ): T | undefined {
    const value = values.get(keyword)?.toLowerCase();
    if (value === undefined) return undefined;
    if (!Object.hasOwn(choices, value)) problems.push(`${label} has an unknown value, expected ${expected}`);
    return choices[value];
  }

  const connection = defined({
    server: values.get('datasource'),
    database: values.get('initialcatalog'),
    user: values.get('userid'),
    password: values.get('password'),
    encrypt: choice('encrypt', 'Encrypt', ENCRYPT, '"true", "false", "mandatory", "optional" or "strict"'),
    trustServerCertificate: boolean('trustservercertificate', 'Trust Server Certificate'),
    serverName: values.get('hostnameincertificate'),
    connectTimeoutMs: seconds('connectiontimeout', 'Connect Timeout'),
    requestTimeoutMs: seconds('commandtimeout', 'Command Timeout'),
    appName: values.get('applicationname'),
    multiSubnetFailover: boolean('multisubnetfailover', 'MultiSubnetFailover'),
    readOnlyIntent: choice(
      'applicationintent',
      'Application Intent',
      { readonly: true, readwrite: false },
      '"ReadOnly" or "ReadWrite"',
    ),
  });

  const signsInAs = values.get('authentication')?.toLowerCase().replace(/\s+/g, '') ?? 'sqlpassword';
  if (signsInAs.startsWith('activedirectory')) {
    problems.push('Authentication by Microsoft Entra (Azure AD) is not supported, expected a SQL login or NTLM');
  } else if (signsInAs !== 'sqlpassword') {
    problems.push('Authentication has an unknown value, expected "Sql Password"');
  }
  for (const [keyword, label] of [
    ['attachdbfilename', 'AttachDbFilename'],
    ['servercertificate', 'Server Certificate'],
  ] as const) {
    if (values.has(keyword)) problems.push(`${label} is not supported`);
  }
  if (boolean('contextconnection', 'Context Connection')) problems.push('Context Connection is not supported');
  if (boolean('userinstance', 'User Instance')) problems.push('User Instance is not supported');
  if (values.get('columnencryptionsetting')?.toLowerCase() === 'enabled') {
    problems.push('Column Encryption Setting (Always Encrypted) is not supported');
  }
  if ((values.get('networklibrary') ?? 'dbmssocn').toLowerCase() !== 'dbmssocn') {
    problems.push('Network Library is not supported, expected TCP (DBMSSOCN)');
  }
  if (values.has('failoverpartner')) warnings.push('Failover Partner is ignored');
  const integratedSecurity =
    choice('integratedsecurity', 'Integrated Security', { ...BOOLEANS, sspi: true }, '"true", "false" or "SSPI"') ??
    false;
  return { connection, integratedSecurity, problems, warnings };
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** The object without its undefined members. */
function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
