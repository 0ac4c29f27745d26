/**
 * What an entity is once its configuration is loaded, defaults filled in and secrets resolved. config/ makes these
 * values, everything else reads them.
 */

/** JSON as the map may hold it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * One field of a payload:
 *
 *   "NoReg"                                                    the column, as its type's JSON form (README, "Values")
 *   { column, default?, cases?, otherwise?, format?, as? }     the column, changed: NULL → default; a value's text is looked
 *                                                              up in cases, and what is not there becomes otherwise (or
 *                                                              stays); dates by format; as: string, number or boolean
 *   { const }                                                  the same JSON in every payload
 *   { sentAt, timeZone? }                                      the time of sending in that format and zone (default:
 *                                                              the schedule's zone); not part of the row hash
 */
export type FieldMap =
  | string
  | {
      readonly column: string;
      readonly default?: Json;
      readonly cases?: Readonly<Record<string, Json>>;
      readonly otherwise?: Json;
      readonly format?: string;
      readonly as?: 'string' | 'number' | 'boolean';
    }
  | { readonly const: Json }
  | { readonly sentAt: string; readonly timeZone?: string };

/** Payload field name → where its value comes from, in the order in which the payload's JSON has them. */
export type PayloadMap = Readonly<Record<string, FieldMap>>;

/** How a request proves who sends it. */
export type Auth =
  | { readonly type: 'none' }
  | { readonly type: 'apiKey'; readonly header: string; readonly value: string }
  | { readonly type: 'basic'; readonly user: string; readonly password: string }
  | { readonly type: 'bearer'; readonly token: string };

/** Where an entity's rows come from: a table or view (`schema.table`), or a query; never both. */
export interface SourceConfig {
  /** Name in Config.connections. */
  readonly connection: string;
  readonly table?: string;
  readonly query?: string;
  /** A T-SQL predicate over the source's columns, from the configuration and trusted. */
  readonly where?: string;
  /** One column or several, in order. */
  readonly key: readonly [string, ...string[]];
  /** Columns to read; all of the source where absent. */
  readonly columns?: readonly string[];
  /** Fewer rows than this stop the entity. */
  readonly minRows?: number;
}

/** TLS with a destination, as PEM texts. */
export interface DestinationTls {
  /** Whom to trust, instead of the authorities that Node.js trusts; several certificates may follow each other. */
  readonly ca?: string;
  /** The client certificate, with the ones between it and its authority, and its key; both or none. */
  readonly cert?: string;
  readonly key?: string;
  /** Of an encrypted key. */
  readonly passphrase?: string;
}

/** Where a 2xx answer names the rows that were not taken. JSON Pointers: https://www.rfc-editor.org/rfc/rfc6901 */
export interface RejectedRowsConfig {
  /** To the array of them, in the answer's body. */
  readonly pointer: string;
  /** Within one of them, to the row's place in the request, from 0 on. One of `index` and `key`. */
  readonly index?: string;
  /** Within one of them, to the row's key, as the ledger holds it. */
  readonly key?: string;
  /** Within one of them, to why. */
  readonly reason?: string;
}

/** A request that changes nothing, by which `check` learns whether the destination takes the credentials. */
export interface HarmlessRequest {
  /** Absolute, of the destination's own origin. */
  readonly url: string;
  readonly method: 'GET' | 'HEAD' | 'OPTIONS';
  /** Absent: any 2xx is expected. */
  readonly status?: number;
}

/** Where an entity's batches go, top-level defaults already merged in. */
export interface DestinationConfig {
  /** Absolute. */
  readonly url: string;
  readonly method: 'POST' | 'PUT' | 'PATCH';
  readonly auth: Auth;
  readonly headers: Readonly<Record<string, string>>;
  readonly batchSize: number;
  readonly maxBatchBytes?: number;
  readonly concurrency: number;
  /** Total time for one attempt. */
  readonly timeoutMs: number;
  /** Attempts of a batch in a row, the first included. */
  readonly maxAttempts: number;
  /** Longest wait before the second attempt; doubled for each further one, up to `maxRetryDelayMs`. */
  readonly retryDelayMs: number;
  readonly maxRetryDelayMs: number;
  readonly requestsPerSecond?: number;
  readonly rowsPerSecond?: number;
  /** So many failed batches in a row leave the rest for the next run. */
  readonly maxFailedBatches: number;
  /** Requests of one run at most that only serve to find bad rows. */
  readonly maxIsolationCalls: number;
  /** A batch that ended with a 5xx in so many runs, while others were accepted, counts as refused; 0: never. */
  readonly serverErrorRuns: number;
  /** How long the receiver remembers an Idempotency-Key. */
  readonly idempotencyKeyTtlHours: number;
  readonly rejectedRows?: RejectedRowsConfig;
  readonly check?: HarmlessRequest;
  /** How the body is compressed on its way (Content-Encoding). */
  readonly compression: 'none' | 'gzip';
  /** Name of the header that holds the batch's id; null: none is sent. */
  readonly idempotencyHeader: string | null;
  /** Whether an http URL may lead to another machine; config/ holds to it. */
  readonly allowInsecure: boolean;
  readonly tls?: DestinationTls;
  /**
   * An http or https proxy, its user and password inside the URL (percent-encoded), and the hosts that are reached
   * without it, as NO_PROXY lists them. https goes through it by CONNECT, http is forwarded.
   */
  readonly proxy?: { readonly url: string; readonly noProxy: string };
}

/** How changed rows are looked for (comparison.ts). */
export interface DetectionConfig {
  /**
   *   auto        rowversion where the source is a table that has such a column, else hash
   *   hash        every row is read and its payload's hash compared with the ledger's
   *   rowversion  only rows whose rowversion is not below the watermark are read
   *   modifiedAt  only rows that were modified after the watermark, less an overlap, are read
   */
  readonly method: 'auto' | 'hash' | 'rowversion' | 'modifiedAt';
  /** Where the method needs one: of rowversion the table's only one if absent; modifiedAt must name it. */
  readonly column?: string;
  /** Longer than any transaction that sets the column, and than what a clock is set back; of modifiedAt. */
  readonly overlapMinutes: number;
}

/**
 * Where deletions go; what is not here is as in the entity's destination. Either `map` is there, and batches are sent like
 * others, or `url` holds `{key}`, and each row is a call of its own without a body.
 */
export interface DeletedConfig {
  /** Absolute; `{key}` in its path or query stands for the row's key, percent-encoded. */
  readonly url: string;
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Reads no columns but the key's. */
  readonly map?: PayloadMap;
}

/** A source, a destination and the mapping between them. */
export interface Entity {
  readonly name: string;
  /** The first is written (it is EntityType in every table), all are read. */
  readonly trackingLabels: readonly [string, ...string[]];
  readonly source: SourceConfig;
  readonly destination: DestinationConfig;
  /**
   *   new      a row is sent once, when the ledger does not hold its key
   *   changed  and again when its payload has changed
   *   mirror   and its deletion once it is gone from the source
   */
  readonly changes: 'new' | 'changed' | 'mirror';
  /** Of `changed` and `mirror`. */
  readonly detection: DetectionConfig;
  /** Days after which a run compares all rows, although the detection reads fewer. */
  readonly reconcileEvery: number;
  /** Of `mirror`. */
  readonly deleted?: DeletedConfig;
  /** When more than this part of the ledger's rows would be deleted, none is. */
  readonly maxDeletePercent: number;
  /** Absent: every column, under its name in camelCase. */
  readonly map?: PayloadMap;
  /** Zone for `sentAt` fields that name none: schedule.timeZone, else UTC. IANA name. */
  readonly timeZone: string;
}
