import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Receiver, type ReceiverOptions, startReceiver } from '../../../dev/receiver.ts';

const running: Receiver[] = [];
after(() => Promise.all(running.map((receiver) => receiver.close())));

async function start(options?: ReceiverOptions): Promise<Receiver> {
  const receiver = await startReceiver(options);
  running.push(receiver);
  return receiver;
}

interface Reply {
  readonly status: number | undefined;
  readonly body: string;
}

/** As `post`, with the answer's headers. */
async function postForHeaders(url: string, body: unknown): Promise<{ status: number; headers: Headers }> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body), redirect: 'manual' });
  await response.arrayBuffer();
  return response;
}

/** A POST with node:http, on a connection of its own; rejects where no complete answer comes. */
async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  return call(
    'POST',
    url,
    typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    headers,
  );
}

/** As `post`, a DELETE; fetch would resolve dots in the path. */
async function del(url: string, headers: Record<string, string> = {}, body = ''): Promise<Reply> {
  // Node sends no length by itself with this method.
  return call('DELETE', url, body, { ...headers, 'Content-Length': String(body.length) });
}

async function call(
  method: string,
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string>,
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request(url, { method, headers, agent: new Agent() }, resolve).on('error', reject).end(body);
  const response = await promise;
  const chunks: Buffer[] = await response.toArray();
  return { status: response.statusCode, body: Buffer.concat(chunks).toString() };
}

const ROWS = [
  { Code: 'a', Name: 'Budi' },
  { Code: 'b', Name: '佐藤' },
];

describe('startReceiver', () => {
  it('takes the rows of a JSON array at any path and tells paths apart', async () => {
    const receiver = await start({ keepBodies: true });
    const reply = await post(`${receiver.url}/users?x=1`, ROWS, { 'Idempotency-Key': 'k1' });
    await post(`${receiver.url}/orgobject`, [{ Code: 'c' }]);
    assert.deepEqual(reply, { status: 200, body: '{"accepted":2}' });
    assert.deepEqual(
      [...receiver.accepted('/users')],
      [
        ['a', { row: ROWS[0], times: 1 }],
        ['b', { row: ROWS[1], times: 1 }],
      ],
    );
    assert.equal(receiver.accepted('/orgobject').size, 1);
    assert.equal(receiver.accepted('/other').size, 0);
    assert.equal(receiver.calls().length, 2);
    const [call] = receiver.calls('/users');
    assert.equal(call?.status, 200);
    assert.equal(call?.rows, 2);
    assert.equal(call?.idempotencyKey, 'k1');
    assert.equal(call?.body, JSON.stringify(ROWS));
  });

  it('counts how often a row came', async () => {
    const receiver = await start();
    await post(`${receiver.url}/users`, ROWS);
    await post(`${receiver.url}/users`, [{ Code: 'a', Name: 'Budi Santoso' }]);
    assert.deepEqual(receiver.accepted('/users').get('a'), { row: { Code: 'a', Name: 'Budi Santoso' }, times: 2 });
    assert.equal(receiver.accepted('/users').get('b')?.times, 1);
  });

  for (const body of ['{"Code":"a"}', '[1]', '[{"Code":"a"}', '']) {
    it(`refuses the body ${JSON.stringify(body)} with 400`, async () => {
      const receiver = await start();
      assert.equal((await post(`${receiver.url}/users`, body)).status, 400);
      assert.equal(receiver.accepted('/users').size, 0);
    });
  }

  it('takes a body in gzip as it is without', async () => {
    const receiver = await start({ keepBodies: true });
    const gzip = { 'Content-Encoding': 'gzip' };
    assert.equal((await post(`${receiver.url}/users`, gzipSync(JSON.stringify(ROWS)), gzip)).status, 200);
    assert.equal(receiver.calls()[0]?.body, JSON.stringify(ROWS));
    assert.equal(receiver.accepted('/users').size, 2);
    assert.equal((await post(`${receiver.url}/users`, ROWS, gzip)).status, 400);
    assert.equal((await post(`${receiver.url}/users`, ROWS, { 'Content-Encoding': 'br' })).status, 415);
    assert.equal(receiver.accepted('/users').get('a')?.times, 1);
  });

  it('lets in by client certificate only', async () => {
    const pem = (name: string) => readFileSync(new URL(`../../http/tls/${name}.pem`, import.meta.url), 'utf8');
    const tls = { key: pem('server.key'), cert: pem('valid'), clientCa: pem('client-ca') };
    const receiver = await start({ tls });
    const post = async (options: object): Promise<number | undefined> => {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      const agent = new TlsAgent({ ca: pem('ca'), ...options });
      tlsRequest(`${receiver.url}/users`, { method: 'POST', agent }, resolve).on('error', reject).end('[]');
      return (await promise.finally(() => agent.destroy())).statusCode;
    };
    await assert.rejects(post({}));
    assert.equal(await post({ cert: pem('client'), key: pem('client.key') }), 200);
    assert.equal(receiver.calls().length, 1);
  });

  it('lets in by API key only', async () => {
    const receiver = await start({ auth: { header: 'X-Api-Key', value: 'right' } });
    assert.equal((await post(`${receiver.url}/users`, ROWS)).status, 401);
    assert.equal((await post(`${receiver.url}/users`, ROWS, { 'X-Api-Key': 'wrong' })).status, 401);
    assert.equal(receiver.accepted('/users').size, 0);
    assert.equal((await post(`${receiver.url}/users`, ROWS, { 'X-Api-Key': 'right' })).status, 200);
  });

  it('lets in by Basic login only', async () => {
    const receiver = await start({ auth: { user: 'tamhr', password: 'pä:ss' } });
    const basic = (login: string) => ({ Authorization: `Basic ${Buffer.from(login).toString('base64')}` });
    assert.equal((await post(`${receiver.url}/users`, ROWS, basic('tamhr:pass'))).status, 401);
    assert.equal((await post(`${receiver.url}/users`, ROWS, basic('tamhr:pä:ss'))).status, 200);
  });

  it('refuses a request with a refused row as a whole, and says which row it was', async () => {
    const receiver = await start({ refuse: (row) => (row.Code === 'b' ? 'must not be b' : undefined) });
    const reply = await post(`${receiver.url}/users`, ROWS);
    assert.equal(reply.status, 422);
    assert.deepEqual(JSON.parse(reply.body).errors, { '[1]': ['must not be b'] });
    assert.equal(receiver.accepted('/users').size, 0);
  });
});

