import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { main } from '../../../src/cli.ts';
import { itOnStandIn } from '../../support/sqlserver.ts';
import { useLedger } from './fixture.ts';

const COMMANDS = ['show', 'verify', 'adopt', 'forget', 'rehash', 'export', 'prune'];

describe('the commands of the ledger', () => {
  const { server, job, ledger } = useLedger({ rows: { Users: 3 } });

  it('say at the first signal what they wait for, and leave the second one to the system', async () => {
    const signals = new EventEmitter();
    const told = Promise.withResolvers<void>();
    let stderr = '';
    let listening = -1;
    async function* keys() {
      yield Buffer.from('"x"\n');
      // The command waits for the next line.
      await setImmediate();
      signals.emit('SIGINT', 'SIGINT');
      await told.promise;
      listening = signals.listenerCount('SIGINT');
    }
    const code = await main(['ledger', 'adopt', '--entity', 'Users', '--keys', '-'], {
      stdout: { isTTY: false, write: (_, written) => written?.() },
      stderr: {
        isTTY: false,
        write(text) {
          stderr += text;
          if (text.includes('again cuts it off')) told.resolve();
        },
      },
      stdin: () => Readable.from(keys()),
      env: job.env,
      cwd: job.folder,
      signals,
    });
    assert.deepEqual([code, listening], [130, 0]);
    assert.match(stderr, /^SIGINT: stopping after this statement; again cuts it off\nSIGINT: stopped\. What was done/m);
  });

  itOnStandIn('say of a lost connection that what was done stays, and not that a run goes on from there', async () => {
    const fault = server.faults.add({ match: /INSERT INTO dbo\.TB_R_SYNC_TRACKING/, action: { drop: 'before' } });
    const { code, stderr } = await ledger(['adopt', '--entity', 'Users']);
    fault.remove();
    assert.ok(fault.hits > 0);
    assert.equal(code, 69);
    assert.match(stderr, /What was done until then stays; to repeat the command is safe\.\n$/);
    assert.doesNotMatch(stderr, /goes on from here/);
  });

  itOnStandIn('say so of a source, too, and of which entity it is', async () => {
    const fault = server.faults.add({ match: /MDM_USER/, action: { drop: 'before' } });
    for (const args of [
      ['show', '--key', randomUUID()],
      ['verify', '--entity', 'Users'],
    ]) {
      const { code, stderr } = await ledger(args);
      assert.equal(code, args[0] === 'show' ? 1 : 69);
      assert.match(stderr, /^error: Users: Connection default: .*\n.*What was done until then stays/m);
      assert.doesNotMatch(stderr, /goes on from here/);
    }
    fault.remove();
  });

  it('have exit codes of their own in their help, no line wider than the terminal', async () => {
    for (const command of COMMANDS) {
      const { code, stdout } = await ledger([command, '--help']);
      assert.equal(code, 0);
      const [, codes = ''] = stdout.split('\nExit codes:\n');
      const listed = [...codes.matchAll(/^ {2,4}(\d+) {2}/gm)].map(([, one]) => Number(one));
      const locks = ['verify', 'adopt', 'forget', 'rehash'].includes(command) ? [75] : [];
      assert.deepEqual(listed, [0, 1, 64, 69, 70, ...locks, 78, 130, 143], command);
      assert.doesNotMatch(codes, /batches|pending|accepted/, command);
      for (const line of codes.split('\n')) assert.ok(line.length <= 80, line);
    }
  });
});
