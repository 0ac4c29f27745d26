/**
 * The one source of truth of the configuration's form: its JSON Schema (draft 7), with a description of every key and the
 * defaults. sync.config.schema.json and the README's reference are made from it.
 */
import type {
  Auth,
  DeletedConfig,
  DetectionConfig,
  Entity,
  HarmlessRequest,
  Json,
  RejectedRowsConfig,
} from '../sync/entity.ts';

/** What holds where the configuration is silent. */
export const DEFAULTS = {
  connection: { connectTimeoutMs: 15_000, requestTimeoutMs: 120_000, retryForMs: 60_000, appName: 'tamhr-sync' },
  timeZone: 'UTC',
  logging: { level: 'info', format: 'text', maxFileBytes: 10_485_760, maxFiles: 10 },
  destination: {
    method: 'POST',
    batchSize: 3000,
    concurrency: 1,
    timeoutMs: 30_000,
    maxAttempts: 4,
    retryDelayMs: 1000,
    maxRetryDelayMs: 30_000,
    maxFailedBatches: 3,
    maxIsolationCalls: 1000,
    serverErrorRuns: 3,
    idempotencyKeyTtlHours: 24,
    compression: 'none',
    idempotencyHeader: 'Idempotency-Key',
    allowInsecure: false,
  },
  changes: 'new',
  detection: { method: 'auto', overlapMinutes: 120 },
  reconcileEvery: 7,
  maxDeletePercent: 10,
  run: { maxRetries: 100 },
  notifications: { on: 'failure', timeoutMs: 10_000, format: 'slack', encryption: 'starttls' },
} as const;

/** Where neither port nor instance is given. */
export const DEFAULT_PORT = 1433;

/** setTimeout takes no more. */
const MAX_TIMEOUT_MS = 2_147_483_647;
const MAX_TIMEOUT_MINUTES = Math.floor(MAX_TIMEOUT_MS / 60_000);

const MINUTES_IN_A_YEAR = 525_600;
const DAYS_IN_A_CENTURY = 36_525;

const text = { type: 'string', minLength: 1 } as const;
const positive = { type: 'integer', minimum: 1 } as const;
const milliseconds = { type: 'integer', minimum: 1, maximum: MAX_TIMEOUT_MS } as const;
const rate = { type: 'number', exclusiveMinimum: 0 } as const;
/** https://www.rfc-editor.org/rfc/rfc6901#section-3 */
const pointer = { type: 'string', pattern: '^(/([^~/]|~[01])*)*$' } as const;
/** TB_R_SYNC_TRACKING.EntityType is nvarchar(100). */
const label = { type: 'string', minLength: 1, maxLength: 100 } as const;

