import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemdUnits } from '../../src/schedule/systemd.ts';
import { job } from './expressions.ts';

// What systemd makes of these units is tested with systemd itself: test/tools/schedule.tools.ts.
const linesOf = (cron: string, timeZone = 'Europe/Berlin', file = 'tamhr-sync.timer') =>
  (systemdUnits(job({ cron, timeZone }, 'UTC')).find(({ name }) => name === file)?.text ?? '')
    .split('\n')
    .filter((line) => line.startsWith('OnCalendar='))
    .map((line) => line.slice('OnCalendar='.length));

test('a timer names its zone, whatever the zone of the machine', () => {
  assert.deepEqual(linesOf('0 3 * * *'), ['*-*-* 03:00:00 Europe/Berlin']);
  assert.deepEqual(linesOf('*/20 3,4 1,15 feb-mar *'), ['*-02,03-01,15 03,04:00,20,40:00 Europe/Berlin']);
  assert.deepEqual(linesOf('0 3 * * mon-fri'), ['Mon,Tue,Wed,Thu,Fri *-*-* 03:00:00 Europe/Berlin']);
});

test('a day of the month or a weekday are two events, both together are one', () => {
  assert.deepEqual(linesOf('0 3 1 * SUN'), ['*-*-01 03:00:00 Europe/Berlin', 'Sun *-*-* 03:00:00 Europe/Berlin']);
  assert.deepEqual(linesOf('0 3 1-7 * +SUN'), ['Sun *-*-01,02,03,04,05,06,07 03:00:00 Europe/Berlin']);
});

test('the second start follows half an hour later, also on the next day', () => {
  assert.deepEqual(linesOf('45 23 31 12 *', 'UTC', 'tamhr-sync-resolve.timer'), ['*-01-01 00:15:00 UTC']);
  assert.deepEqual(linesOf('0 * * * *', 'UTC', 'tamhr-sync-resolve.timer'), []);
});

test('what is missed is made up for, and a second start beside a run at work is no failure', () => {
  const units = systemdUnits(job({ cron: '0 3 * * *', timeZone: 'UTC' }, 'UTC', { user: 'sync' }));
  assert.deepEqual(
    units.map(({ name, text }) => [name, /^Persistent=true$|^SuccessExitStatus=75$|^User=sync$/gm.exec(text)?.[0]]),
    [
      ['tamhr-sync.service', 'User=sync'],
      ['tamhr-sync.timer', 'Persistent=true'],
      ['tamhr-sync-resolve.service', 'User=sync'],
      ['tamhr-sync-resolve.timer', undefined],
    ],
  );
  assert.match(units[2]?.text ?? '', /^Type=oneshot$.*^SuccessExitStatus=75$/ms);
});

test('paths are quoted for systemd: spaces, quotes, specifiers and variables', () => {
  const [service] = systemdUnits(
    job({ cron: '0 3 * * *', timeZone: 'UTC' }, 'UTC', {
      config: '/srv/a "b" $HOME/50%/c.json',
      log: '/var/log/50% sync.log',
    }),
  );
  assert.ok(service?.text.includes(' run --config "/srv/a \\"b\\" $$HOME/50%%/c.json"\n'), service?.text);
  const quotes = { node: '/opt/a"b/node' };
  assert.throws(() => systemdUnits(job({ cron: '0 3 * * *', timeZone: 'UTC' }, 'UTC', quotes)), /starts no program/);
  assert.ok(service?.text.includes('\nStandardError=append:/var/log/50%% sync.log\n'), service?.text);
});

test('L, W and # are refused, and zones that systemd does not know by that name', () => {
  for (const zone of ['+07:00', 'asia/kolkata', 'Asia/kolkata']) {
    assert.throws(() => linesOf('0 3 * * *', zone), { name: 'InexactSchedule', message: /knows no time zone/ }, zone);
  }
  assert.deepEqual(linesOf('0 3 * * *', 'Etc/GMT-7'), ['*-*-* 03:00:00 Etc/GMT-7']);
  assert.throws(() => linesOf('0 3 L * *'), { name: 'InexactSchedule', message: /has L, W or #/ });
});
