import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fold, likeMatcher } from '../../../../dev/sqlserver/tsql/values/collation.ts';
import {
  daysFrom,
  fieldsOf,
  parseMoment,
  roundTicks,
  ticksOf,
  ticksPerDay,
} from '../../../../dev/sqlserver/tsql/values/datetime.ts';
import { decimalFromFloat, decimalParse, decimalText, rescale } from '../../../../dev/sqlserver/tsql/values/decimal.ts';
import {
  decimalFrom,
  decimalTo,
  guidFrom,
  guidParse,
  guidText,
  guidTo,
  offsetFrom,
  offsetTo,
} from '../../../../dev/sqlserver/tsql/values/stored.ts';

const sign = (value: number): number => Math.sign(value);

describe('a stored uniqueidentifier', () => {
  it("orders by the wire's bytes 10–15 first, then 8, 9, 6, 7, 4, 5, 0–3", () => {
    // The example of https://learn.microsoft.com/dotnet/framework/data/adonet/sql/comparing-guid-and-uniqueidentifier-values
    const sorted = [
      '3AAAAAAA-BBBB-CCCC-DDDD-1EEEEEEEEEEE',
      '2AAAAAAA-BBBB-CCCC-DDDD-2EEEEEEEEEEE',
      '1AAAAAAA-BBBB-CCCC-DDDD-3EEEEEEEEEEE',
    ];
    const stored = sorted.toReversed().map((text) => guidParse(text) as Uint8Array);
    assert.deepEqual(stored.toSorted(Buffer.compare).map(guidText), sorted);
  });

  it('comes back as it was, from bytes and from text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (wire) => {
        assert.deepEqual(guidFrom(guidTo(wire)), wire);
        assert.deepEqual(guidParse(guidText(guidTo(wire))), guidTo(wire));
      }),
    );
  });
});

