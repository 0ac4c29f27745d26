import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { crontabBlock, withBlock } from '../../src/schedule/crontab.ts';
import { nextDue, type Schedule } from '../../src/schedule/due.ts';
import { InexactSchedule } from '../../src/schedule/inexact.ts';
import { expressions, job, NOW, STEADY_ZONES, strikes } from './expressions.ts';

/** The five fields of a block's lines, of the runs or of the second starts. */
function linesOf(block: string, second = false): string[] {
  return block
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && line.includes('--resolve-only') === second)
    .map((line) => line.split(' ').slice(0, 5).join(' '));
}

function convert(cron: string, timeZone: string, machineZone: string): string[] {
  return linesOf(crontabBlock(job({ cron, timeZone }, machineZone), NOW));
}

describe('crontab lines', () => {
  test('strike at the same instants as the schedule in its own zone, each once, over more than a year', () => {
    let converted = 0;
    fc.assert(
      fc.property(
        expressions,
        fc.constantFrom(...STEADY_ZONES),
        fc.constantFrom(...STEADY_ZONES),
        fc.integer({ min: 0, max: 480 }),
        (cron, timeZone, machineZone, day) => {
          const schedule = { cron, timeZone };
          let lines: string[];
          try {
            fc.pre(nextDue(schedule, NOW) !== undefined);
            lines = convert(cron, timeZone, machineZone);
          } catch (error) {
            if (error instanceof InexactSchedule) return;
            throw error;
          }
          converted++;
          const from = new Date(NOW.getTime() + day * 86_400_000);
          const until = new Date(from.getTime() + 400 * 86_400_000);
          const expected = strikes([schedule], from, until, 50);
          const byMachine = lines.map((line): Schedule => ({ cron: line, timeZone: machineZone }));
          assert.deepEqual(strikes(byMachine, from, until, 50), expected, `${cron} → ${lines.join(' | ')}`);
          for (const line of lines) {
            // A list that begins with * means something else to cron than to croner.
            assert.match(line, /^\S+ \S+ (\*|[\d,-]+) (\*|[\d,-]+) (\*|[\d,-]+)$/);
          }
        },
      ),
      { numRuns: 120 },
    );
    assert.ok(converted > 50, `converted: ${converted}`);
  });

  test('keep the schedule where the clocks of both zones always show the same, changes included', () => {
    for (const cron of ['30 2 * * *', '15 */2 * * 1-5', '0 3 1 * *']) {
      const schedule = { cron, timeZone: 'Europe/Berlin' };
      const lines = convert(cron, 'Europe/Berlin', 'Europe/Paris').map((line) => ({
        cron: line,
        timeZone: 'Europe/Paris',
      }));
      const until = new Date('2027-12-31T00:00:00Z');
      assert.deepEqual(strikes(lines, NOW, until, 6000), strikes([schedule], NOW, until, 6000));
    }
  });

  test('follow the night into the day before and after', () => {
    assert.deepEqual(convert('0 3 * * *', 'Asia/Jakarta', 'UTC'), ['0 20 * * *']);
    assert.deepEqual(convert('0 3 * * MON', 'Asia/Jakarta', 'UTC'), ['0 20 * * 0']);
    assert.deepEqual(convert('0 3 2,16 * *', 'Asia/Jakarta', 'UTC'), ['0 20 1,15 * *']);
    assert.deepEqual(convert('0 3 31 * *', 'Asia/Jakarta', 'UTC'), ['0 20 30 1,3,5,7,8,10,12 *']);
    assert.deepEqual(convert('0 3 1 1,7 *', 'Asia/Jakarta', 'UTC'), ['0 20 31 12 *', '0 20 30 6 *']);
    assert.deepEqual(convert('0 20 31 * *', 'UTC', 'Asia/Jakarta'), ['0 3 1 1,2,4,6,8,9,11 *']);
    assert.deepEqual(convert('0 3 * * *', 'Asia/Kolkata', 'UTC'), ['30 21 * * *']);
    assert.deepEqual(convert('15,45 1,3 * * *', 'Asia/Kolkata', 'UTC'), ['45 19,21 * * *', '15 20,22 * * *']);
  });

  test('are refused where no fixed time of the machine is the time of the schedule', () => {
    assert.throws(() => convert('0 3 * * *', 'Europe/Berlin', 'UTC'), {
      message: /Europe\/Berlin.*UTC.*Europe\/Berlin change \(next on 2027-03-28\)/,
      hint: /--as systemd.*Europe\/Berlin/,
    });
    assert.throws(() => convert('0 3 * * *', 'Asia/Jakarta', 'America/New_York'), /America\/New_York change/);
    // They change on the same nights and still are an hour apart.
    assert.throws(() => convert('0 3 * * *', 'Europe/Berlin', 'Europe/London'), /not the same all year round|change/);
  });

  test('are refused where the end of February or a border of a month would have to be known', () => {
    assert.throws(() => convert('0 3 1 * *', 'Asia/Jakarta', 'UTC'), /end of February/);
    assert.throws(() => convert('0 20 28 * *', 'UTC', 'Asia/Jakarta'), /end of February/);
    assert.throws(() => convert('0 3 * 1 MON', 'Asia/Jakarta', 'UTC'), /weekdays would no longer fit/);
    assert.throws(() => convert('0 20 31 * MON', 'UTC', 'Asia/Jakarta'), /weekdays would no longer fit/);
    assert.throws(() => convert('0 3 1 * +MON', 'UTC', 'UTC'), /together/);
    for (const cron of ['0 3 L * *', '0 3 * * MON#1', '0 3 15W * *', '0 3 * * 5L']) {
      assert.throws(() => convert(cron, 'UTC', 'UTC'), /has L, W or #/, cron);
    }
  });

  test('start a second time half an hour later, unless another start follows within the hour', () => {
    const second = (cron: string, timeZone = 'UTC') => linesOf(crontabBlock(job({ cron, timeZone }, 'UTC'), NOW), true);
    assert.deepEqual(second('0 3 * * *', 'Asia/Jakarta'), ['30 20 * * *']);
    assert.deepEqual(second('45 23 * * 5'), ['15 0 * * 6']);
    assert.deepEqual(second('0 1,2,3 * * *'), ['30 3 * * *']);
    assert.deepEqual(second('0 * * * *'), []);
    // The half hour would lie on a day that is only known by the year: the next run resolves.
    assert.deepEqual(second('45 23 28 2 *'), []);
  });

  test('hold absolute paths, quoted for the shell and for cron', () => {
    const block = crontabBlock(
      job({ cron: '0 3 * * *', timeZone: 'UTC' }, 'UTC', {
        config: "/srv/o'hara & co/50%.json",
        secrets: '/etc/tamhr-sync/.env',
        log: '/var/log/tamhr sync.log',
        entities: ['Users', '-a b'],
      }),
      NOW,
    );
    assert.ok(
      block.includes(
        "\n0 3 * * * /usr/bin/node /opt/tamhr-sync/bin/tamhr-sync.js run --entity=Users '--entity=-a b' --config '/srv/o'\\''hara & co/50\\%.json' " +
          "--secrets /etc/tamhr-sync/.env 2>>'/var/log/tamhr sync.log'\n",
      ),
      block,
    );
    const withPath = (config: string) => () =>
      crontabBlock(job({ cron: '0 3 * * *', timeZone: 'UTC' }, 'UTC', { config }), NOW);
    assert.throws(withPath('/srv/a\nb.json'), /cannot be given "\/srv\/a\\nb\.json"/);
    assert.throws(withPath(`/${'a'.repeat(1000)}`), /longer than the 998 bytes/);
  });
});

describe("a crontab's block", () => {
  const block = (text: string) => `# tamhr-sync begin /etc/a.json\n${text}\n# tamhr-sync end\n`;
  const others = fc.array(fc.constantFrom('MAILTO=hr@example.com', '# note', '', '*/5 * * * * true\t', 'é=ü', '\r'), {
    maxLength: 6,
  });

  test('is put in, replaced in its place and taken out, and all other lines stay byte for byte', () => {
    fc.assert(
      fc.property(others, others, (before, after) => {
        const text = (lines: string[]) => lines.map((line) => `${line}\n`).join('');
        const original = text(before);
        const first = withBlock(original, '/etc/a.json', block('one'));
        assert.equal(first, original + block('one'));
        const grown = first + text(after);
        const second = withBlock(grown, '/etc/a.json', block('two'));
        assert.equal(second, original + block('two') + text(after));
        assert.equal(withBlock(second, '/etc/a.json', block('two')), second);
        assert.equal(withBlock(second, '/etc/a.json', ''), original + text(after));
        assert.equal(withBlock(second, '/etc/b.json', ''), second);
      }),
    );
  });

  test('follows a last line that had no line break, which stays without one where nothing changes', () => {
    assert.equal(withBlock('0 1 * * * true', '/etc/a.json', block('one')), `0 1 * * * true\n${block('one')}`);
    assert.equal(withBlock('0 1 * * * true', '/etc/a.json', ''), '0 1 * * * true');
  });

  test('leaves blocks of other configurations alone', () => {
    const other = block('theirs').replace('a.json', 'b.json');
    assert.equal(withBlock(other, '/etc/a.json', block('mine')), other + block('mine'));
    assert.equal(withBlock(other + block('mine'), '/etc/a.json', ''), other);
  });

  test('that has lost its end is refused, not guessed at', () => {
    const begin = '# tamhr-sync begin /etc/a.json\n0 1 * * * true\n';
    for (const crontab of [begin, begin + block('other').replace('a.json', 'b.json')]) {
      assert.throws(() => withBlock(crontab, '/etc/a.json', block('one')), { message: /without/, hint: /crontab -e/ });
    }
  });
});