const connection = {
  description:
    'A SQL Server database: an ADO.NET connection string, or an object. TLS is on and the certificate is verified unless this says otherwise.',
  type: ['string', 'object'],
  minLength: 1,
  additionalProperties: false,
  properties: {
    connectionString: {
      ...text,
      description: 'An ADO.NET connection string; the other keys of the object override what it says.',
    },
    server: { ...text, description: 'Host name or address, also as host,port or host\\instance.' },
    port: {
      type: 'integer',
      minimum: 1,
      maximum: 65_535,
      default: DEFAULT_PORT,
      description: 'TCP port. With an instance and no port, SQL Server Browser is asked for it.',
    },
    instance: { ...text, description: 'Name of the SQL Server instance.' },
    database: { ...text, description: 'Name of the database.' },
    user: { ...text, description: 'Login; DOMAIN\\user signs in by NTLM.' },
    password: { type: 'string', description: 'Password of the login.' },
    domain: { ...text, description: 'Windows domain of the user: signs in by NTLM.' },
    encrypt: {
      enum: [true, false, 'strict'],
      default: true,
      description: 'TLS: on, off, or strict (TDS 8: TLS before the first byte).',
    },
    trustServerCertificate: {
      type: 'boolean',
      default: false,
      description: "Accept any certificate. Whoever answers in the server's place then gets the password.",
    },
    serverName: { ...text, description: 'Name that the certificate must hold, where it is not server.' },
    ca: {
      ...text,
      description: "The authority that signed the server's certificate: a file of PEM text, or the PEM text itself.",
    },
    minTlsVersion: {
      enum: ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
      description: "Lowest TLS version to accept, where an old server needs less than Node's TLSv1.2.",
    },
    connectTimeoutMs: {
      ...milliseconds,
      default: DEFAULTS.connection.connectTimeoutMs,
      description: 'Time to connect and sign in, in milliseconds.',
    },
    requestTimeoutMs: {
      ...milliseconds,
      default: DEFAULTS.connection.requestTimeoutMs,
      description: "Time to the first packet of a statement's answer, in milliseconds.",
    },
    retryForMs: {
      ...milliseconds,
      minimum: 0,
      default: DEFAULTS.connection.retryForMs,
      description:
        'How long a run goes on trying after a fault that may pass (lost connection, deadlock, failover), in milliseconds.',
    },
    appName: {
      ...text,
      maxLength: 128,
      default: DEFAULTS.connection.appName,
      description: 'Name under which the server lists the session.',
    },
    multiSubnetFailover: {
      type: 'boolean',
      default: false,
      description: 'Try all addresses of an availability group listener at once.',
    },
    readOnlyIntent: {
      type: 'boolean',
      default: false,
      description: 'Ask the listener for a readable secondary. Not for the log database.',
    },
  },
} as const;

const auth = {
  description: 'How a request proves who sends it.',
  type: 'object',
  discriminator: { propertyName: 'type' },
  oneOf: [
    {
      additionalProperties: false,
      required: ['type'],
      properties: { type: { const: 'none', description: 'No authentication (the default).' } },
    },
    {
      additionalProperties: false,
      required: ['type', 'header', 'value'],
      properties: {
        type: { const: 'apiKey', description: 'An API key in a header.' },
        header: { ...text, description: 'Name of the header.' },
        value: { ...text, description: 'The key.' },
      },
    },
    {
      additionalProperties: false,
      required: ['type', 'user', 'password'],
      properties: {
        type: { const: 'basic', description: 'HTTP Basic.' },
        user: { ...text, description: 'User name, without a colon.' },
        password: { type: 'string', description: 'Password.' },
      },
    },
    {
      additionalProperties: false,
      required: ['type', 'token'],
      properties: {
        type: { const: 'bearer', description: 'A bearer token.' },
        token: { ...text, description: 'The token.' },
      },
    },
  ],
} as const;

const tls = {
  description: 'TLS with an https destination, where its certificate or this client needs more than the usual.',
  type: 'object',
  additionalProperties: false,
  dependencies: { cert: ['key'], key: ['cert'], passphrase: ['key'] },
  properties: {
    ca: {
      ...text,
      description:
        "The authority that signed the receiver's certificate, instead of those that Node.js trusts: a file of PEM text, or the PEM text itself.",
    },
    cert: { ...text, description: 'Client certificate (mTLS): a file of PEM text, or the PEM text itself.' },
    key: { ...text, description: 'Its private key: a file of PEM text, or the PEM text itself.' },
    passphrase: { ...text, description: 'Passphrase of the private key, where it is encrypted.' },
  },
} as const;

const rejectedRows = {
  description: 'Where a 2xx answer names rows that were not taken, as JSON Pointers (RFC 6901).',
  type: 'object',
  additionalProperties: false,
  required: ['pointer'],
  oneOf: [{ required: ['index'] }, { required: ['key'] }],
  properties: {
    pointer: { ...pointer, description: 'The array of them in the answer; empty: the answer itself.' },
    index: { ...pointer, description: "Within one of them, the row's place in the request, from 0 on." },
    key: { ...pointer, description: "Within one of them, the row's key." },
    reason: { ...pointer, description: 'Within one of them, why the row was not taken.' },
  },
} as const;

