import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { beforeEach, describe, it } from 'node:test';
import { sampleRow } from '../../../dev/sqlserver/sample-rows.ts';
import { holdLock, useLedger } from './fixture.ts';

const idOf = (index: number) => String(sampleRow('Users', index).Id);

describe('ledger adopt', () => {
  const { server, job, ledger, document, sync, tracked, file } = useLedger({ rows: { Users: 10, OrgObject: 3 } });

  beforeEach(async () => {
    await job.configure();
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_FAILURE');
  });

  it('marks all rows of an entity as sent, and the next run sends none of them', async () => {
    const { code, stdout, stderr } = await ledger(['adopt', '--entity', 'Users']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^Users: 10 rows marked as sent as they are now \(10 added, 0 tracked with another\s/);
    assert.deepEqual(await tracked(), Array.from({ length: 10 }, (_, index) => `User ${idOf(index)} hash`).sort());
    job.receiver.clear();
    assert.deepEqual(await sync('--entity', 'Users'), { code: 0, accepted: 0 });
    assert.equal(job.receiver.calls().length, 0);
    await job.configure((config) => {
      config.entities[0].changes = 'changed';
    });
    assert.deepEqual(await sync('--entity', 'Users'), { code: 0, accepted: 0 }, 'with the hash that the run computes');
  });

  it('a dry run counts the same and changes nothing', async () => {
    await server.execute('log', 'INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (@label, @id)', {
      label: 'Users',
      id: idOf(0),
    });
    const before = await tracked();
    const dry = await document('adopt', '--entity', 'Users', '--dry-run');
    assert.deepEqual(await tracked(), before);
    const wet = await document('adopt', '--entity', 'Users');
    assert.deepEqual({ ...wet.document, dryRun: true }, dry.document);
    const [{ added, rehashed, unchanged }] = wet.document.entities;
    assert.deepEqual([added, rehashed, unchanged], [9, 1, 0]);
    assert.ok((await tracked()).includes(`Users ${idOf(0)} hash`), 'it keeps its label');
    const again = (await document('adopt', '--entity', 'Users')).document.entities[0];
    assert.deepEqual([again.added, again.rehashed, again.unchanged], [0, 0, 10]);
  });

  it('--where narrows the source, and source.where still holds', async () => {
    await job.configure((config) => {
      config.entities[0].source.where = `NoReg <> '${sampleRow('Users', 1).NoReg}' -- not this one`;
    });
    const where = `NoReg IN ('${sampleRow('Users', 1).NoReg}', '${sampleRow('Users', 2).NoReg}') OR 1 = 0 -- these`;
    const { code } = await ledger(['adopt', '--entity', 'Users', '--where', where]);
    assert.equal(code, 0);
    assert.deepEqual(await tracked(), [`User ${idOf(2)} hash`]);
  });

  it('a --where that the server does not take is told with what it says, and nothing is marked', async () => {
    const { code, stdout, stderr } = await ledger(['adopt', '--entity', 'Users', '--where', 'Nothing = 1']);
    assert.deepEqual([code, stdout], [64, '']);
    assert.match(stderr, /207.*Nothing.*\nSee whether --where is a predicate over columns of the source of Users\./);
    assert.deepEqual(await tracked(), []);
  });

  it('a --where with parentheses of its own does not reach beyond source.where', async () => {
    await job.configure((config) => {
      config.entities[0].source.where = `NoReg <> '${sampleRow('Users', 1).NoReg}'`;
    });
    const where = `NoReg = '${sampleRow('Users', 2).NoReg}') OR (NoReg = '${sampleRow('Users', 1).NoReg}'`;
    assert.equal((await ledger(['adopt', '--entity', 'Users', '--where', where])).code, 0);
    assert.deepEqual(await tracked(), [`User ${idOf(2)} hash`]);
  });

  it('a source.where that the server does not take is no wrong usage', async () => {
    await job.configure((config) => {
      config.entities[0].source.where = 'Nothing = 1';
    });
    const { code, stderr } = await ledger(['adopt', '--entity', 'Users', '--where', '1 = 1']);
    assert.equal(code, 69);
    assert.match(stderr, /207.*\nTry source\.table/);
  });

  it('says of which rows it has to wait for, in a dry run as well', async () => {
    await job.configure((config) => {
      config.destination.maxAttempts = 1;
    });
    job.receiver.failNext(2, { send: 'reset' });
    await sync('--entity', 'Users', '--limit', '4');
    const dry = await document('adopt', '--entity', 'Users', '--dry-run');
    assert.equal(dry.document.entities[0].inDoubt, 4);
    const { stdout } = await ledger(['adopt', '--entity', 'Users']);
    assert.match(
      stdout.replaceAll(/\s+/g, ' '),
      /4 of them are in a batch whose outcome is unknown, which the next run sends again first\. This command sent nothing\./,
    );
    assert.equal((await sync('--entity', 'Users')).code, 0);
  });

  it('a file of keys of other entities alone is told, and ends with 1', async () => {
    assert.equal((await ledger(['adopt', '--entity', 'OrgObject'])).code, 0);
    const name = await file('others.csv', (await ledger(['export', '--format', 'csv'])).stdout);
    for (const command of [['adopt'], ['forget', '--yes']]) {
      const { code, stderr } = await ledger([...command, '--entity', 'Users', '--keys', name]);
      assert.deepEqual(
        [code, stderr],
        [1, 'error: others.csv: no key in it is of Users: its 3 lines are of other entities.\n'],
      );
    }
  });

  it('names a first line that it takes for a header; a column Entity of another file is no matter', async () => {
    const name = await file('people.csv', `Employee,Entity\n${idOf(7)},PT TAM\n`);
    const note = `note: people.csv: line 1 is taken for a header, since it begins with no key: Employee,Entity\n`;
    const { code, stderr } = await ledger(['adopt', '--entity', 'Users', '--keys', name]);
    assert.deepEqual([code, stderr], [0, note]);
    assert.deepEqual(await tracked(), [`User ${idOf(7)} hash`]);
    const forgotten = await ledger(['forget', '--keys', name, '--yes']);
    assert.deepEqual([forgotten.code, forgotten.stderr], [0, note]);
    assert.deepEqual(await tracked(), []);
  });

  it('takes keys from a CSV file, names those that the source does not have, and ends with 1', async () => {
    const gone = '00000000-0000-4000-8000-00000000dead';
    const name = await file(
      'keys.csv',
      `\ufeffid;name\r\n${idOf(3).toUpperCase()};"a;b"\r\n"${idOf(4)}";c\r\n${gone};d\r\n`,
    );
    const { code, stderr } = await ledger(['adopt', '--entity', 'Users', '--keys', name]);
    assert.equal(code, 1);
    assert.equal(stderr, `error: Users: 1 key is not in the source: ${gone}\n`);
    assert.deepEqual(await tracked(), [`User ${idOf(3)} hash`, `User ${idOf(4)} hash`].sort());
  });

  it('takes keys from standard input, and what ledger export writes, in both formats', async () => {
    const stdin = () => Readable.from([Buffer.from(`{"key":"${idOf(5)}"}\n"${idOf(6)}"\n`)]);
    assert.equal((await ledger(['adopt', '--entity', 'Users', '--keys', '-'], { stdin })).code, 0);
    assert.equal((await ledger(['adopt', '--entity', 'OrgObject'])).code, 0);
    const before = await tracked();
    assert.equal(before.length, 5);
    for (const format of ['csv', 'ndjson']) {
      const { stdout } = await ledger(['export', '--format', format]);
      const name = await file(`export.${format}`, stdout);
      await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
      for (const entity of ['Users', 'OrgObject']) {
        assert.equal((await ledger(['adopt', '--entity', entity, '--keys', name])).code, 0);
      }
      assert.deepEqual(await tracked(), before, format);
    }
  });

  it('ends dead letters of rows that it marks; rows without a payload it names and leaves', async () => {
    await job.configure((config) => {
      const [users] = config.entities;
      config.entities = [{ ...users, map: { Code: 'Id', Name: { column: 'Name', as: 'number' } } }];
    });
    assert.equal((await sync()).code, 2);
    const letters = async () => (await server.query('log', 'SELECT EntityId FROM dbo.TB_R_SYNC_FAILURE')).length;
    assert.equal(await letters(), 10);
    const refused = await document('adopt', '--entity', 'Users');
    assert.equal(refused.code, 1);
    assert.equal(refused.document.entities[0].unmappable.count, 10);
    assert.equal(refused.document.entities[0].unmappable.keys.length, 5);
    assert.match(refused.stderr, /^error: Users: 10 rows have no payload, such as .*field Name/);
    assert.doesNotMatch(refused.stderr, new RegExp(String(sampleRow('Users', 0).Name)));
    assert.equal(await letters(), 10);
    await job.configure();
    assert.equal((await ledger(['adopt', '--entity', 'Users'])).code, 0);
    assert.equal(await letters(), 0);
  });

  it('leaves an entity alone that a run has locked: 75, and 1 where another was free; a dry run needs no lock', async () => {
    const release = await holdLock(server, 'User');
    const { code, stdout, stderr } = await ledger(['adopt', '--entity', 'Users']);
    assert.deepEqual([code, stdout], [75, '']);
    assert.match(stderr, /^error: Users: another run/);
    const partly = await document('adopt', '--entity', 'Users', 'OrgObject');
    assert.equal(partly.code, 1);
    assert.deepEqual(
      partly.document.entities.map(({ entity }: { entity: string }) => entity),
      ['OrgObject'],
    );
    assert.equal((await ledger(['adopt', '--entity', 'Users', '--dry-run'])).code, 0);
    await release();
  });

  it('a signal ends it between two pages with 130 or 143; what was marked stays, and to repeat it is safe', async () => {
    for (const [signal, expected] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const signals = new EventEmitter();
      async function* keys() {
        yield Buffer.from(`"${idOf(0)}"\n`.repeat(5000));
        signals.emit(signal, signal);
        yield Buffer.from(`"${idOf(1)}"\n`);
      }
      const stdin = () => Readable.from(keys());
      const { code, stdout, stderr } = await ledger(['adopt', '--entity', 'Users', '--keys', '-'], { stdin, signals });
      assert.deepEqual([code, stdout], [expected, '']);
      assert.match(stderr, new RegExp(`^${signal}: stopped\\. What was done until then stays`, 'm'));
      assert.ok(!(await tracked()).includes(`User ${idOf(1)} hash`));
      assert.equal(signals.listenerCount('SIGINT'), 0);
    }
    assert.equal((await ledger(['adopt', '--entity', 'Users'])).code, 0, 'the lock is free');
  });

  it('wrong usage is 64, and says what to do', async () => {
    const broken = await file('broken.csv', 'Id\n"a\nb\n');
    const wide = await file('wide.csv', 'Id\na\nb,c\n');
    const other = await file('other.ndjson', '{"Other":1}\n');
    const empty = await file('empty.csv', '');
    const latin = await file('latin.csv', Buffer.from([0x49, 0x64, 0x0a, 0xe9, 0x0a]));
    const mistakes: [string[], RegExp][] = [
      [[], /needs --entity/],
      [['--entity', 'Nobody'], /No entity is named Nobody/],
      [['--entity', 'Users', 'OrgObject', '--keys', 'x.csv'], /one entity at a time/],
      [['--entity', 'Users', '--keys', 'x.csv', '--where', '1 = 1'], /cannot be used with/],
      [['--entity', 'Users', '--keys', 'missing.csv'], /missing\.csv cannot be read: there is no such file/],
      [['--entity', 'Users', '--keys', broken], /broken\.csv, line \d: a quote is not closed/],
      [['--entity', 'Users', '--keys', wide], /wide\.csv, line 3: it has another number of cells/],
      [['--entity', 'Users', '--keys', other], /other\.ndjson, line 1: it is no key\.\n.*"key", or "Id"/],
      [['--entity', 'Users', '--keys', latin], /latin\.csv cannot be read: it is not UTF-8 text/],
      [['--entity', 'Users', '--keys', empty], /empty\.csv holds no key/],
      [['extra'], /too many arguments/],
    ];
    for (const [args, message] of mistakes) {
      const { code, stdout, stderr } = await ledger(['adopt', ...args]);
      assert.deepEqual([code, stdout], [64, ''], args.join(' '));
      assert.match(stderr, message);
    }
    assert.deepEqual(await tracked(), []);
  });
});