describe('a stored decimal', () => {
  it('of more than 18 digits is a blob whose bytes order as the numbers do', () => {
    const big = fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n });
    fc.assert(
      fc.property(big, big, (a, b) => {
        assert.equal(decimalFrom(decimalTo(a, 38)), a);
        const order = Buffer.compare(decimalTo(a, 38) as Uint8Array, decimalTo(b, 38) as Uint8Array);
        assert.equal(order, a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  it('rounds half away from zero', () => {
    assert.equal(rescale(1255n, 3, 2), 126n);
    assert.equal(rescale(-1255n, 3, 2), -126n);
    assert.equal(rescale(1254n, 3, 2), 125n);
  });

  it('has the same text after being read from it', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
        fc.integer({ min: 0, max: 20 }),
        (unscaled, scale) => {
          assert.deepEqual(decimalParse(decimalText(unscaled, scale)), { unscaled, scale });
        },
      ),
    );
  });

  it('of a float has its 17 significant digits', () => {
    assert.equal(decimalFromFloat(0.1, 20), 10_000_000_000_000_001_000n);
    assert.equal(decimalFromFloat(0.1, 5), 10_000n);
    assert.equal(decimalFromFloat(1e20, 2), 10n ** 22n);
  });
});

describe('a stored datetimeoffset', () => {
  it('orders by its moment in UTC', () => {
    const early = offsetTo(100n, 420);
    const late = offsetTo(101n, -420);
    assert.equal(sign(Buffer.compare(early.subarray(0, 8), late.subarray(0, 8))), -1);
    assert.deepEqual(offsetFrom(late), { ticks: 101n, offsetMinutes: -420 });
  });
});

describe('the collation', () => {
  const same = (a: string, b: string): boolean => fold(a) === fold(b);

  it('does not distinguish case, width, kana, or spaces at the end', () => {
    assert.ok(same('Ä', 'ä  '));
    assert.ok(same('ЖУК', 'жук'));
    assert.ok(same('ＡＢＣ', 'abc'));
    assert.ok(same('カタカナ', 'かたかな'));
    assert.ok(same('ｶﾞ', 'が'));
    assert.ok(same('e\u0301', 'É'));
  });

  it('distinguishes accents, leading spaces, kanji and emoji', () => {
    assert.ok(!same('a', 'ä'));
    assert.ok(!same(' a', 'a'));
    assert.ok(!same('東京', '京都'));
    assert.ok(!same('😀', '😁'));
    assert.ok(!same('😀', ''));
    assert.ok(!same('か', 'が'));
  });

  it('sorts symbols, digits, letters; and accented letters beside their base letters', () => {
    const words = ['b', 'Äa', '{', '9', 'ab', 'äb', 'a', 'az', 'ä'];
    const sorted = words.toSorted((a, b) => Buffer.compare(Buffer.from(fold(a)), Buffer.from(fold(b))));
    assert.deepEqual(sorted, ['{', '9', 'a', 'ä', 'Äa', 'ab', 'äb', 'az', 'b']);
  });

  it('compares byte by byte in the binary form and keeps case in the case-sensitive one', () => {
    assert.notEqual(fold('a', 'bin'), fold('A', 'bin'));
    assert.equal(fold('a ', 'bin'), fold('a', 'bin'));
    assert.notEqual(fold('a', 'cs'), fold('A', 'cs'));
    assert.equal(sign(Buffer.compare(Buffer.from(fold('A', 'cs')), Buffer.from(fold('b', 'cs')))), -1);
  });

  it('matches LIKE patterns with sets, ranges, escapes, and regular expression signs as themselves', () => {
    const like = (text: string, pattern: string, character: string | null = null): boolean =>
      likeMatcher(pattern, character, 'ci')(text);
    assert.ok(like('Strände (1)', 'STR_NDE (%)'));
    assert.ok(like('a.b', 'A.B') && !like('axb', 'a.b'));
    assert.ok(like('m5', '[k-n][0-9]') && !like('m5', '[^k-n]%'));
    assert.ok(like('50%', '50!%', '!') && !like('500', '50!%', '!'));
    assert.ok(like('50%', '50[%]') && !like('500', '50[%]'));
    assert.ok(like('line\nbreak', 'line%break'));
  });
});

describe('dates', () => {
  it('are the same after a way through ticks', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
        (date) => {
          const fields = {
            year: date.getUTCFullYear(),
            month: date.getUTCMonth() + 1,
            day: date.getUTCDate(),
            hour: date.getUTCHours(),
            minute: date.getUTCMinutes(),
            second: date.getUTCSeconds(),
            fraction: date.getUTCMilliseconds() * 10000,
          };
          assert.deepEqual(fieldsOf(ticksOf(fields) as bigint), fields);
        },
      ),
    );
  });

  it('begin on 0001-01-01 and end on 9999-12-31', () => {
    assert.equal(daysFrom(1, 1, 1), 0);
    assert.equal(BigInt(daysFrom(9999, 12, 31)) * ticksPerDay, 3_155_378_112_000_000_000n);
  });

  const moment = (text: string): bigint => {
    const parsed = parseMoment(text, undefined);
    assert.ok(typeof parsed === 'object');
    return parsed.ticks;
  };

  it('round to 1/300 s as datetime: .000, .003, .007', () => {
    const milliseconds = ['.994', '.995', '.996', '.997', '.998', '.999'].map((fraction) => {
      const rounded = fieldsOf(roundTicks(moment(`2026-11-23 10:00:00${fraction}`), { name: 'datetime' }, 'varchar'));
      return `${rounded.second}.${Math.round(rounded.fraction / 10000)}`;
    });
    assert.deepEqual(milliseconds, ['0.993', '0.997', '0.997', '0.997', '0.997', '1.0']);
  });

  it('round to the minute as smalldatetime and to n digits as datetime2(n)', () => {
    assert.equal(roundTicks(moment('2026-11-23 10:11:30'), { name: 'smalldatetime' }, 'x'), moment('2026-11-23 10:12'));
    assert.equal(
      roundTicks(moment('2026-11-23 10:11:12.3456789'), { name: 'datetime2', scale: 3 }, 'x'),
      moment('2026-11-23 10:11:12.346'),
    );
  });

  it('are read in the forms that SQL Server takes, and refused in others', () => {
    const wanted = moment('2026-03-04 05:06:07');
    for (const text of [
      '20260304 05:06:07',
      '2026-03-04T05:06:07',
      '3/4/2026 5:06:07 AM',
      'Mar 4 2026 05:06:07',
      '4 March 2026 05:06:07',
    ]) {
      assert.equal(moment(text), wanted, text);
    }
    assert.equal(parseMoment('nonsense', undefined), undefined);
    assert.equal(parseMoment('2026-02-30', undefined), 'range');
    assert.equal((parseMoment('04/03/2026', 103) as { ticks: bigint }).ticks, moment('2026-03-04'));
  });
});
