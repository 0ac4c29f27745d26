/** What facts mean for the job: good, a warning or a failure, with what to do. Pure; no fact is looked up here. */
import { nextDue, type Schedule } from '../schedule/due.ts';
import type { Finding } from '../sync/check.ts';
import type {
  AnswerFacts,
  ClockFacts,
  ConnectionFacts,
  EndpointFacts,
  FileFacts,
  KeyFacts,
  PermissionFacts,
  SpaceFacts,
  TrackingIndex,
} from '../sync/check-facts.ts';
import type { HarmlessRequest } from '../sync/entity.ts';
import type { ChosenDetection, LockHolder } from '../sync/ports.ts';
import { formatBytes, formatCount, formatDuration, formatQuantity, timeFormatter } from './format.ts';

/** Clocks further apart make times in logs misleading, and modified-at comparisons wrong. */
const MAX_CLOCK_SKEW_MS = 60_000;

/** A certificate that expires within this time wants to be renewed now. */
const MIN_CERTIFICATE_DAYS = 21;

/** Due times that are shown. */
const TIMES_SHOWN = 5;

/** Above this part of what it can grow to, a file is nearly full. */
const MAX_FILLED = 0.9;

/** Less free space on a disk is a warning. */
const MIN_DISK_FREE_BYTES = 1_000_000_000;

const DAY_MS = 86_400_000;

const ok = (found: string): Finding => ({ state: 'ok', found });
const warning = (found: string, remedy: string): Finding => ({ state: 'warning', found, remedy });
const failed = (found: string, remedy: string): Finding => ({ state: 'failed', found, remedy });

/** The version as process.versions.node has it; which ones will do, bin/tamhr-sync.js and package.json say too. */
export function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major >= 24 || (major === 22 && minor >= 19)) return ok(version);
  return failed(
    `${version} is too old or no release with long support`,
    'Install Node.js 24, or 22.19 or later of 22.',
  );
}

/** Versions of SQL Server by the first part of their number: https://learn.microsoft.com/troubleshoot/sql/releases/download-and-install-latest-updates */
const RELEASES: Readonly<Record<string, string>> = {
  11: '2012',
  12: '2014',
  13: '2016',
  14: '2017',
  15: '2019',
  16: '2022',
  17: '2025',
};

const FIRST_RELEASE = 11;

/** A connection that could be opened. `isLog`: it must be written. */
export function connectionFinding(facts: ConnectionFacts, isLog: boolean): Finding {
  const { address, database, user, encryption, version, isAzure, isReadOnly, connectMs, latencyMs } = facts;
  const major = Number(version.split('.')[0]);
  const release = isAzure ? 'Azure SQL' : `SQL Server ${RELEASES[major] ?? ''}`.trim();
  const tls = { verified: 'TLS', 'not verified': 'TLS, certificate not verified', none: 'not encrypted' }[encryption];
  const found =
    `${address}, ${tls}, login ${user}, database ${database}${isReadOnly ? ' (read-only)' : ''}, ${release} (${version}), ` +
    `connected in ${milliseconds(connectMs)}, answers in ${milliseconds(latencyMs)}`;
  if (!isAzure && major < FIRST_RELEASE) return failed(found, 'SQL Server 2012 or later is needed.');
  if (isLog && isReadOnly) {
    return failed(
      found,
      'The log database must be written: connect to the primary server, without ApplicationIntent=ReadOnly.',
    );
  }
  return ok(found);
}

/** `3 ms`. */
function milliseconds(ms: number): string {
  return ms < 1000 ? `${Math.max(1, Math.round(ms))} ms` : formatDuration(ms);
}

/** Another clock beside this machine's. */
export function clockFinding({ aheadMs, uncertaintyMs }: ClockFacts): Finding {
  const apartMs = Math.abs(aheadMs);
  // What the measurement may be wrong by counts for the clock.
  if (apartMs - uncertaintyMs <= 1000) return ok('the same as here');
  const found = `${formatDuration(apartMs)} ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine`;
  if (apartMs - uncertaintyMs <= MAX_CLOCK_SKEW_MS) return ok(found);
  return warning(found, 'Have both clocks set by NTP: times in logs and reports are compared.');
}

/** The columns that were read, all of them readable and right for the map. */
export function sourceFinding(name: string, columns: number, key: readonly string[]): Finding {
  return ok(`${name}: ${formatQuantity(columns, 'column')} may be read, key ${key.join(', ')}`);
}