describe('a receiver that refuses', () => {
  const refuse = (row: { readonly Code?: unknown }) => (row.Code === 'b' ? 'must not be b' : undefined);

  it('does so with the status that it is given', async () => {
    const receiver = await start({ refuse, refuseStatus: 500 });
    const reply = await post(`${receiver.url}/users`, ROWS);
    assert.equal(reply.status, 500);
    assert.deepEqual(JSON.parse(reply.body).errors, { '[1]': ['must not be b'] });
    assert.equal(receiver.accepted('/users').size, 0);
  });

  it('only rows takes the others and reports each row in a 207', async () => {
    const receiver = await start({ refuse, report: 'multiStatus' });
    const reply = await post(`${receiver.url}/users`, ROWS);
    assert.equal(reply.status, 207);
    assert.deepEqual(JSON.parse(reply.body), {
      results: [
        { index: 0, status: 201 },
        { index: 1, status: 422, detail: 'must not be b' },
      ],
    });
    assert.deepEqual([...receiver.accepted('/users').keys()], ['a']);
    assert.equal(receiver.calls()[0]?.taken, 1);
    assert.equal((await post(`${receiver.url}/users`, [{ Code: 'c' }])).status, 200);
  });

  it('only rows takes the others and lists the errors in a 200', async () => {
    const receiver = await start({ refuse, report: 'errors' });
    const reply = await post(`${receiver.url}/users`, ROWS);
    assert.equal(reply.status, 200);
    assert.deepEqual(JSON.parse(reply.body), {
      accepted: 1,
      errors: [{ index: 1, code: 'b', reason: 'must not be b' }],
    });
    assert.deepEqual([...receiver.accepted('/users').keys()], ['a']);
  });

  it('only rows takes the others though its answer is lost', async () => {
    const receiver = await start({ refuse, report: 'multiStatus' });
    receiver.failNext(1, { status: 503, take: true });
    assert.equal((await post(`${receiver.url}/users`, ROWS)).status, 503);
    assert.deepEqual([...receiver.accepted('/users').keys()], ['a']);
  });

  it('requests with too many rows or bytes, as they are sent, says 413', async () => {
    const byRows = await start({ maxRows: 1 });
    assert.equal((await post(`${byRows.url}/users`, ROWS)).status, 413);
    assert.equal((await post(`${byRows.url}/users`, ROWS.slice(1))).status, 200);
    assert.deepEqual([...byRows.accepted('/users').keys()], ['b']);
    const body = JSON.stringify([{ Code: 'x'.repeat(1000) }]);
    const byBytes = await start({ maxBytes: 1000 });
    assert.equal((await post(`${byBytes.url}/users`, body)).status, 413);
    assert.equal((await post(`${byBytes.url}/users`, gzipSync(body), { 'Content-Encoding': 'gzip' })).status, 200);
  });

  it('requests beyond its rate says when to come again, and takes them later', async () => {
    const receiver = await start({ requestsPerSecond: 2 });
    const statuses = [];
    for (let time = 1; time <= 3; time += 1) statuses.push((await post(`${receiver.url}/users`, ROWS)).status);
    assert.deepEqual(statuses, [200, 200, 429]);
    const tooMany = await postForHeaders(`${receiver.url}/users`, ROWS);
    assert.deepEqual([tooMany.status, tooMany.headers.get('retry-after')], [429, '1']);
    while ((await post(`${receiver.url}/users`, ROWS)).status === 429);
    assert.equal(receiver.accepted('/users').get('a')?.times, 3);
  });
});