const harmlessCheck = {
  description:
    'A harmless request by which `tamhr-sync check` finds out whether the receiver takes the credentials; without it only the way there is checked.',
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    url: { ...text, description: "On the destination's own server: absolute, or a path that follows baseUrl." },
    method: { enum: ['GET', 'HEAD', 'OPTIONS'], description: 'HTTP method. Default: GET.' },
    status: {
      type: 'integer',
      minimum: 200,
      maximum: 599,
      description: 'The status that is expected. Default: any 2xx.',
    },
  },
} as const;

const destination = {
  baseUrl: { ...text, description: 'What stands before an url that is not absolute.' },
  method: { enum: ['POST', 'PUT', 'PATCH'], description: 'HTTP method.' },
  headers: {
    type: 'object',
    additionalProperties: { type: 'string' },
    description: "Further headers of each request. An entity's are added to the top-level ones.",
  },
  auth,
  batchSize: { ...positive, description: 'Most rows in one request.' },
  maxBatchBytes: { ...positive, description: "Most bytes in one request's body; no limit where absent." },
  concurrency: { ...positive, maximum: 64, description: 'Most requests of an entity in flight at once.' },
  timeoutMs: { ...milliseconds, description: 'Time for one request with its answer, in milliseconds.' },
  maxAttempts: { ...positive, description: 'Most attempts of a batch in a row, the first included.' },
  retryDelayMs: {
    ...milliseconds,
    description:
      'Longest wait before the second attempt, in milliseconds; it doubles for each further one. Waits are random below it.',
  },
  maxRetryDelayMs: {
    ...milliseconds,
    description: 'Longest wait between two attempts, unless the receiver asks for more.',
  },
  requestsPerSecond: { ...rate, description: 'Most requests a second; no limit where absent.' },
  rowsPerSecond: { ...rate, description: 'Most rows a second; no limit where absent.' },
  maxFailedBatches: {
    ...positive,
    description: 'So many failed batches in a row leave the rest of the entity for the next run.',
  },
  maxIsolationCalls: {
    type: 'integer',
    minimum: 0,
    description: 'Most requests of an entity in one run that only serve to find the bad rows in refused batches.',
  },
  serverErrorRuns: {
    type: 'integer',
    minimum: 0,
    description:
      'A batch that ended with a 5xx in so many runs, while others were accepted, counts as refused and is searched for bad rows; 0: never.',
  },
  idempotencyKeyTtlHours: {
    ...rate,
    description: 'How long the receiver remembers an Idempotency-Key; sending again later is logged as a risk.',
  },
  rejectedRows,
  check: harmlessCheck,
  compression: { enum: ['none', 'gzip'], description: 'Compresses request bodies, for receivers that can read that.' },
  idempotencyHeader: {
    type: ['string', 'null'],
    minLength: 1,
    description: "Header for the batch's id, the same whenever the batch is sent again; null: none.",
  },
  allowInsecure: {
    type: 'boolean',
    description: 'Allow http:// to another machine, where everyone on the way reads the rows and the credentials.',
  },
  tls,
  proxy: {
    type: 'string',
    description:
      'Proxy such as http://user:password@host:3128; empty: none. Default: HTTPS_PROXY or HTTP_PROXY of the environment, but not for this machine.',
  },
  noProxy: {
    type: 'string',
    description:
      'Hosts to reach without proxy, separated by commas: names with all below them, addresses, host:port, *. Default: NO_PROXY of the environment.',
  },
} as const;

