import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { beforeEach, describe, it } from 'node:test';
import { sampleRow } from '../../../dev/sqlserver/sample-rows.ts';
import { holdLock, useLedger } from './fixture.ts';

const idOf = (index: number) => String(sampleRow('Users', index).Id);

describe('ledger forget', () => {
  const { server, job, ledger, document, sync, tracked, file } = useLedger({ rows: { Users: 6, OrgObject: 2 } });

  beforeEach(async () => {
    await job.configure();
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
    for (const entity of ['Users', 'OrgObject']) assert.equal((await ledger(['adopt', '--entity', entity])).code, 0);
    job.receiver.clear();
  });

  it('keys are forgotten, GUIDs in whichever case, and the next run sends them again', async () => {
    const keys = [idOf(1).toUpperCase(), idOf(2)];
    const { code, stdout, stderr } = await ledger(['forget', '--key', ...keys, '--yes']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(stdout, 'Users: 2 tracked rows forgotten.\nThe next run sends those of them that the source has.\n');
    assert.equal((await tracked()).length, 6);
    assert.deepEqual(await sync(), { code: 0, accepted: 2 });
    assert.deepEqual([...job.receiver.accepted('/users').keys()].sort(), [idOf(1), idOf(2)].sort());
  });

  it('an entity alone is all of it, under every label', async () => {
    await server.execute('log', `UPDATE dbo.TB_R_SYNC_TRACKING SET EntityType = 'Users' WHERE EntityId = '${idOf(0)}'`);
    const dry = await document('forget', '--entity', 'Users', '--dry-run');
    assert.deepEqual(dry.document.entities, [{ entity: 'Users', rows: 6 }]);
    assert.equal((await tracked()).length, 8);
    const { code, document: forgotten } = await document('forget', '--entity', 'Users', '--yes');
    assert.deepEqual([code, forgotten.total], [0, 6]);
    assert.equal((await tracked()).length, 2);
    assert.deepEqual(await sync(), { code: 0, accepted: 6 });
  });

  it('--since takes a time in the zone of the schedule, or an age, and joins with keys', async () => {
    await server.execute(
      'log',
      `UPDATE dbo.TB_R_SYNC_TRACKING SET SyncTimestamp = CASE EntityId WHEN '${idOf(0)}' THEN '2026-11-20T16:59:59' WHEN '${idOf(1)}' THEN '2026-11-20T17:00:00' ELSE '2026-01-01' END`,
    );
    const rowsOf = async (...args: string[]) => {
      const { document: dry } = await document('forget', '--dry-run', ...args);
      return dry.total as number;
    };
    assert.equal(await rowsOf('--since', '2026-11-21'), 1, 'midnight in Jakarta');
    assert.equal(await rowsOf('--since', '2026-11-20T16:59:59Z'), 2);
    assert.equal(await rowsOf('--since', '2026-11-20 23:59:59', '--entity', 'OrgObject'), 0);
    assert.equal(await rowsOf('--since', '99999d'), 8);
    assert.equal(await rowsOf('--since', '1m'), 0);
    assert.equal(await rowsOf('--since', '2026-11-21', '--key', idOf(1), idOf(0)), 1);
  });

  it('keys from a file; those that are not tracked are named, and the command ends with 1', async () => {
    const name = await file('keys.csv', `Id\n${idOf(3)}\nnobody\n`);
    const { code, stdout, stderr } = await ledger(['forget', '--keys', name, '--yes']);
    assert.deepEqual([code, stderr], [1, 'error: 1 key is not tracked: nobody\n']);
    assert.match(stdout, /^Users: 1 tracked row forgotten\./);
    const none = await ledger(['forget', '--key', 'nobody', '--yes']);
    assert.deepEqual([none.code, none.stdout], [1, 'No tracked row matches; nothing was forgotten.\n']);
  });

  it('lines of an export are of their entity alone', async () => {
    const name = await file('export.ndjson', (await ledger(['export', '--entity', 'OrgObject'])).stdout);
    const { document: dry } = await document('forget', '--keys', name, '--dry-run');
    assert.deepEqual(dry.entities, [{ entity: 'OrgObject', rows: 2 }]);
  });

  /** `forget` of all users on a terminal, where this is typed. */
  async function asked(answer: string | undefined, signals?: EventEmitter) {
    const typed = Object.assign(new PassThrough(), { isTTY: true });
    const asking = ledger(['forget', '--entity', 'Users'], {
      stdin: () => typed,
      isTTY: true,
      ...(signals && { signals }),
    });
    if (answer === undefined) typed.end();
    else typed.write(answer);
    return asking;
  }

  it('asks on a terminal with the number of rows; only yes is yes', async () => {
    for (const answer of ['n\n', '\n', 'yeah\n', undefined]) {
      const { code, stdout, stderr } = await asked(answer);
      assert.deepEqual([code, stdout], [0, '']);
      assert.equal(
        stderr,
        'Forget 6 tracked rows of Users? The next run sends them again. [y/N] Nothing was forgotten.\n',
      );
      assert.equal((await tracked()).length, 8);
    }
    const { code, stdout } = await asked('Y\n');
    assert.equal(code, 0);
    assert.match(stdout, /^Users: 6 tracked rows forgotten\./);
    assert.equal((await tracked()).length, 2);
  });

  it('Ctrl-C at the question ends it with 130, and nothing is forgotten', async () => {
    const signals = new EventEmitter();
    const typed = Object.assign(new PassThrough(), { isTTY: true });
    const stdin = () => {
      setImmediate(() => signals.emit('SIGINT', 'SIGINT'));
      return typed;
    };
    const { code, stdout, stderr } = await ledger(['forget', '--entity', 'Users'], { stdin, isTTY: true, signals });
    assert.deepEqual([code, stdout], [130, '']);
    assert.match(stderr, /^SIGINT: stopped\./m);
    assert.equal((await tracked()).length, 8);
  });

  it('without a terminal it needs --yes, and says how many rows it would be', async () => {
    const { code, stdout, stderr } = await ledger(['forget', '--entity', 'Users', 'OrgObject']);
    assert.deepEqual([code, stdout], [64, '']);
    assert.match(
      stderr,
      /^error: Forget 6 tracked rows of Users and 2 tracked rows of OrgObject\?.*no terminal to ask on\.\nRepeat the command with --yes\./,
    );
    assert.equal((await tracked()).length, 8);
  });

  it('keys from standard input leave nobody to be asked', async () => {
    const typed = Object.assign(new PassThrough(), { isTTY: true });
    typed.end(`${idOf(0)}\n`);
    const { code, stderr } = await ledger(['forget', '--keys', '-'], { stdin: () => typed, isTTY: true });
    assert.equal(code, 64);
    assert.match(stderr, /Standard input holds the keys, so nobody can be asked\.\nAdd --yes\.\n$/);
    assert.equal((await tracked()).length, 8);
  });

  it('a key that only the ledger has is none of a header', async () => {
    await server.execute('log', `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES ('User', '4711')`);
    const name = await file('odd.csv', '4711\n');
    const { code, stdout, stderr } = await ledger(['forget', '--keys', name, '--yes']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^Users: 1 tracked row forgotten\./);
  });

  it('keys of a file are read where the source is not there, too', async () => {
    await job.configure((config) => {
      config.entities[0].source.table = 'dbo.NOWHERE';
    });
    const name = await file('keys.csv', `${idOf(3)}\n`);
    assert.equal((await ledger(['forget', '--keys', name, '--entity', 'Users', '--yes'])).code, 0);
    assert.equal((await tracked()).length, 7);
  });

  it('says of a mirror that rows which are gone from the source are never deleted once they are forgotten', async () => {
    await job.configure((config) => {
      Object.assign(config.entities[0], { changes: 'mirror', deleted: { url: '/users/{key}', method: 'DELETE' } });
    });
    const { code, stderr } = await ledger(['forget', '--key', idOf(0), '--yes']);
    assert.equal(code, 0);
    const warning = /^warning: Users is a mirror: rows that are forgotten and gone from the source are never deleted/;
    assert.match(stderr, warning);
    const dry = await ledger(['forget', '--key', idOf(1), '--dry-run']);
    assert.match(dry.stderr, warning);
  });

  it('leaves an entity alone that a run has locked: 75, and 1 where another was free', async () => {
    const release = await holdLock(server, 'User');
    const { code, stdout, stderr } = await ledger(['forget', '--entity', 'Users', '--yes']);
    assert.deepEqual([code, stdout], [75, '']);
    assert.match(stderr, /^error: Users: another run/);
    const partly = await document('forget', '--since', '1d', '--yes');
    assert.deepEqual([partly.code, partly.document.entities], [1, [{ entity: 'OrgObject', rows: 2 }]]);
    await release();
    assert.equal((await tracked()).length, 6);
  });

  it('wrong usage is 64', async () => {
    for (const args of [
      ['--yes'],
      ['--since', 'yesterday'],
      ['--since', '2026-02-30'],
      ['--since', '0d'],
      ['--key', 'a', '--keys', 'b.csv'],
      ['--keys', 'missing.csv', '--yes'],
      ['--entity', 'Nobody', '--yes'],
    ]) {
      const { code, stdout, stderr } = await ledger(['forget', ...args]);
      assert.deepEqual([code, stdout], [64, ''], args.join(' '));
      assert.notEqual(stderr, '');
    }
    assert.equal((await tracked()).length, 8);
  });
});
