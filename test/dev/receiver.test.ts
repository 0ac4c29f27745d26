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

  for (const [args, message] of [
    [['--answer', 'sometimes'], /^error: --answer sometimes: not a status, nor one of hang, /],
    [['--answer', '503@x'], /^error: --answer @x: expected numbers and ranges/],
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