const field = {
  description: 'A column name, or an object with exactly one of column, const and sentAt.',
  type: ['string', 'object'],
  minLength: 1,
  additionalProperties: false,
  properties: {
    column: { ...text, description: 'The column that the value comes from.' },
    default: { description: 'Any JSON: the value where the column is NULL (else null).' },
    cases: {
      type: 'object',
      description: 'Looks the value up, as text: { "1": "yes", "0": "no" }.',
      additionalProperties: {},
    },
    otherwise: { description: 'Any JSON: the value where cases does not have it (else the value stays).' },
    format: { ...text, description: "Date format of yyyy, yy, MM, dd, HH, mm, ss, fff; other letters in '…'." },
    as: { enum: ['string', 'number', 'boolean'], description: 'JSON type that the value is converted to.' },
    const: { description: 'Any JSON: the same value in every payload.' },
    sentAt: { ...text, description: 'The time of sending, in a date format.' },
    timeZone: { ...text, description: 'IANA zone for sentAt. Default: schedule.timeZone.' },
  },
  dependencies: {
    default: ['column'],
    cases: ['column'],
    otherwise: ['column'],
    format: ['column'],
    as: ['column'],
    timeZone: ['sentAt'],
  },
  oneOf: [
    { type: 'string' },
    { type: 'object', required: ['column'] },
    { type: 'object', required: ['const'] },
    { type: 'object', required: ['sentAt'] },
  ],
} as const;

const entity = {
  description: 'A source, a destination and the mapping between them.',
  type: 'object',
  additionalProperties: false,
  required: ['name', 'source', 'destination'],
  properties: {
    name: { ...label, description: 'Name of the entity, for --entity, logs and reports.' },
    enabled: { type: 'boolean', default: true, description: 'false: checked, but neither run nor shown.' },
    trackingLabels: {
      type: 'array',
      items: label,
      minItems: 1,
      uniqueItems: true,
      description:
        'EntityType values under which the ledger holds its rows: the first is written, all are read. Default: the name.',
    },
    source: {
      description: 'Where its rows come from: a table or view, or a query.',
      type: 'object',
      additionalProperties: false,
      required: ['connection', 'key'],
      oneOf: [{ required: ['table'] }, { required: ['query'] }],
      properties: {
        connection: { ...text, description: 'Name of the connection.' },
        table: { ...text, description: 'Table or view, such as dbo.MDM_USER.' },
        query: { ...text, description: 'A SELECT to read instead of a table, without ORDER BY.' },
        where: { ...text, description: 'A T-SQL condition that the rows must meet.' },
        key: {
          type: ['string', 'array'],
          minLength: 1,
          items: text,
          minItems: 1,
          uniqueItems: true,
          description: 'The column that identifies a row, or several in order.',
        },
        columns: {
          type: 'array',
          items: text,
          minItems: 1,
          uniqueItems: true,
          description: 'Columns to read. Default: those that the map needs; without a map, all.',
        },
        minRows: {
          type: 'integer',
          minimum: 0,
          description: 'Fewer rows than this stop the entity: a half-loaded source is not taken for the truth.',
        },
      },
    },
    destination: {
      description: 'Where its batches go. What is absent comes from the top-level destination.',
      type: 'object',
      additionalProperties: false,
      required: ['url'],
      properties: {
        url: { ...text, description: 'Endpoint: absolute, or a path that follows baseUrl.' },
        ...destination,
      },
    },
    changes: {
      enum: ['new', 'changed', 'mirror'],
      default: DEFAULTS.changes,
      description:
        'Which rows are sent. new: those whose key the ledger does not hold; changed: these, and again those whose payload has changed; mirror: also the deletion of those that are gone from the source.',
    },
    detection: {
      description: 'How changed rows are found. Of no effect where changes is new.',
      type: 'object',
      additionalProperties: false,
      properties: {
        method: {
          enum: ['auto', 'hash', 'rowversion', 'modifiedAt'],
          default: DEFAULTS.detection.method,
          description:
            'hash: all rows are read and compared; rowversion, modifiedAt: only those that a column says have changed since; auto: rowversion where the source has such a column, else hash.',
        },
        column: {
          ...text,
          description:
            "The column that tells of a change. Of rowversion: default the table's only one; of modifiedAt: required.",
        },
        overlapMinutes: {
          type: 'number',
          minimum: 0,
          maximum: MINUTES_IN_A_YEAR,
          default: DEFAULTS.detection.overlapMinutes,
          description:
            'Of modifiedAt: how far before the last known time rows are read again. Longer than any transaction that sets the column, and than a clock is ever set back.',
        },
      },
    },
    reconcileEvery: {
      ...rate,
      maximum: DAYS_IN_A_CENTURY,
      default: DEFAULTS.reconcileEvery,
      description: 'Days after which a run compares all rows, although the detection reads fewer.',
    },
    deleted: {
      description:
        'Where deletions go, for changes: "mirror". It has either a map or {key} in its url; everything else is as in destination.',
      type: 'object',
      additionalProperties: false,
      required: ['url'],
      properties: {
        url: {
          ...text,
          description:
            "Endpoint: absolute, or a path that follows baseUrl. {key} in its path or query stands for the row's key: then each row is a call without a body.",
        },
        method: {
          enum: ['POST', 'PUT', 'PATCH', 'DELETE'],
          description: 'HTTP method. Default: DELETE where the url has {key}, else POST.',
        },
        map: {
          description: "As the entity's map, but of the key's columns only: deletions then go in batches like rows.",
          type: 'object',
          minProperties: 1,
          additionalProperties: field,
        },
      },
    },
    maxDeletePercent: {
      type: 'number',
      minimum: 0,
      maximum: 100,
      default: DEFAULTS.maxDeletePercent,
      description: "When more than this part of the ledger's rows would be deleted, none is.",
    },
    map: {
      description: 'Payload field → where its value comes from. Default: every column, its name in camelCase.',
      type: 'object',
      minProperties: 1,
      additionalProperties: field,
    },
  },
} as const;

