import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TimeoutError } from 'tarn';
import { faultNumber, isTransient, mayPassOnceOpened, TRANSIENT_ERRORS } from '../../src/sqlserver/transient.ts';
import { SyncError } from '../../src/sync/errors.ts';

function numbered(number: number): Error {
  return Object.assign(new Error('of the server'), { number, code: 'EREQUEST' });
}

function coded(code: string, cause?: unknown): Error {
  return Object.assign(new Error('of the driver', cause === undefined ? {} : { cause }), { code });
}

function wrapped(cause: unknown): SyncError {
  return new SyncError('LOG_DATABASE_REFUSED', 'It failed.', 'Look.', { cause });
}

describe('a fault', () => {
  it('may pass for these numbers and no others', () => {
    assert.deepEqual(
      Object.keys(TRANSIENT_ERRORS).map(Number),
      [
        596, 601, 615, 701, 802, 921, 922, 927, 941, 952, 954, 955, 976, 978, 982, 983, 988, 1101, 1105, 1204, 1205,
        1222, 3906, 3948, 3966, 4221, 6005, 8628, 8645, 8651, 9002, 10928, 10929, 10936, 17142, 17197, 17809, 18401,
        40143, 40197, 40501, 40540, 40613, 49918, 49919, 49920,
      ],
    );
  });

  it('of the server may pass where its number says so, however it is wrapped', () => {
    assert.ok(isTransient(numbered(1205)));
    assert.ok(isTransient(wrapped(numbered(1205))));
    assert.ok(isTransient(wrapped(wrapped(new AggregateError([numbered(3621), numbered(1205)])))));
    assert.equal(faultNumber(wrapped(numbered(1205))), 1205);
  });

  it('of the server that comes with another number does not pass, whatever the connection did then', () => {
    for (const number of [207, 208, 229, 515, 547, 2627, 3908, 4060, 8134]) assert.ok(!isTransient(numbered(number)));
    assert.ok(!isTransient(Object.assign(coded('ESOCKET'), { number: 208 })));
  });

  it('of a login never passes', () => {
    for (const number of [18452, 18456, 18486, 18487, 18488]) {
      assert.ok(!isTransient(wrapped(Object.assign(coded('ELOGIN'), { number }))));
      assert.ok(!mayPassOnceOpened(wrapped(Object.assign(coded('ELOGIN'), { number }))));
    }
    assert.ok(!isTransient(coded('ELOGIN')));
  });

  it('that a database cannot be opened passes only where it was open before', () => {
    assert.ok(!isTransient(wrapped(numbered(4060))));
    assert.ok(mayPassOnceOpened(wrapped(numbered(4060))));
    assert.ok(mayPassOnceOpened(wrapped(numbered(1205))));
  });

  it('of the network may pass: refused, reset, timed out, closed', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'EPIPE', 'ETIMEOUT', 'ETIMEDOUT', 'EAI_AGAIN']) {
      assert.ok(isTransient(coded(code)), code);
      assert.ok(isTransient(wrapped(coded('ESOCKET', coded(code)))), code);
    }
    assert.ok(isTransient(coded('ESOCKET')));
    assert.ok(isTransient(coded('ECLOSE', new Error('without a code'))));
    assert.ok(isTransient(new AggregateError([coded('ECONNREFUSED'), coded('EHOSTUNREACH')])));
    assert.ok(isTransient(wrapped(coded('EINSTLOOKUP', coded('ECONNREFUSED')))));
  });

  it('of a connection that the driver has given up may pass, of one that is busy it is a bug', () => {
    const state = (name: string) =>
      Object.assign(new Error(`Requests can only be made in the LoggedIn state, not the ${name} state`), {
        code: 'EINVALIDSTATE',
      });
    assert.ok(isTransient(state('Final')));
    assert.ok(!isTransient(state('SentClientRequest')));
  });

  it('that a person has to mend does not pass: names, certificates, encryption', () => {
    for (const code of [
      'ENOTFOUND',
      'CERT_HAS_EXPIRED',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'EPROTO',
    ]) {
      assert.ok(!isTransient(coded(code)), code);
      assert.ok(!isTransient(wrapped(coded('ESOCKET', coded(code)))), code);
    }
    assert.ok(!isTransient(coded('EENCRYPT')));
    assert.ok(!isTransient(coded('EINSTLOOKUP', new Error('Port for X not found'))));
  });

  it('that is none does not pass: bugs, what was cancelled, what is no error', () => {
    assert.ok(!isTransient(new TypeError('bug')));
    assert.ok(!isTransient(wrapped(undefined)));
    assert.ok(!isTransient(undefined));
    const cancelled = Object.assign(new Error('cancelled', { cause: coded('ECONNRESET') }), { name: 'AbortError' });
    assert.ok(!isTransient(cancelled));
  });

  it('that no connection of the pool became free may pass', () => {
    assert.ok(isTransient(wrapped(new TimeoutError('acquire'))));
  });
});
