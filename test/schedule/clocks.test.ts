import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clockAt, firstSkipped, minutesAhead } from '../../src/schedule/clocks.ts';

const NOW = new Date('2026-11-25T10:00:00Z');

test('clocks of zones without changes are apart by the same minutes for ever', () => {
  assert.equal(minutesAhead('Asia/Jakarta', 'UTC', NOW), -420);
  assert.equal(minutesAhead('America/Phoenix', 'Asia/Kathmandu', NOW), 765);
  assert.equal(minutesAhead('Asia/Jakarta', 'Asia/Bangkok', NOW), 0);
});

test('zones that change together and show the same are taken for one', () => {
  assert.equal(minutesAhead('Europe/Berlin', 'Europe/Paris', NOW), 0);
  assert.equal(minutesAhead('America/New_York', 'America/New_York', NOW), 0);
});

test('a difference that changes with the season is refused, with the zone and the day of the next change', () => {
  const change = (zone: string, machineZone: string) => () => minutesAhead(zone, machineZone, NOW);
  // In winter both show the same.
  assert.throws(change('Europe/London', 'UTC'), /Europe\/London change \(next on 2027-03-28\)/);
  assert.throws(change('UTC', 'Australia/Lord_Howe'), /Australia\/Lord_Howe change \(next on 2027-04-04\)/);
});

test('a time that clocks skip is found, with the day', () => {
  assert.deepEqual(firstSkipped('Europe/Berlin', [150], NOW), { day: '2027-03-28', time: 150 });
  assert.equal(firstSkipped('Europe/Berlin', [119, 180], NOW), undefined);
  assert.equal(firstSkipped('Asia/Jakarta', [150], NOW), undefined);
  assert.deepEqual(firstSkipped('Africa/Cairo', [15], NOW), { day: '2027-04-30', time: 15 });
});

test('a clock shows the local date and time', () => {
  assert.deepEqual(clockAt('Asia/Jakarta', new Date('2026-11-25T20:05:00Z')), { date: '2026-11-26', minutes: 185 });
});