/** What stands in each kind of notification. */
const notification = {
  on: {
    enum: ['failure', 'always'],
    default: DEFAULTS.notifications.on,
    description: 'Of which runs: those that end with another exit code than 0, or all.',
  },
  timeoutMs: {
    ...milliseconds,
    default: DEFAULTS.notifications.timeoutMs,
    description: 'Time for all of it, in milliseconds.',
  },
  tls: { ...tls, description: 'TLS, with the keys of destination.tls.' },
} as const;

/** What stands in each kind of notification by HTTP. */
const httpNotification = {
  ...notification,
  url: { ...text, description: 'Where it is sent. Whoever knows it can write there, so it is a secret: ${env:NAME}.' },
  allowInsecure: { type: 'boolean', default: false, description: 'Allow http:// to another machine.' },
  proxy: { ...destination.proxy },
  noProxy: { ...destination.noProxy },
} as const;

const notifications = {
  description: 'Who is told of runs. One that fails is a warning in the log and changes no exit code.',
  type: 'array',
  items: {
    type: 'object',
    discriminator: { propertyName: 'type' },
    oneOf: [
      {
        additionalProperties: false,
        required: ['type', 'url'],
        properties: {
          type: { const: 'webhook', description: 'A message to a chat.' },
          ...httpNotification,
          format: {
            enum: ['slack', 'teams', 'messageCard'],
            default: DEFAULTS.notifications.format,
            description:
              'slack: {"text": …}, also for Mattermost; teams: an Adaptive Card for a Teams workflow; messageCard: for an old Teams connector.',
          },
        },
      },
      {
        additionalProperties: false,
        required: ['type', 'host', 'from', 'to'],
        dependencies: { user: ['password'], password: ['user'] },
        properties: {
          type: { const: 'email', description: 'An e-mail.' },
          ...notification,
          host: { ...text, description: 'The mail server (SMTP).' },
          port: {
            type: 'integer',
            minimum: 1,
            maximum: 65_535,
            description: 'Its port. Default: 587 for starttls, 465 for tls, 25 for none.',
          },
          encryption: {
            enum: ['starttls', 'tls', 'none'],
            default: DEFAULTS.notifications.encryption,
            description: 'starttls: nothing is sent unless the server turns TLS on; tls: TLS from the first byte.',
          },
          user: { ...text, description: 'User, where the server asks for a login.' },
          password: { ...text, description: 'Its password.' },
          from: { ...text, description: 'Address of the sender, such as HR sync <sync@example.com>.' },
          to: {
            type: ['string', 'array'],
            minLength: 1,
            items: text,
            minItems: 1,
            uniqueItems: true,
            description: 'Address of the recipient, or several.',
          },
        },
      },
      {
        additionalProperties: false,
        required: ['type', 'url'],
        properties: {
          type: {
            const: 'ping',
            description:
              'A ping as healthchecks.io takes it: URL/start, then URL/EXIT-CODE, both with the run id as rid.',
          },
          ...httpNotification,
          on: {
            ...notification.on,
            default: 'always',
            description: 'always: at the start and the end of each run; failure: at the end of those that fail.',
          },
        },
      },
    ],
  },
} as const;

