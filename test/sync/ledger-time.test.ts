import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { wallClock } from '../../src/sync/date-format.ts';
import { parseAge, parseSince } from '../../src/sync/ledger-time.ts';

const NOW = new Date('2026-11-25T10:00:00Z');
const since = (text: string, timeZone = 'Asia/Jakarta') => parseSince(text, timeZone, NOW)?.toISOString();

describe('an age', () => {
  it('is a number with its unit', () => {
    assert.equal(parseAge('90d'), 90 * 86_400_000);
    assert.equal(parseAge('12w'), 84 * 86_400_000);
    assert.equal(parseAge(' 36h '), 36 * 3_600_000);
    assert.equal(parseAge('5m'), 300_000);
  });

  it('is nothing else', () => {
    for (const text of ['', '0d', '00w', 'd', '1', '1.5d', '-1d', '1y', '18mo', '1000000d', '1d 2h', '1 d']) {
      assert.equal(parseAge(text), undefined, text);
    }
  });
});

describe('a time of sending', () => {
  it('is a date or date-time on the clocks of the zone, or as its offset says', () => {
    assert.equal(since('2026-11-24'), '2026-11-23T17:00:00.000Z');
    assert.equal(since('2026-11-24 03:01'), '2026-11-23T20:01:00.000Z');
    assert.equal(since('2026-11-24T03:01:02.5'), '2026-11-23T20:01:02.500Z');
    assert.equal(since('2026-11-24T03:01:02Z'), '2026-11-24T03:01:02.000Z');
    assert.equal(since('2026-11-24t03:01-0330'), '2026-11-24T06:31:00.000Z');
    assert.equal(since('2026-11-24 03:01 +07:00'), '2026-11-23T20:01:00.000Z', 'as status prints it');
    assert.equal(since('2d'), '2026-11-23T10:00:00.000Z');
  });

  it('is no day or hour that is not there', () => {
    for (const text of [
      '2026-02-29',
      '2026-13-01',
      '2026-00-10',
      '2026-11-24T24:00',
      '2026-11-24T23:60',
      '24.11.2026',
    ]) {
      assert.equal(since(text), undefined, text);
    }
    for (const text of ['yesterday', '2026-11', '2026-11-24T03', '2026-11-24+07:00', '2026-11-24T03:00+15:00', '']) {
      assert.equal(since(text), undefined, text);
    }
  });

  it('stands on both sides of a change to daylight saving', () => {
    assert.equal(since('2026-03-29 01:59', 'Europe/Berlin'), '2026-03-29T00:59:00.000Z');
    assert.equal(since('2026-03-29 03:00', 'Europe/Berlin'), '2026-03-29T01:00:00.000Z');
    assert.equal(since('2026-10-25 03:00', 'Europe/Berlin'), '2026-10-25T02:00:00.000Z');
  });

  it('is shown by the clocks of the zone, wherever no hour is skipped', () => {
    const zones = fc.constantFrom('Asia/Jakarta', 'UTC', 'Asia/Kolkata', 'Pacific/Kiritimati', 'America/Lima');
    const minutes = fc.date({ min: new Date('2000-01-01Z'), max: new Date('2040-01-01Z'), noInvalidDate: true });
    fc.assert(
      fc.property(zones, minutes, (zone, date) => {
        const text = date.toISOString().slice(0, 16);
        const instant = parseSince(text, zone, NOW);
        assert.ok(instant);
        assert.equal(wallClock(zone)(instant).toISOString().slice(0, 16), text);
      }),
    );
  });
});