describe('Idempotency-Key', () => {
  const key = (value: string) => ({ 'Idempotency-Key': value });

  it('is ignored unless asked for', async () => {
    const receiver = await start();
    for (let time = 1; time <= 2; time += 1) await post(`${receiver.url}/users`, ROWS, key('k1'));
    assert.equal(receiver.accepted('/users').get('a')?.times, 2);
  });

  it('answers the same key and body alike and takes the rows once', async () => {
    const receiver = await start({ idempotency: true });
    const first = await post(`${receiver.url}/users`, ROWS, key('k1'));
    assert.deepEqual(await post(`${receiver.url}/users`, ROWS, key('k1')), first);
    assert.equal(receiver.accepted('/users').get('a')?.times, 1);
    assert.deepEqual(
      receiver.calls().map(({ taken, replayed }) => ({ taken, replayed })),
      [
        { taken: 2, replayed: false },
        { taken: 0, replayed: true },
      ],
    );
  });

  it('is refused with another body', async () => {
    const receiver = await start({ idempotency: true });
    await post(`${receiver.url}/users`, ROWS, key('k1'));
    assert.equal((await post(`${receiver.url}/users`, [{ Code: 'c' }], key('k1'))).status, 422);
    assert.equal(receiver.accepted('/users').has('c'), false);
  });

  it('may come again where the first request failed', async () => {
    const receiver = await start({ idempotency: true });
    receiver.failNext(1, 503);
    assert.equal((await post(`${receiver.url}/users`, ROWS, key('k1'))).status, 503);
    assert.equal((await post(`${receiver.url}/users`, ROWS, key('k1'))).status, 200);
    assert.equal(receiver.accepted('/users').get('a')?.times, 1);
  });

  for (const [what, options] of [
    ['a refusal', { refuse: (row) => (row.Code === 'b' ? 'no' : undefined) }],
    ['a failure of that kind', { refuse: (row) => (row.Code === 'b' ? 'no' : undefined), refuseStatus: 500 }],
    ['too many rows', { maxRows: 1 }],
  ] satisfies [string, ReceiverOptions][]) {
    it(`is not remembered after ${what}`, async () => {
      const receiver = await start({ idempotency: true, ...options });
      const { status } = await post(`${receiver.url}/users`, ROWS, key('k1'));
      assert.notEqual(status, 200);
      assert.equal((await post(`${receiver.url}/users`, ROWS, key('k1'))).status, status);
      assert.equal((await post(`${receiver.url}/users`, [{ Code: 'a' }], key('k1'))).status, 200);
      assert.ok(receiver.calls().every(({ replayed }) => !replayed));
    });
  }

  it('is not remembered where the rate limit was hit', async () => {
    const receiver = await start({ idempotency: true, requestsPerSecond: 1 });
    await post(`${receiver.url}/users`, ROWS, key('k1'));
    assert.equal((await post(`${receiver.url}/users`, [{ Code: 'c' }], key('k2'))).status, 429);
    while ((await post(`${receiver.url}/users`, [{ Code: 'c' }], key('k2'))).status === 429);
    assert.equal(receiver.accepted('/users').get('c')?.times, 1);
  });

  for (const report of ['multiStatus', 'errors'] as const) {
    it(`gets the same report of rows again, and takes nothing: ${report}`, async () => {
      const refuse = (row: { readonly Code?: unknown }) => (row.Code === 'b' ? 'no' : undefined);
      const receiver = await start({ idempotency: true, refuse, report });
      const first = await post(`${receiver.url}/users`, ROWS, key('k1'));
      assert.match(first.body, /"no"/);
      assert.deepEqual(await post(`${receiver.url}/users`, ROWS, key('k1')), first);
      assert.equal(receiver.accepted('/users').get('a')?.times, 1);
      assert.equal(receiver.calls()[1]?.replayed, true);
      receiver.failNext(1, { send: 'reset', take: true });
      await assert.rejects(post(`${receiver.url}/users`, ROWS, key('k2')));
      assert.deepEqual(await post(`${receiver.url}/users`, ROWS, key('k2')), first);
      assert.equal(receiver.accepted('/users').get('a')?.times, 2);
    });

    it(`gets the same report though it took no row: ${report}`, async () => {
      const receiver = await start({ idempotency: true, refuse: () => 'no', report });
      const first = await post(`${receiver.url}/users`, ROWS, key('k1'));
      assert.deepEqual(await post(`${receiver.url}/users`, ROWS, key('k1')), first);
      assert.equal(receiver.calls()[1]?.replayed, true);
    });
  }

  it('is remembered where the rows were taken and 503 was answered', async () => {
    const receiver = await start({ idempotency: true });
    receiver.failNext(1, { status: 503, take: true });
    assert.equal((await post(`${receiver.url}/users`, ROWS, key('k1'))).status, 503);
    assert.deepEqual(await post(`${receiver.url}/users`, ROWS, key('k1')), { status: 200, body: '{"accepted":2}' });
    assert.equal(receiver.accepted('/users').get('a')?.times, 1);
  });

  it('is remembered where the rows were taken and the answer was lost', async () => {
    const receiver = await start({ idempotency: true });
    receiver.failNext(1, { send: 'reset', take: true });
    await assert.rejects(post(`${receiver.url}/users`, ROWS, key('k1')));
    assert.equal((await post(`${receiver.url}/users`, ROWS, key('k1'))).status, 200);
    assert.equal(receiver.accepted('/users').get('a')?.times, 1);
  });

  it('gets 409 while the first request is in progress', async () => {
    const receiver = await start({ idempotency: true });
    receiver.failNext(1, { send: 'none', take: true });
    const first = post(`${receiver.url}/users`, ROWS, key('k1'));
    await receiver.arrived(1);
    assert.equal((await post(`${receiver.url}/users`, ROWS, key('k1'))).status, 409);
    await receiver.close();
    await assert.rejects(first);
  });
});