/** The key, as catalogue and rows have it. */
export function keyFinding(facts: KeyFacts): Finding {
  const { isTable, columns, nullable, uniqueIndex, pageIndex, hasNull, hasDuplicate } = facts;
  const key = columns.join(', ');
  if (hasNull) {
    return failed(
      `a row has NULL in ${nullable.join(' or ')}`,
      'A run stops at such a row: leave them out with source.where, or name another key.',
    );
  }
  if (hasDuplicate) {
    return failed(
      `two rows have the same ${key}`,
      'A run stops at them: correct the rows, or name more columns in source.key.',
    );
  }
  const unique = uniqueIndex === undefined ? 'unique and never NULL by now' : `unique by ${uniqueIndex}, never NULL`;
  if (!isTable) return ok(`${unique}; of a view or query the server tells no index`);
  if (pageIndex === undefined) {
    return warning(
      `${unique}, but no index begins with ${key}`,
      `Each page reads the whole table: have a unique index on (${key}) created.`,
    );
  }
  if (uniqueIndex === undefined) {
    return warning(
      `${unique}, but no index keeps it unique`,
      `A run stops at two rows with the same key: have a unique index on (${key}) created.`,
    );
  }
  return ok(uniqueIndex === pageIndex ? unique : `${unique}; read by ${pageIndex}`);
}

/** How many rows there are, `minRows` being the fewest that a run takes. */
export function rowsFinding(rows: number, minRows: number | undefined): Finding {
  const found = formatQuantity(rows, 'row');
  if (minRows !== undefined && rows < minRows) {
    return failed(
      `${found}, fewer than source.minRows (${formatCount(minRows)})`,
      'See whether the source is being loaded; a run leaves this entity alone.',
    );
  }
  if (rows === 0)
    return warning('no rows', 'See whether the table is the right one, and what source.where leaves out.');
  return ok(found);
}

/** How changed rows will be found. */
export function changesFinding(changes: string, { incremental, why }: ChosenDetection): Finding {
  const how =
    incremental === undefined
      ? 'all rows are read and compared'
      : `${incremental.method} by column ${incremental.column}`;
  return ok(`${changes}: ${how}, since ${why}`);
}

/** Migrations that the log database lacks. */
export function migrationsFinding(pending: readonly string[], version: number): Finding {
  if (pending.length === 0) return ok(`up to date (version ${version})`);
  return failed(
    `the log database lacks ${pending.join(', ')}`,
    'Run tamhr-sync migrate, or have a DBA run what tamhr-sync migrate --print prints.',
  );
}

/** Permissions that the login lacks. */
export function permissionsFinding(facts: readonly PermissionFacts[], user: string): Finding {
  const byTable = (granted: false | undefined) =>
    [
      ...Map.groupBy(
        facts.filter((fact) => fact.granted === granted),
        ({ table }) => table,
      ),
    ].map(([table, missing]) => `${missing.map(({ permission }) => permission).join(', ')} on dbo.${table}`);
  const [missing, untold] = [byTable(false), byTable(undefined)];
  if (missing.length > 0) {
    return failed(`${user} lacks ${missing.join('; ')}`, `Have a DBA GRANT ${missing.join('; GRANT ')} to that user.`);
  }
  if (untold.length > 0) {
    return warning(`the server does not tell about ${untold.join('; ')}`, 'See that these tables are there.');
  }
  const tables = new Set(facts.map(({ table }) => table));
  return ok(`${user} may use all ${tables.size} tables`);
}

/** The ledger's unique index. */
export function trackingIndexFinding({ state, name }: TrackingIndex): Finding {
  switch (state) {
    case 'present':
      return ok(`unique by ${name}`);
    case 'unknown':
      return ok('dbo.TB_R_SYNC_TRACKING is no table here, so that its index cannot be seen');
    case 'missing':
      return warning(
        'dbo.TB_R_SYNC_TRACKING has no unique index on EntityType, EntityId',
        'Run tamhr-sync ledger verify --repair, then have a DBA run CREATE UNIQUE INDEX UQ_TB_R_SYNC_TRACKING_EntityType_EntityId ON dbo.TB_R_SYNC_TRACKING (EntityType, EntityId).',
      );
  }
}

/** The space of the log database's files and disks. */
export function spaceFinding({ files, diskFreeBytes }: SpaceFacts): Finding {
  if (files.length === 0) return { state: 'skipped', found: 'the login may not see it' };
  const kinds = (['data', 'log'] as const).map((kind) => filesOf(kind, files)).filter(({ sizeBytes }) => sizeBytes > 0);
  const disk = diskFreeBytes === undefined ? 'free disk not visible' : `${formatBytes(diskFreeBytes)} of disk free`;
  const found = [...kinds.map(describeFiles), disk].join('; ');
  const isFull = kinds.some(
    ({ usedBytes, maxBytes }) => usedBytes !== undefined && maxBytes !== undefined && usedBytes > MAX_FILLED * maxBytes,
  );
  if (isFull) return warning(found, 'Have the files enlarged, or prune: tamhr-sync ledger prune --older-than 90d.');
  if (diskFreeBytes !== undefined && diskFreeBytes < MIN_DISK_FREE_BYTES) {
    return warning(found, 'Have the disk enlarged or cleared.');
  }
  return ok(found);
}

