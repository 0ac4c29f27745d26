/** What the edges find out for `check`; report/check-findings.ts says what it means. */

/** A connection that was opened. */
export interface ConnectionFacts {
  /** `host:port` or `host\instance`. */
  readonly address: string;
  readonly database: string;
  /** The login. */
  readonly user: string;
  readonly encryption: 'verified' | 'not verified' | 'none';
  /** As SERVERPROPERTY('ProductVersion') has it, such as `15.0.4298.1`. */
  readonly version: string;
  /** A service in Azure, whose version numbers mean something else. */
  readonly isAzure: boolean;
  readonly isReadOnly: boolean;
  /** TCP, TLS and login together. */
  readonly connectMs: number;
  /** Of one statement. */
  readonly latencyMs: number;
}

/** How far another clock is from this machine's. */
export interface ClockFacts {
  /** Positive where the other clock is ahead. */
  readonly aheadMs: number;
  /** By how much that may be wrong. */
  readonly uncertaintyMs: number;
}

/** What the server says of a source's key. */
export interface KeyFacts {
  /** Whether the catalogue can tell: of a table, not of a view or query. */
  readonly isTable: boolean;
  /** The key's columns. */
  readonly columns: readonly string[];
  /** Those that may be NULL by their definition. */
  readonly nullable: readonly string[];
  /** An index that keeps the key unique. */
  readonly uniqueIndex?: string;
  /** An index that begins with the key's columns, so that a page is a seek. */
  readonly pageIndex?: string;
  /** Whether a row has a NULL in its key. */
  readonly hasNull: boolean;
  /** Whether two rows have the same key. */
  readonly hasDuplicate: boolean;
}

/** A permission on a table of the log database; `granted` is undefined where the server does not tell. */
export interface PermissionFacts {
  readonly table: string;
  readonly permission: 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';
  readonly granted: boolean | undefined;
}

/** The unique index of the ledger: there, missing, or (of a view or synonym) not to be seen. */
export type TrackingIndex = { readonly state: 'present' | 'missing' | 'unknown'; readonly name?: string };

/** A file of the log database. */
export interface FileFacts {
  readonly kind: 'data' | 'log';
  readonly sizeBytes: number;
  /** Undefined where the login may not see it. */
  readonly usedBytes: number | undefined;
  /** What it can grow to; undefined: until the disk is full. */
  readonly maxBytes: number | undefined;
}

/** The space of the log database. */
export interface SpaceFacts {
  readonly files: readonly FileFacts[];
  /** On the fullest of its disks; undefined where the login may not see it. */
  readonly diskFreeBytes: number | undefined;
}

/** The way to an endpoint, up to and with TLS. */
export interface EndpointFacts {
  /** Address and port that answered; of the proxy where one forwards the requests. */
  readonly address: string;
  /** Host and port of the proxy on the way. */
  readonly proxy?: string;
  /** Name lookup, TCP and TLS together. */
  readonly connectMs: number;
  readonly tls?: {
    /** Such as `TLSv1.3`. */
    readonly protocol: string;
    /** Common names of the certificate that expires first in the chain, and of its issuer. */
    readonly subject: string;
    readonly issuer: string;
    readonly expiresAt: Date;
    /** Whether it is the endpoint's own, none of those between it and the authority. */
    readonly isOwn: boolean;
  };
}

/** The answer to a harmless request. */
export interface AnswerFacts {
  readonly status: number;
  readonly durationMs: number;
  /** From its Date header; undefined where it has none. */
  readonly clock: ClockFacts | undefined;
}
