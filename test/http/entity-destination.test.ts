import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import fc from 'fast-check';
import type { DeletedConfig } from '../../src/sync/entity.ts';
import type { Batch } from '../../src/sync/ports.ts';
import { startProxy } from '../support/proxy.ts';
import {
  BATCH,
  batchOf,
  closeAll,
  deletionOf,
  entityDestinationOf,
  NEVER,
  rawServer,
  receiverOf,
} from './endpoints.ts';

afterEach(closeAll);

/** Deletions in batches. */
const inBatches = (url: string, method: DeletedConfig['method'] = 'POST'): DeletedConfig => ({
  url,
  method,
  map: { Code: 'Id' },
});

/** Each a call of its own. */
const byKey = (url: string, method: DeletedConfig['method'] = 'DELETE'): DeletedConfig => ({ url, method });

const deletions = (...payloads: object[]): Batch => ({ ...batchOf(...payloads), operation: 'delete' });

describe("an entity's destination", () => {
  it('sends upserts to one endpoint and deletions, in batches, to the other with everything else alike', async () => {
    const receiver = await receiverOf({ deletions: { '/users-deleted': '/users' } });
    const destination = entityDestinationOf(
      `${receiver.url}/users`,
      inBatches(`${receiver.url}/users-deleted?site=1`, 'PUT'),
      {
        method: 'PATCH',
        auth: { type: 'bearer', token: 't' },
        headers: { 'X-Site': 'TAM' },
        compression: 'gzip',
        idempotencyHeader: 'X-Batch',
      },
    );
    assert.equal((await destination.attempt(BATCH, NEVER)).status, 200);
    const deletion = deletions({ Code: 'a' });
    assert.equal((await destination.attempt(deletion, NEVER)).status, 200);
    assert.deepEqual([...receiver.holds('/users').keys()], ['b']);
    const [upsert, deleted] = receiver.calls();
    assert.deepEqual([upsert?.method, upsert?.target], ['PATCH', '/users']);
    assert.deepEqual([deleted?.method, deleted?.target], ['PUT', '/users-deleted?site=1']);
    assert.equal(deleted?.body, '[{"Code":"a"}]');
    for (const call of receiver.calls()) {
      assert.equal(call.headers.authorization, 'Bearer t');
      assert.equal(call.headers['x-site'], 'TAM');
      assert.equal(call.headers['content-encoding'], 'gzip');
      assert.equal(call.headers['content-type'], 'application/json');
    }
    assert.equal(deleted?.headers['x-batch'], deletion.id);
  });

  it('sends a batch of deletions by DELETE with its body, too', async () => {
    const receiver = await receiverOf({ deletions: { '/users': '/users' } });
    const destination = entityDestinationOf(receiver.url, inBatches(`${receiver.url}/users`, 'DELETE'));
    assert.equal((await destination.attempt(deletions({ Code: 'a' }), NEVER)).status, 200);
    const [call] = receiver.calls();
    assert.deepEqual([call?.method, call?.body, call?.deletesFrom], ['DELETE', '[{"Code":"a"}]', '/users']);
  });

  it('opens nothing before an attempt, and only what that needs', async () => {
    let connections = 0;
    const host = await rawServer(() => {
      connections += 1;
    });
    const receiver = await receiverOf();
    const destination = entityDestinationOf(`http://${host}/users`, byKey(`${receiver.url}/users/{key}`));
    assert.equal((await destination.attempt(deletionOf('a'), NEVER)).status, 404);
    await destination.close();
    assert.equal(connections, 0);
  });

  it('closes the connections of both', async () => {
    let open = 0;
    const { promise: allClosed, resolve } = Promise.withResolvers<void>();
    const host = await rawServer((socket) => {
      open += 1;
      socket.on('data', () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'));
      socket.on('close', () => {
        open -= 1;
        if (open === 0) resolve();
      });
    });
    const destination = entityDestinationOf(`http://${host}/users`, byKey(`http://${host}/users/{key}`));
    for (const batch of [BATCH, deletionOf('a')]) assert.equal((await destination.attempt(batch, NEVER)).status, 204);
    assert.equal(open, 2);
    await destination.close();
    await allClosed;
  });

  it('sends no deletion where the configuration does not say where to', async () => {
    const receiver = await receiverOf();
    const { error, notSent } = await entityDestinationOf(receiver.url, undefined).attempt(deletionOf('a'), NEVER);
    assert.deepEqual([error, notSent], ['not sent: the configuration does not say where deletions go', true]);
    assert.equal(receiver.calls().length, 0);
  });

  it('masks the values of a batch of deletions in what the receiver says', async () => {
    const receiver = await receiverOf();
    receiver.failNext(1, { status: 400, body: '{"message":"no row of Budi Santoso"}' });
    const { error } = await entityDestinationOf(receiver.url, inBatches(receiver.url)).attempt(
      deletions({ Code: 'a', Name: 'Budi Santoso' }),
      NEVER,
    );
    assert.equal(error, 'HTTP 400 Bad Request: no row of ***');
  });

  it('does not follow a redirect of a deletion', async () => {
    const receiver = await receiverOf();
    receiver.failNext(1, { status: 308, headers: { Location: `${receiver.url}/elsewhere` } });
    const destination = entityDestinationOf(receiver.url, byKey(`${receiver.url}/users/{key}`));
    assert.match((await destination.attempt(deletionOf('a'), NEVER)).error ?? '', /redirects are not followed/);
    assert.equal(receiver.calls().length, 1);
  });
});

describe('a deletion whose URL has a place for the key', () => {
  it('is a call without a body, under its Idempotency-Key', async () => {
    const receiver = await receiverOf();
    const destination = entityDestinationOf(`${receiver.url}/users`, byKey(`${receiver.url}/users/{key}`), {
      compression: 'gzip',
      auth: { type: 'apiKey', header: 'X-Api-Key', value: 'right' },
    });
    await destination.attempt(BATCH, NEVER);
    const { status, error } = await destination.attempt(deletionOf('a'), NEVER);
    assert.deepEqual([status, error], [200, undefined]);
    assert.deepEqual([...receiver.holds('/users').keys()], ['b']);
    const call = receiver.calls()[1];
    assert.deepEqual([call?.method, call?.target, call?.body], ['DELETE', '/users/a', '']);
    assert.equal(call?.headers['idempotency-key'], deletionOf('a').id);
    assert.equal(call?.headers['x-api-key'], 'right');
    for (const name of ['content-type', 'content-encoding', 'content-length', 'transfer-encoding']) {
      assert.equal(call?.headers[name], undefined, name);
    }
  });

  for (const method of ['POST', 'PUT', 'PATCH'] as const) {
    it(`has no body with ${method} either`, async () => {
      const receiver = await receiverOf();
      receiver.failNext(1, 204);
      const deleted = byKey(`${receiver.url}/users/{key}/end?by=sync`, method);
      assert.equal((await entityDestinationOf(receiver.url, deleted).attempt(deletionOf('a/b'), NEVER)).status, 204);
      const [call] = receiver.calls();
      assert.deepEqual([call?.method, call?.target, call?.body], [method, '/users/a%2Fb/end?by=sync', '']);
      assert.equal(call?.headers['content-length'], '0');
      assert.equal(call?.headers['content-type'], undefined);
    });
  }

  const encoded: [key: string, inUrl: string][] = [
    ['6f9619ff-8b86-d011-b42d-00c04fc964ff', '6f9619ff-8b86-d011-b42d-00c04fc964ff'],
    ['a/b', 'a%2Fb'],
    ['../x', '..%2Fx'],
    ['...', '...'],
    ['%2e%2e', '%252e%252e'],
    ['é', '%C3%A9'],
    ['🙂', '%F0%9F%99%82'],
    ['a b?c#d', 'a%20b%3Fc%23d'],
    ['a|b\\|c', 'a%7Cb%5C%7Cc'],
    ['100%', '100%25'],
    ['a+b&c=d', 'a%2Bb%26c%3Dd'],
    ['{key}', '%7Bkey%7D'],
    ['$&', '%24%26'],
    ['\r\nX: 1', '%0D%0AX%3A%201'],
  ];
  for (const [key, inUrl] of encoded) {
    it(`has the key ${JSON.stringify(key)} as ${inUrl}`, async () => {
      const receiver = await receiverOf();
      const inPath = entityDestinationOf(receiver.url, byKey(`${receiver.url}/a b/{key}/x?y='z'`));
      const inQuery = entityDestinationOf(receiver.url, byKey(`${receiver.url}/users?site=1&id={key}&x=2`));
      for (const destination of [inPath, inQuery]) await destination.attempt(deletionOf(key), NEVER);
      assert.deepEqual(
        receiver.calls().map(({ target }) => target),
        [`/a%20b/${inUrl}/x?y=%27z%27`, `/users?site=1&id=${inUrl}&x=2`],
      );
    });
  }

  it('has any key so that the receiver reads it unchanged, through a proxy or not', async () => {
    const receiver = await receiverOf({ auth: { header: 'X-Api-Key', value: 'right' } });
    const proxy = await startProxy();
    const config = { auth: { type: 'apiKey', header: 'X-Api-Key', value: 'right' } } as const;
    const deleted = byKey(`${receiver.url}/users/{key}`);
    const destinations = [
      entityDestinationOf(`${receiver.url}/users`, deleted, config),
      entityDestinationOf(`${receiver.url}/users`, deleted, { ...config, proxy: { url: proxy.url, noProxy: '' } }),
    ];
    const anyKey = fc
      .oneof(
        fc.string({ unit: 'binary', maxLength: 255 }),
        fc.string({ unit: fc.constantFrom('.', '/', '%', '2', 'e', '\\', '?', '#', ' ', '|', ';', '+') }),
      )
      .filter((key) => !['', '.', '..'].includes(key));
    try {
      await fc.assert(
        fc.asyncProperty(anyKey, fc.constantFrom(...destinations), async (key, destination) => {
          receiver.clear();
          await destination.attempt(batchOf({ Code: key }, { Code: 'other' }), NEVER);
          const { status } = await destination.attempt(deletionOf(key), NEVER);
          assert.equal(status, 200);
          assert.deepEqual([...receiver.deleted('/users').keys()], [key]);
          assert.deepEqual([...receiver.holds('/users').keys()], key === 'other' ? [] : ['other']);
        }),
        { numRuns: 200 },
      );
      assert.ok(proxy.requests.length > 0);
    } finally {
      await proxy.close();
    }
  });

  for (const keys of [[''], ['.'], ['..'], ['a\ud800'], [], ['a', 'b']]) {
    it(`is not sent for the keys ${JSON.stringify(keys)}`, async () => {
      const receiver = await receiverOf();
      const destination = entityDestinationOf(receiver.url, byKey(`${receiver.url}/users/{key}`));
      const { error, notSent, status } = await destination.attempt(deletionOf(...keys), NEVER);
      assert.match(error ?? '', /^not sent: /);
      assert.deepEqual([notSent, status], [true, undefined]);
      assert.equal(receiver.calls().length, 0);
    });
  }

  for (const missingStatus of [404, 410]) {
    it(`tells of ${missingStatus} as of any other answer`, async () => {
      const receiver = await receiverOf({ missingStatus });
      const destination = entityDestinationOf(receiver.url, byKey(`${receiver.url}/users/{key}`));
      const { status, error } = await destination.attempt(deletionOf('a'), NEVER);
      assert.equal(status, missingStatus);
      assert.match(error ?? '', /: there is no such row$/);
    });
  }

  it('is accepted with a 2xx however batches of upserts are reported', async () => {
    const receiver = await receiverOf();
    const rejectedRows = { pointer: '/errors', index: '/index' };
    const destination = entityDestinationOf(receiver.url, byKey(`${receiver.url}/users/{key}`), { rejectedRows });
    receiver.failNext(1, { status: 200, body: 'gone' });
    const { status, error } = await destination.attempt(deletionOf('a'), NEVER);
    assert.deepEqual([status, error], [200, undefined]);
    receiver.failNext(1, { status: 200, body: 'taken' });
    assert.match((await destination.attempt(BATCH, NEVER)).error ?? '', /could not be understood: it is no JSON$/);
  });

  it('may be rejected by a 207', async () => {
    const receiver = await receiverOf();
    const destination = entityDestinationOf(receiver.url, byKey(`${receiver.url}/users/{key}`));
    receiver.failNext(1, { status: 207, body: '[{"status":409,"detail":"in use"}]' });
    const { rejected } = await destination.attempt(deletionOf('a'), NEVER);
    assert.deepEqual(rejected, [{ index: 0, reason: 'in use', httpStatus: 409 }]);
  });
});