describe('deletions', () => {
  const key = (value: string) => ({ 'Idempotency-Key': value });
  const codes = (receiver: Receiver) => [...receiver.holds('/users').keys()];

  it('in batches and by path leave what is held, and count', async () => {
    const receiver = await start({ deletions: { '/users-deleted': '/users' } });
    await post(`${receiver.url}/users`, [...ROWS, { Code: 'c' }, { Code: 'a', Name: 'Budi Santoso' }]);
    assert.deepEqual(
      [...receiver.holds('/users')],
      [
        ['a', { Code: 'a', Name: 'Budi Santoso' }],
        ['b', ROWS[1]],
        ['c', { Code: 'c' }],
      ],
    );
    const batch = await post(`${receiver.url}/users-deleted`, [{ Code: 'a' }, { Code: 'nobody' }]);
    assert.deepEqual(batch, { status: 200, body: '{"accepted":2}' });
    assert.equal((await del(`${receiver.url}/users/b?by=sync`)).status, 200);
    assert.deepEqual(codes(receiver), ['c']);
    assert.deepEqual(
      [...receiver.deleted('/users')],
      [
        ['a', 1],
        ['b', 1],
      ],
    );
    assert.equal(receiver.accepted('/users').get('a')?.times, 2);
    assert.deepEqual([...receiver.accepted('/users-deleted').keys()], ['a', 'nobody']);
    assert.deepEqual(
      receiver.calls().map(({ path, target, rows, taken, deletesFrom }) => [path, target, rows, taken, deletesFrom]),
      [
        ['/users', '/users', 4, 4, undefined],
        ['/users-deleted', '/users-deleted', 2, 2, '/users'],
        ['/users/b', '/users/b?by=sync', 1, 1, '/users'],
      ],
    );
    await post(`${receiver.url}/users`, ROWS);
    assert.deepEqual(codes(receiver), ['c', 'a', 'b']);
    receiver.clear();
    assert.deepEqual([receiver.holds('/users').size, receiver.deleted('/users').size], [0, 0]);
  });

  it('by path name the row percent-encoded', async () => {
    const receiver = await start();
    await post(`${receiver.url}/users`, [{ Code: 'a b/ü' }]);
    assert.equal((await del(`${receiver.url}/users/a%20b%2F%C3%BC`)).status, 200);
    assert.deepEqual(codes(receiver), []);
  });

  it('in batches may come by DELETE at the path that takes the rows', async () => {
    const receiver = await start({ deletions: { '/users': '/users' } });
    await post(`${receiver.url}/users`, ROWS);
    assert.equal((await del(`${receiver.url}/users`, {}, '[{"Code":"a"}]')).status, 200);
    assert.deepEqual(codes(receiver), ['b']);
  });

  it('by path are answered 404, or as is asked for, where nothing is held, and 400 where no row is named', async () => {
    const receiver = await start();
    assert.equal((await del(`${receiver.url}/users/a`)).status, 404);
    for (const path of ['/users/', '/users/%zz']) assert.equal((await del(receiver.url + path)).status, 400);
    assert.equal((await del(`${(await start({ missingStatus: 410 })).url}/users/a`)).status, 410);
    assert.equal(receiver.deleted('/users').size, 0);
  });

  it('are taken once under one Idempotency-Key, and answered alike', async () => {
    const receiver = await start({ idempotency: true, deletions: { '/users-deleted': '/users' } });
    await post(`${receiver.url}/users`, ROWS);
    for (let time = 1; time <= 2; time += 1) {
      assert.equal((await del(`${receiver.url}/users/a`, key('k1'))).status, 200);
      assert.equal((await post(`${receiver.url}/users-deleted`, [{ Code: 'b' }], key('k2'))).status, 200);
    }
    assert.equal((await del(`${receiver.url}/users/a`, key('k3'))).status, 404);
    assert.deepEqual(
      receiver.calls().map(({ replayed }) => replayed),
      [false, false, false, true, true, false],
    );
    assert.equal(receiver.deleted('/users').get('a'), 1);
  });

  it('fail as they are told to, taken or not', async () => {
    const receiver = await start({ refuse: ({ Code }) => (Code === 'b' ? 'in use' : undefined) });
    await post(`${receiver.url}/users`, [{ Code: 'a' }, { Code: 'c' }]);
    receiver.failNext(1, { send: 'reset' });
    await assert.rejects(del(`${receiver.url}/users/a`), { code: 'ECONNRESET' });
    assert.deepEqual(codes(receiver), ['a', 'c']);
    receiver.failNext(1, { status: 503, take: true });
    assert.equal((await del(`${receiver.url}/users/a`)).status, 503);
    assert.deepEqual(codes(receiver), ['c']);
    receiver.respond((_, rows) => (rows[0]?.Code === 'c' ? { status: 423 } : undefined));
    assert.equal((await del(`${receiver.url}/users/c`)).status, 423);
    assert.deepEqual(codes(receiver), ['c']);
  });

  it('are refused like rows', async () => {
    const refuse: ReceiverOptions['refuse'] = ({ Code, Name }) =>
      Code === 'b' && Name === undefined ? 'in use' : undefined;
    const receiver = await start({ refuse, deletions: { '/users-deleted': '/users' } });
    await post(`${receiver.url}/users`, ROWS);
    assert.equal((await del(`${receiver.url}/users/b`)).status, 422);
    assert.equal((await post(`${receiver.url}/users-deleted`, [{ Code: 'a' }, { Code: 'b' }])).status, 422);
    assert.deepEqual(codes(receiver), ['a', 'b']);
    const reporting = await start({ refuse, report: 'multiStatus', deletions: { '/users-deleted': '/users' } });
    await post(`${reporting.url}/users`, ROWS);
    assert.equal((await post(`${reporting.url}/users-deleted`, [{ Code: 'a' }, { Code: 'b' }])).status, 207);
    assert.deepEqual(codes(reporting), ['b']);
  });
});

