import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DateFormat, formatDate, isDateFormat, parseDateFormat, wallClock } from '../../src/sync/date-format.ts';

const DATE = new Date('2026-03-09T04:05:06.078Z');

test('tokens, punctuation, T, Z and quoted text make a format', () => {
  const texts: Record<string, string> = {
    'yyyy-MM-dd': '2026-03-09',
    yyyyMMdd: '20260309',
    'dd/MM/yy': '09/03/26',
    'yyyy-MM-ddTHH:mm:ss.fffZ': '2026-03-09T04:05:06.078Z',
    'HH.mm': '04.05',
    "'Tgl' dd, 'o''clock' HH": "Tgl 09, o'clock 04",
    "''yy''": "'26'",
    "yyyy'年'MM'月'": '2026年03月',
  };
  for (const [format, text] of Object.entries(texts)) {
    const parsed = parseDateFormat(format);
    assert.equal(parsed && formatDate(parsed, DATE), text, format);
  }
});

test('what other tools read differently is refused', () => {
  const formats = ['', '-', 'yyyy-M-d', 'MMM yyyy', 'MMMM', 'dddd', 'hh:mm', 'yyy', 'yyyyyy', 'ffffff', 'ss.f'];
  for (const format of [...formats, 'YYYY-MM-DD', 'HH:mm tt', "'open yyyy", 'TT yyyy', 'yyyy年MM', "'yyyy'"]) {
    assert.equal(isDateFormat(format), false, format);
  }
});

test('a time in a zone is what the zone’s clocks show, 00 at midnight', () => {
  const format = parseDateFormat('yyyy-MM-ddTHH:mm:ss.fff') as DateFormat;
  const show = (instant: string, zone: string) => formatDate(format, wallClock(zone)(new Date(instant)));
  assert.equal(show('2026-11-22T17:00:00.005Z', 'Asia/Jakarta'), '2026-11-23T00:00:00.005');
  assert.equal(show('2026-11-22T16:59:59.999Z', 'Asia/Jakarta'), '2026-11-22T23:59:59.999');
  assert.equal(show('2026-03-08T06:59:59.000Z', 'America/New_York'), '2026-03-08T01:59:59.000');
  assert.equal(show('2026-03-08T07:00:00.000Z', 'America/New_York'), '2026-03-08T03:00:00.000');
  assert.equal(show('2026-06-01T00:00:00.000Z', 'Asia/Kathmandu'), '2026-06-01T05:45:00.000');
  assert.throws(() => wallClock('Asia/Djakarta'), RangeError);
});

test('a zone’s wall clock is the instant plus its offset', () => {
  // Zones without daylight saving time since 1990, and their offsets in hours.
  const zones = fc.constantFrom<[string, number]>(
    ['UTC', 0],
    ['Asia/Jakarta', 7],
    ['Asia/Tokyo', 9],
    ['Etc/GMT+11', -11],
  );
  const instants = fc.date({ min: new Date('1990-01-01T12:00:00Z'), max: new Date('2100-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(zones, instants, ([zone, hours], instant) => {
      assert.equal(wallClock(zone)(instant).getTime(), instant.getTime() + hours * 3_600_000);
    }),
  );
});
