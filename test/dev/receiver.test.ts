import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../dev/receiver.ts', import.meta.url));

describe('npm run receiver', () => {
  it('prints a line per call and the totals when it is stopped', async (t) => {
    const args = ['--port', '0', '--api-key', 'right', '--refuse', 'Code=bad', '--answer', '503@2', '--idempotency'];
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<string> => (await lines.next()).value ?? '';
    const url = /^receiving at (\S+);/.exec(await next())?.[1];
    const post = (key: string, rows: object[]) =>
      fetch(`${url}/users`, {
        method: 'POST',
        headers: { 'X-Api-Key': 'right', 'Idempotency-Key': key },
        body: JSON.stringify(rows),
      });
    for (const [key, code, line] of [
      ['k1', 'a', '1: POST /users 1 rows → 200, 1 taken, key k1'],
      ['k2', 'b', '2: POST /users 1 rows → 503, 0 taken, key k2'],
      ['k1', 'a', '3: POST /users 1 rows → 200 (as before), 0 taken, key k1'],
      ['k3', 'bad', '4: POST /users 1 rows → 422, 0 taken, key k3'],
    ] as const) {
      await (await post(key, [{ Code: code }])).text();
      assert.equal(await next(), line);
    }
    child.kill('SIGTERM');
    assert.equal(await next(), '/users: 1 rows taken');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('takes deletions by path and in batches', async (t) => {
    const args = ['--port', '0', '--deletions', '/gone=/users', '--missing-status', '410'];
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<string> => (await lines.next()).value ?? '';
    const url = /^receiving at (\S+);/.exec(await next())?.[1];
    for (const [method, path, body, line] of [
      ['POST', '/users', '[{"Code":"a"},{"Code":"b"},{"Code":"c"}]', '1: POST /users 3 rows → 200, 3 taken'],
      ['DELETE', '/users/a', undefined, '2: DELETE /users/a 1 rows → 200, 1 deleted'],
      ['DELETE', '/users/a', undefined, '3: DELETE /users/a 1 rows → 410, 0 deleted'],
      ['POST', '/gone', '[{"Code":"b"}]', '4: POST /gone 1 rows → 200, 1 deleted'],
    ] as const) {
      await (await fetch(url + path, { method, ...(body !== undefined && { body }) })).text();
      assert.equal(await next(), line);
    }
    child.kill('SIGTERM');
    assert.equal(await next(), '/users: 3 rows taken, 2 deleted');
  });

  const modes: [args: string[], rows: object[], status: number, headers: Record<string, RegExp>, body: RegExp][] = [
    [['--refuse', 'Code=b', '--refuse-status', '500'], [{ Code: 'b' }], 500, {}, /Code is refused/],
    [['--refuse-all'], [{ Code: 'a' }, { Code: 'b' }], 422, {}, /2 of 2 rows refused/],
    [['--refuse', 'Code=b', '--report-rows'], [{ Code: 'a' }, { Code: 'b' }], 207, {}, /"index":1,"status":422/],
    [['--refuse', 'Code=b', '--report-errors'], [{ Code: 'a' }, { Code: 'b' }], 200, {}, /"errors":\[\{"index":1/],
    [['--max-rows', '1'], [{}, {}], 413, {}, /2 rows, at most 1/],
    [['--max-bytes', '5'], [{}, {}], 413, {}, /7 bytes, at most 5/],
    [['--requests-per-second', '0'], [{}], 429, { 'retry-after': /^1$/ }, /at most 0 requests a second/],
    [['--answer', '503:retry-after=7'], [{}], 503, { 'retry-after': /^7$/ }, /asked for/],
    [['--answer', '503:retry-date=7'], [{}], 503, { 'retry-after': /^\w{3}, .* GMT$/ }, /asked for/],
    [['--answer', '429:ratelimit-reset=7'], [{}], 429, { 'ratelimit-reset': /^7$/ }, /asked for/],
    [['--answer', 'taken-then-503'], [{}], 503, {}, /asked for/],
    [['--answer', 'redirect'], [{}], 307, { location: /^\/elsewhere$/ }, /asked for/],
    [['--answer', 'invalid-json'], [{}], 500, {}, /^\{"message": "broken$/],
  ];
  for (const [args, rows, status, headers, body] of modes) {
    it(`answers ${status} with ${args.join(' ')}`, async (t) => {
      const child = spawn(process.execPath, [program, '--port', '0', ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.after(() => child.kill('SIGKILL'));
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const url = /^receiving at (\S+);/.exec((await lines.next()).value ?? '')?.[1];
      const reply = await fetch(`${url}/users`, { method: 'POST', body: JSON.stringify(rows), redirect: 'manual' });
      assert.equal(reply.status, status);
      for (const [name, value] of Object.entries(headers)) assert.match(reply.headers.get(name) ?? '', value);
      assert.match(await reply.text(), body);
    });
  }

  for (const [args, message] of [
    [['--answer', 'sometimes'], /^error: --answer sometimes: not a status, nor one of hang, /],
    [['--answer', '503:retry-after=x'], /^error: --answer 503:retry-after=x: not a status, nor one of hang, /],
    [['--max-rows', 'x'], /^error: --max-rows x: expected a whole number/],
    [['--answer', '503@x'], /^error: --answer @x: expected numbers and ranges/],
    [['--deletions', '/users'], /^error: --deletions \/users: expected \/path=\/path/],
    [['--refuse', 'Code'], /^error: --refuse Code: expected field=value/],
    [['--port', 'http'], /^error: --port http: expected a whole number/],
    [['--prot', '1'], /^error: Unknown option '--prot'/],
  ] as const) {
    it(`exits 64 on ${args.join(' ')}`, () => {
      const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
      assert.match(stderr, message);
      assert.equal(status, 64);
    });
  }

  it('prints its usage', () => {
    const { status, stdout } = spawnSync(process.execPath, [program, '--help'], { encoding: 'utf8' });
    assert.equal(status, 0);
    assert.match(stdout, /--answer <how>/);
  });
});
