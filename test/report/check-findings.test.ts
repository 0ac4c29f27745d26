import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  authenticationFinding,
  clockFinding,
  connectionFinding,
  endpointFinding,
  keyFinding,
  locksFinding,
  nodeFinding,
  permissionsFinding,
  receiverClockFinding,
  scheduleFinding,
  spaceFinding,
  trackingIndexFinding,
} from '../../src/report/check-findings.ts';
import { timeFormatter } from '../../src/report/format.ts';
import type { ConnectionFacts, EndpointFacts, KeyFacts, PermissionFacts } from '../../src/sync/check-facts.ts';

const CONNECTION: ConnectionFacts = {
  address: '10.1.2.3:1433',
  database: 'TAMHR_LOG',
  user: 'tamhr_sync',
  encryption: 'verified',
  version: '15.0.4298.1',
  isAzure: false,
  isReadOnly: false,
  connectMs: 34.2,
  latencyMs: 0.4,
};

describe('what check says of', () => {
  it('Node.js: the versions that the package supports, and no others', () => {
    const states = ['22.18.0', '22.19.0', '23.1.0', '24.0.0', '26.3.1', '20.19.0'].map(
      (version) => nodeFinding(version).state,
    );
    assert.deepEqual(states, ['failed', 'ok', 'failed', 'ok', 'ok', 'failed']);
  });

  it('a connection: where it leads, as whom, to which release, how fast', () => {
    assert.deepEqual(connectionFinding(CONNECTION, true), {
      state: 'ok',
      found:
        '10.1.2.3:1433, TLS, login tamhr_sync, database TAMHR_LOG, SQL Server 2019 (15.0.4298.1), connected in 34 ms, answers in 1 ms',
    });
    assert.match(connectionFinding({ ...CONNECTION, encryption: 'none' }, true).found, /, not encrypted, /);
    assert.match(
      connectionFinding({ ...CONNECTION, version: '12.0.2000.8', isAzure: true }, true).found,
      /, Azure SQL \(/,
    );
  });

  it('a server before 2012, and a log database that cannot be written: failures', () => {
    assert.equal(connectionFinding({ ...CONNECTION, version: '10.50.6000.34' }, false).state, 'failed');
    const readOnly = { ...CONNECTION, isReadOnly: true };
    assert.deepEqual(
      [connectionFinding(readOnly, false).state, connectionFinding(readOnly, true).state],
      ['ok', 'failed'],
    );
  });

  it('clocks: a warning above 60 s, for certain', () => {
    const stateOf = (aheadMs: number, uncertaintyMs = 5) => clockFinding({ aheadMs, uncertaintyMs }).state;
    assert.deepEqual(
      [0, 900, -59_000, 60_004, 60_100, -120_000].map((ms) => stateOf(ms)),
      ['ok', 'ok', 'ok', 'ok', 'warning', 'warning'],
    );
    assert.equal(stateOf(65_000, 6000), 'ok');
    assert.equal(clockFinding({ aheadMs: -120_000, uncertaintyMs: 5 }).found, '2 min behind this machine');
    assert.equal(receiverClockFinding({ status: 200, durationMs: 1, clock: undefined }).state, 'skipped');
  });

  it('a key: what the catalogue promises and what the rows show', () => {
    const good: KeyFacts = {
      isTable: true,
      columns: ['Id'],
      nullable: [],
      uniqueIndex: 'PK',
      pageIndex: 'PK',
      hasNull: false,
      hasDuplicate: false,
    };
    assert.deepEqual(keyFinding(good), { state: 'ok', found: 'unique by PK, never NULL' });
    assert.equal(keyFinding({ ...good, nullable: ['Id'], hasNull: true }).state, 'failed');
    assert.equal(keyFinding({ ...good, hasDuplicate: true }).state, 'failed');
  });

  it('permissions: each that is missing, by table, as a DBA grants it', () => {
    const of = (permission: PermissionFacts['permission'], granted: boolean | undefined): PermissionFacts => ({
      table: 'TB_R_Log',
      permission,
      granted,
    });
    assert.deepEqual(permissionsFinding([of('SELECT', true), of('INSERT', true)], 'u'), {
      state: 'ok',
      found: 'u may use all 1 tables',
    });
    assert.deepEqual(permissionsFinding([of('SELECT', false), of('INSERT', false), of('DELETE', true)], 'u'), {
      state: 'failed',
      found: 'u lacks SELECT, INSERT on dbo.TB_R_Log',
      remedy: 'Have a DBA GRANT SELECT, INSERT on dbo.TB_R_Log to that user.',
    });
    assert.equal(permissionsFinding([of('SELECT', undefined)], 'u').state, 'warning');
  });

  it('the ledger behind a view: that its index cannot be seen', () => {
    assert.equal(trackingIndexFinding({ state: 'unknown' }).state, 'ok');
  });

  it('space: a warning for files that are nearly full and for a full disk', () => {
    const MB = 1_000_000;
    const data = { kind: 'data', sizeBytes: 900 * MB, usedBytes: 850 * MB, maxBytes: 10_000 * MB } as const;
    const log = { kind: 'log', sizeBytes: 100 * MB, usedBytes: 10 * MB, maxBytes: undefined } as const;
    assert.deepEqual(spaceFinding({ files: [data, log], diskFreeBytes: 50_000 * MB }), {
      state: 'ok',
      found:
        'data 900.0 MB, 850.0 MB used, at most 10.0 GB; log 100.0 MB, 10.0 MB used, grows until the disk is full; 50.0 GB of disk free',
    });
    assert.equal(spaceFinding({ files: [{ ...data, maxBytes: 900 * MB }], diskFreeBytes: undefined }).state, 'warning');
    assert.equal(spaceFinding({ files: [data, log], diskFreeBytes: 500 * MB }).state, 'warning');
    assert.equal(spaceFinding({ files: [{ ...data, usedBytes: undefined }], diskFreeBytes: undefined }).state, 'ok');
    assert.equal(spaceFinding({ files: [], diskFreeBytes: undefined }).state, 'skipped');
  });

  it('a lock whose holder is not known', () => {
    const { state, found } = locksFinding([{ entity: 'Users', holder: {} }], 5, timeFormatter('UTC'));
    assert.deepEqual([state, found], ['warning', 'Users is held by a command, or a run before its first statement']);
  });

  it('a certificate: a warning below 21 days, whichever of the chain expires first', () => {
    const facts = (expiresAt: string, isOwn = true): EndpointFacts => ({
      address: '10.0.0.1:443',
      proxy: 'proxy.example:3128',
      connectMs: 12,
      tls: { protocol: 'TLSv1.3', subject: 'api.example', issuer: 'Example CA', expiresAt: new Date(expiresAt), isOwn },
    });
    const now = new Date('2026-11-25T12:00:00Z');
    assert.deepEqual(endpointFinding(facts('2026-12-16T12:00:00Z'), now), {
      state: 'ok',
      found:
        'through the proxy proxy.example:3128, 10.0.0.1:443, TLSv1.3, certificate of api.example by Example CA expires in 21 days (2026-12-16), connected in 12 ms',
    });
    const late = endpointFinding(facts('2026-12-16T11:59:59Z', false), now);
    assert.equal(late.state, 'warning');
    assert.match(late.found, /certificate of the authority api\.example by Example CA expires in 20 days/);
  });

  it('an answer: what to look at, by its status', () => {
    const request = { url: 'https://api.example/health?x=1', method: 'GET' } as const;
    const of = (status: number, expected?: number) =>
      authenticationFinding(expected === undefined ? request : { ...request, status: expected }, {
        status,
        durationMs: 3,
        clock: undefined,
      });
    assert.deepEqual(of(204), { state: 'ok', found: 'GET /health was answered with HTTP 204 in 3 ms' });
    assert.equal(of(405, 405).state, 'ok');
    assert.equal(of(200, 204).state, 'failed');
    assert.match(of(403).remedy ?? '', /credentials/);
    assert.match(of(404).remedy ?? '', /url and method/);
    assert.match(of(503).remedy ?? '', /is down/);
  });

  it('a schedule: its next five times in its zone, and that there is none', () => {
    const now = new Date('2026-11-25T12:00:00Z');
    assert.deepEqual(scheduleFinding({ cron: '30 2 * * 1', timeZone: 'Europe/Berlin' }, now), {
      state: 'ok',
      found:
        '30 2 * * 1 in Europe/Berlin, next 2026-11-30 02:30 +01:00, 2026-12-07 02:30 +01:00, 2026-12-14 02:30 +01:00, 2026-12-21 02:30 +01:00, 2026-12-28 02:30 +01:00',
    });
    assert.equal(scheduleFinding(undefined, now).state, 'warning');
  });
});