const metrics = {
  description: 'Figures of the last run for Prometheus, as node_exporter and windows_exporter read them from a file.',
  type: 'object',
  additionalProperties: false,
  required: ['file'],
  properties: { file: { ...text, description: 'The file, replaced after each run; its name must end with .prom.' } },
} as const;

/** The JSON Schema of the configuration file. */
export const CONFIG_SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Configuration of tamhr-sync',
  description:
    '${env:NAME} and ${file:path} stand for a secret anywhere in a string; $${ is a plain ${. Paths are relative to the configuration file.',
  type: 'object',
  additionalProperties: false,
  required: ['connections', 'log', 'entities'],
  properties: {
    $schema: { type: 'string', description: 'For editors: where this schema stands.' },
    connections: {
      description: 'The databases by name.',
      type: 'object',
      minProperties: 1,
      additionalProperties: connection,
    },
    log: {
      description: 'The log database: ledger, TB_R_Log, runs and batches.',
      type: 'object',
      additionalProperties: false,
      required: ['connection'],
      properties: { connection: { ...text, description: 'Name of its connection.' } },
    },
    logging: {
      description: "The program's own log, on stderr and in a file.",
      type: 'object',
      additionalProperties: false,
      properties: {
        level: {
          enum: ['error', 'warn', 'info', 'debug'],
          default: DEFAULTS.logging.level,
          description: 'What is less severe is left out.',
        },
        format: {
          enum: ['text', 'json'],
          default: DEFAULTS.logging.format,
          description: 'Plain lines, or one JSON object a line.',
        },
        file: { ...text, description: 'File to write the log to as well; it rotates by size.' },
        maxFileBytes: {
          type: 'integer',
          minimum: 1024,
          default: DEFAULTS.logging.maxFileBytes,
          description: 'Size at which the log file rotates.',
        },
        maxFiles: { ...positive, default: DEFAULTS.logging.maxFiles, description: 'Log files to keep.' },
      },
    },
    schedule: {
      description:
        'When the job is meant to run: schedule install and print hand it to a scheduler, status tells what is overdue.',
      type: 'object',
      additionalProperties: false,
      required: ['cron'],
      properties: {
        cron: { ...text, description: 'Five fields: minute, hour, day of month, month, day of week.' },
        timeZone: { ...text, default: DEFAULTS.timeZone, description: 'IANA zone, such as Asia/Jakarta.' },
      },
    },
    report: {
      description: 'What a run leaves for people to read at its end.',
      type: 'object',
      additionalProperties: false,
      properties: {
        html: {
          ...text,
          description:
            'File to write the status report to after each run, as tamhr-sync status --html does. Where that fails, the run warns.',
        },
      },
    },
    run: {
      description: 'How far one run goes.',
      type: 'object',
      additionalProperties: false,
      properties: {
        maxDurationMinutes: {
          ...rate,
          maximum: MAX_TIMEOUT_MINUTES,
          description: 'After so many minutes a run starts nothing new; no limit where absent. See --deadline, too.',
        },
        maxRetries: {
          type: 'integer',
          minimum: 0,
          default: DEFAULTS.run.maxRetries,
          description: 'Most further attempts in one run, over all batches of all entities.',
        },
      },
    },
    notifications,
    metrics,
    destination: {
      description: 'What the destinations of all entities share; each may override anything of it.',
      type: 'object',
      additionalProperties: false,
      properties: {
        ...destination,
        method: { ...destination.method, default: DEFAULTS.destination.method },
        batchSize: { ...destination.batchSize, default: DEFAULTS.destination.batchSize },
        concurrency: { ...destination.concurrency, default: DEFAULTS.destination.concurrency },
        timeoutMs: { ...destination.timeoutMs, default: DEFAULTS.destination.timeoutMs },
        maxAttempts: { ...destination.maxAttempts, default: DEFAULTS.destination.maxAttempts },
        retryDelayMs: { ...destination.retryDelayMs, default: DEFAULTS.destination.retryDelayMs },
        maxRetryDelayMs: { ...destination.maxRetryDelayMs, default: DEFAULTS.destination.maxRetryDelayMs },
        maxFailedBatches: { ...destination.maxFailedBatches, default: DEFAULTS.destination.maxFailedBatches },
        maxIsolationCalls: { ...destination.maxIsolationCalls, default: DEFAULTS.destination.maxIsolationCalls },
        serverErrorRuns: { ...destination.serverErrorRuns, default: DEFAULTS.destination.serverErrorRuns },
        idempotencyKeyTtlHours: {
          ...destination.idempotencyKeyTtlHours,
          default: DEFAULTS.destination.idempotencyKeyTtlHours,
        },
        compression: { ...destination.compression, default: DEFAULTS.destination.compression },
        idempotencyHeader: { ...destination.idempotencyHeader, default: DEFAULTS.destination.idempotencyHeader },
        allowInsecure: { ...destination.allowInsecure, default: DEFAULTS.destination.allowInsecure },
      },
    },
    entities: {
      description: 'The entities, in the order in which a run takes them.',
      type: 'array',
      minItems: 1,
      items: entity,
    },
  },
} as const;