/** All files of a kind as one. */
function filesOf(kind: FileFacts['kind'], files: readonly FileFacts[]): FileFacts {
  const own = files.filter((file) => file.kind === kind);
  const sum = (numbers: readonly (number | undefined)[]) =>
    numbers.reduce((all, number) => (all === undefined || number === undefined ? undefined : all + number), 0);
  return {
    kind,
    sizeBytes: sum(own.map(({ sizeBytes }) => sizeBytes)) ?? 0,
    usedBytes: sum(own.map(({ usedBytes }) => usedBytes)),
    maxBytes: sum(own.map(({ maxBytes }) => maxBytes)),
  };
}

function describeFiles({ kind, sizeBytes, usedBytes, maxBytes }: FileFacts): string {
  const used = usedBytes === undefined ? '' : `, ${formatBytes(usedBytes)} used`;
  const limit = maxBytes === undefined ? 'grows until the disk is full' : `at most ${formatBytes(maxBytes)}`;
  return `${kind} ${formatBytes(sizeBytes)}${used}, ${limit}`;
}

/** The locks of entities that somebody holds. */
export function locksFinding(
  held: readonly { readonly entity: string; readonly holder: LockHolder }[],
  entities: number,
  time: (iso: string) => string,
): Finding {
  if (held.length === 0) return ok(`free (${formatQuantity(entities, 'entity', 'entities')})`);
  const holders = held.map(({ entity, holder: { runId, host, processId, since } }) => {
    const who =
      host === undefined
        ? 'a command, or a run before its first statement'
        : `run ${runId} on ${host} (process ${processId})`;
    return `${entity} is held by ${who}${since === undefined || host === undefined ? '' : ` since ${time(since.toISOString())}`}`;
  });
  return warning(holders.join('; '), 'A run started now would leave these out; wait until that one has ended.');
}

/** The way to an endpoint. */
export function endpointFinding({ address, proxy, connectMs, tls }: EndpointFacts, now: Date): Finding {
  const way = `${proxy === undefined ? '' : `through the proxy ${proxy}, `}${address}`;
  const took = `connected in ${milliseconds(connectMs)}`;
  if (tls === undefined) return ok(`${way}, without TLS, ${took}`);
  const { protocol, subject, issuer, expiresAt, isOwn } = tls;
  const days = Math.floor((expiresAt.getTime() - now.getTime()) / DAY_MS);
  const which = isOwn
    ? `certificate of ${subject} by ${issuer}`
    : `certificate of the authority ${subject} by ${issuer}`;
  const found = `${way}, ${protocol}, ${which} expires in ${formatQuantity(days, 'day')} (${expiresAt.toISOString().slice(0, 10)}), ${took}`;
  if (days >= MIN_CERTIFICATE_DAYS) return ok(found);
  return warning(found, "Have the receiver's people renew it: once it has expired, nothing is sent.");
}

/** The answer to a harmless request. */
export function authenticationFinding(request: HarmlessRequest, { status, durationMs }: AnswerFacts): Finding {
  const { method, url, status: expected } = request;
  const found = `${method} ${new URL(url).pathname} was answered with HTTP ${status} in ${milliseconds(durationMs)}`;
  if (expected === undefined ? status >= 200 && status < 300 : status === expected) return ok(found);
  const wanted = `${found}, expected ${expected ?? '2xx'}`;
  if (status === 401 || status === 403) {
    return failed(wanted, 'The receiver does not take the credentials: check destination.auth and headers.');
  }
  if (status === 404 || status === 405) {
    return failed(wanted, 'Check url and method of destination.check with the receiver’s people.');
  }
  return failed(
    wanted,
    'See whether the receiver is down, and that destination.check names a request that it answers.',
  );
}

/** Where nothing says how to find out. */
export const NO_HARMLESS_REQUEST: Finding = {
  state: 'skipped',
  found: 'not checked: destination.check names no harmless request, so only the way there was',
};

/** The clock in the answer's Date header. */
export function receiverClockFinding({ clock }: AnswerFacts): Finding {
  return clock === undefined ? { state: 'skipped', found: 'its answers have no Date header' } : clockFinding(clock);
}

/** The schedule with its next times, in its zone. */
export function scheduleFinding(schedule: Schedule | undefined, now: Date): Finding {
  if (schedule === undefined) {
    return warning('none is configured', 'Set schedule.cron: without it status cannot tell that a run did not happen.');
  }
  const time = timeFormatter(schedule.timeZone);
  const times: string[] = [];
  for (
    let due = nextDue(schedule, now);
    due !== undefined && times.length < TIMES_SHOWN;
    due = nextDue(schedule, due)
  ) {
    times.push(time(due.toISOString()));
  }
  return ok(`${schedule.cron} in ${schedule.timeZone}, next ${times.join(', ')}`);
}