describe('a scripted receiver', () => {
  it('fails the next calls and works again after them', async () => {
    const receiver = await start();
    receiver.failNext(2, 500);
    const statuses = [];
    for (let time = 1; time <= 3; time += 1) statuses.push((await post(`${receiver.url}/users`, ROWS)).status);
    assert.deepEqual(statuses, [500, 500, 200]);
    assert.equal(receiver.accepted('/users').get('a')?.times, 1);
  });

  it('answers as its script says, for the calls that the script chooses', async () => {
    const receiver = await start();
    receiver.respond((call, rows) =>
      call.path === '/users' && rows.length === 2 ? { status: 418, body: 'short and stout' } : undefined,
    );
    assert.deepEqual(await post(`${receiver.url}/users`, ROWS), { status: 418, body: 'short and stout' });
    assert.equal((await post(`${receiver.url}/users`, [{ Code: 'c' }])).status, 200);
  });

  it('still checks a call whose answer it only delays', async () => {
    const receiver = await start({ auth: { header: 'X-Api-Key', value: 'right' } });
    receiver.respond(() => ({ delayMs: 20 }));
    const begun = performance.now();
    assert.equal((await post(`${receiver.url}/users`, ROWS)).status, 401);
    assert.ok(performance.now() - begun >= 19);
  });

  it('takes nothing where its answer is a failure, and takes all where it is told to', async () => {
    const receiver = await start();
    receiver.failNext(1, { status: 500 });
    await post(`${receiver.url}/users`, ROWS);
    assert.equal(receiver.accepted('/users').size, 0);
    receiver.failNext(1, { status: 500, take: true });
    await post(`${receiver.url}/users`, ROWS);
    assert.equal(receiver.accepted('/users').size, 2);
  });

  for (const send of ['reset', 'resetBeforeBody', 'close', 'partial'] as const) {
    it(`cuts the connection: ${send}`, async () => {
      const receiver = await start();
      receiver.failNext(1, { send });
      await assert.rejects(post(`${receiver.url}/users`, ROWS), { code: 'ECONNRESET' });
      assert.equal(receiver.accepted('/users').size, 0);
      assert.equal(receiver.calls()[0]?.status, send === 'partial' ? 200 : undefined);
    });
  }

  it('trickles an answer that is complete in the end', async () => {
    const receiver = await start();
    receiver.failNext(1, { send: 'trickle', body: 'abc' });
    assert.equal((await post(`${receiver.url}/users`, ROWS)).body, 'abc');
  });

  it('holds an answer until it is released', async () => {
    const receiver = await start();
    const { promise: hold, resolve: release } = Promise.withResolvers<void>();
    receiver.failNext(1, { hold });
    const reply = post(`${receiver.url}/users`, ROWS);
    await receiver.arrived(1);
    assert.equal((await post(`${receiver.url}/users`, ROWS)).status, 200);
    assert.equal(receiver.calls()[0]?.status, undefined);
    release();
    assert.equal((await reply).status, 200);
  });

  it('forgets calls, rows and keys when it is cleared', async () => {
    const receiver = await start({ idempotency: true });
    await post(`${receiver.url}/users`, ROWS, { 'Idempotency-Key': 'k1' });
    receiver.clear();
    assert.deepEqual([receiver.calls().length, receiver.accepted('/users').size], [0, 0]);
    await post(`${receiver.url}/users`, ROWS, { 'Idempotency-Key': 'k1' });
    assert.deepEqual(
      receiver.calls().map(({ number, taken }) => [number, taken]),
      [[1, 2]],
    );
  });

  it('tells of each call when it is over', async () => {
    const told: (number | undefined)[] = [];
    const receiver = await start({ onCall: ({ status }) => told.push(status) });
    receiver.failNext(1, 503);
    await post(`${receiver.url}/users`, ROWS);
    await post(`${receiver.url}/users`, ROWS);
    await receiver.close();
    assert.deepEqual(told, [503, 200]);
  });
});