/** A connection as an object in the file. */
export interface RawConnection {
  readonly connectionString?: string;
  readonly server?: string;
  readonly port?: number;
  readonly instance?: string;
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
  readonly domain?: string;
  readonly encrypt?: boolean | 'strict';
  readonly trustServerCertificate?: boolean;
  readonly serverName?: string;
  readonly ca?: string;
  readonly minTlsVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly connectTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly retryForMs?: number;
  readonly appName?: string;
  readonly multiSubnetFailover?: boolean;
  readonly readOnlyIntent?: boolean;
}

/** TLS of a destination in the file. */
export interface RawTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
}

/** The top-level destination in the file. */
export interface RawDestination {
  readonly baseUrl?: string;
  readonly method?: 'POST' | 'PUT' | 'PATCH';
  readonly headers?: Readonly<Record<string, string>>;
  readonly auth?: Auth;
  readonly batchSize?: number;
  readonly maxBatchBytes?: number;
  readonly concurrency?: number;
  readonly timeoutMs?: number;
  readonly maxAttempts?: number;
  readonly retryDelayMs?: number;
  readonly maxRetryDelayMs?: number;
  readonly requestsPerSecond?: number;
  readonly rowsPerSecond?: number;
  readonly maxFailedBatches?: number;
  readonly maxIsolationCalls?: number;
  readonly serverErrorRuns?: number;
  readonly idempotencyKeyTtlHours?: number;
  readonly rejectedRows?: RejectedRowsConfig;
  readonly check?: {
    readonly url: string;
    readonly method?: HarmlessRequest['method'];
    readonly status?: number;
  };
  readonly compression?: 'none' | 'gzip';
  readonly idempotencyHeader?: string | null;
  readonly allowInsecure?: boolean;
  readonly tls?: RawTls;
  readonly proxy?: string;
  readonly noProxy?: string;
}

