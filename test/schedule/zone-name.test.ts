import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemdUnits } from '../../src/schedule/systemd.ts';
import { zoneName } from '../../src/schedule/zone-name.ts';
import { job } from './expressions.ts';

test('a zone is spelled as schedulers want it, and none is another than it was', () => {
  for (const [typed, zone] of [
    ['asia/jakarta', 'Asia/Jakarta'],
    ['utc', 'UTC'],
    ['ETC/GMT-7', 'Etc/GMT-7'],
    ['Asia/Kolkata', 'Asia/Kolkata'],
  ] as const) {
    assert.equal(zoneName(typed, 'cron'), zone);
    const units = systemdUnits(job({ cron: '0 3 * * *', timeZone: typed }, 'UTC'));
    const zones = units.flatMap(({ text }) => text.match(/(?<=^OnCalendar=.* )\S+$/gm) ?? []);
    assert.deepEqual(zones, [zone, zone]);
  }
});
