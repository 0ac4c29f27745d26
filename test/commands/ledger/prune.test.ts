import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { useLedger } from './fixture.ts';

describe('ledger prune', () => {
  const { server, ledger, document, sync, tracked } = useLedger({ rows: { Users: 2 }, oldJob: { rows: 2 } });

  it('removes runs, batches and its own log rows by age; a dry run counts them; the ledger stays', async () => {
    assert.equal((await sync('--entity', 'Users', 'OrgObject')).code, 0);
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
    assert.equal((await sync('--entity', 'Users')).accepted, 2);
    const none = await document('prune', '--older-than', '1d');
    assert.deepEqual([none.code, none.document.runs, none.document.batches, none.document.logEntries], [0, 0, 0, 0]);
    await server.execute(
      'log',
      `UPDATE dbo.TB_R_SYNC_RUN SET StartedAt = '2025-01-01', FinishedAt = '2025-01-01';
       UPDATE dbo.TB_R_SYNC_BATCH SET CreatedAt = '2025-01-01', SettledAt = '2025-01-01';
       UPDATE dbo.TB_R_Log SET CreatedOn = '2025-01-01'`,
    );
    const kept = await document('prune', '--older-than', '12w', '--dry-run');
    assert.equal(kept.document.runs, 0, 'they are among the newest 100');
    for (let run = 0; run < 100; run++) {
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_RUN (RunId, StartedAt, FinishedAt, State, ExitCode, Host, ProcessId, Version, Arguments)
         VALUES (NEWID(), SYSUTCDATETIME(), SYSUTCDATETIME(), N'finished', 0, N'h', 1, N'1', N'run')`,
      );
    }
    const before = await tracked();
    const dry = await document('prune', '--older-than', '12w', '--dry-run');
    assert.deepEqual([dry.document.runs, dry.document.batches, dry.document.logEntries], [2, 1, 1]);
    const { code, stdout } = await ledger(['prune', '--older-than', '12w']);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^Removed 2 runs, 1 batch and 1 row of TB_R_Log that ended before \S+ \S+\s\S+\.\nThe ledger is kept/,
    );
    const log = await server.query('log', 'SELECT ApplicationName FROM dbo.TB_R_Log');
    assert.equal(log.length, 5, 'what others wrote stays');
    assert.deepEqual(await tracked(), before);
  });

  it('wrong usage is 64, an age below a day included', async () => {
    for (const args of [
      [],
      ['--older-than', '0d'],
      ['--older-than', '23h'],
      ['--older-than', 'old'],
      ['--older-than', '99999w'],
      ['--older-than'],
    ]) {
      const { code, stdout, stderr } = await ledger(['prune', ...args]);
      assert.deepEqual([code, stdout], [64, ''], args.join(' '));
      assert.notEqual(stderr, '');
    }
  });
});