/** A field of a map that is written as an object in the file. */
interface RawField {
  readonly column?: string;
  readonly default?: Json;
  readonly cases?: Readonly<Record<string, Json>>;
  readonly otherwise?: Json;
  readonly format?: string;
  readonly as?: 'string' | 'number' | 'boolean';
  readonly const?: Json;
  readonly sentAt?: string;
  readonly timeZone?: string;
}

type RawMap = Readonly<Record<string, string | RawField>>;

/** Where an entity's deletions go, in the file. */
export interface RawDeleted {
  readonly url: string;
  readonly method?: DeletedConfig['method'];
  readonly map?: RawMap;
}

/** An entity in the file. */
export interface RawEntity {
  readonly name: string;
  readonly enabled?: boolean;
  readonly trackingLabels?: readonly [string, ...string[]];
  readonly source: {
    readonly connection: string;
    readonly table?: string;
    readonly query?: string;
    readonly where?: string;
    readonly key: string | readonly [string, ...string[]];
    readonly columns?: readonly string[];
    readonly minRows?: number;
  };
  readonly destination: RawDestination & { readonly url: string };
  readonly changes?: Entity['changes'];
  readonly detection?: Partial<DetectionConfig>;
  readonly reconcileEvery?: number;
  readonly deleted?: RawDeleted;
  readonly maxDeletePercent?: number;
  readonly map?: RawMap;
}

/** What notifications by HTTP have in the file. */
interface RawHttpNotification extends RawSharedNotification {
  readonly url: string;
  readonly allowInsecure?: boolean;
  readonly proxy?: string;
  readonly noProxy?: string;
}

interface RawSharedNotification {
  readonly on?: 'failure' | 'always';
  readonly timeoutMs?: number;
  readonly tls?: RawTls;
}

/** A notification in the file. */
export type RawNotification =
  | (RawHttpNotification & { readonly type: 'webhook'; readonly format?: 'slack' | 'teams' | 'messageCard' })
  | (RawHttpNotification & { readonly type: 'ping' })
  | (RawSharedNotification & {
      readonly type: 'email';
      readonly host: string;
      readonly port?: number;
      readonly encryption?: 'starttls' | 'tls' | 'none';
      readonly user?: string;
      readonly password?: string;
      readonly from: string;
      readonly to: string | readonly string[];
    });

/** The file, once it meets CONFIG_SCHEMA. */
export interface RawConfig {
  readonly connections: Readonly<Record<string, string | RawConnection>>;
  readonly log: { readonly connection: string };
  readonly logging?: {
    readonly level?: 'error' | 'warn' | 'info' | 'debug';
    readonly format?: 'text' | 'json';
    readonly file?: string;
    readonly maxFileBytes?: number;
    readonly maxFiles?: number;
  };
  readonly schedule?: { readonly cron: string; readonly timeZone?: string };
  readonly report?: { readonly html?: string };
  readonly run?: { readonly maxDurationMinutes?: number; readonly maxRetries?: number };
  readonly notifications?: readonly RawNotification[];
  readonly metrics?: { readonly file: string };
  readonly destination?: RawDestination;
  readonly entities: readonly RawEntity[];
}

/** CONFIG_SCHEMA as sync.config.schema.json holds it: indented, lists of plain values on one line. */
export function schemaText(): string {
  const indented = JSON.stringify(CONFIG_SCHEMA, undefined, 2);
  const plainList = /\[\s+((?:"[^"]*"|[\w.]+)(?:,\s+(?:"[^"]*"|[\w.]+))*)\s+\]/g;
  return `${indented.replace(plainList, (_, items: string) => `[${items.replace(/,\s+/g, ', ')}]`)}\n`;
}
