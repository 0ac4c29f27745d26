import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { clockAt } from '../../src/schedule/clocks.ts';
import { nextDue } from '../../src/schedule/due.ts';
import { InexactSchedule } from '../../src/schedule/inexact.ts';
import type { ScheduledJob } from '../../src/schedule/job.ts';
import { taskDefinitions } from '../../src/schedule/task-scheduler.ts';
import { expressions, job, NOW, STEADY_ZONES, strikes } from './expressions.ts';
import { brokenRules, child, localStarts, parseXml } from './task-xml.ts';

const WINDOWS: Partial<ScheduledJob> = {
  node: 'C:\\Program Files\\nodejs\\node.exe',
  script: 'C:\\Users\\hr\\AppData\\Roaming\\npm\\node_modules\\tamhr-sync\\bin\\tamhr-sync.js',
  config: 'C:\\HR & Payroll\\sync.config.json',
  secrets: 'C:\\HR & Payroll\\.env',
  log: 'C:\\HR & Payroll\\tamhr-sync.log',
};
const NIGHTLY = { cron: '0 3 * * *', timeZone: 'Asia/Jakarta' };

describe('tasks', () => {
  test("keep the schema's rules and start at the schedule's instants by the machine's clock, each once", () => {
    let written = 0;
    fc.assert(
      fc.property(
        expressions,
        fc.constantFrom(...STEADY_ZONES),
        fc.constantFrom(...STEADY_ZONES),
        (cron, timeZone, machineZone) => {
          const schedule = { cron, timeZone };
          let files: ReturnType<typeof taskDefinitions>;
          try {
            fc.pre(nextDue(schedule, NOW) !== undefined);
            files = taskDefinitions(job(schedule, machineZone, WINDOWS), NOW);
          } catch (error) {
            if (error instanceof InexactSchedule) return;
            throw error;
          }
          written++;
          for (const { text } of files) assert.deepEqual(brokenRules(parseXml(text)), []);
          const due = strikes([schedule], NOW, new Date('2028-06-01T00:00:00Z'), 60);
          const last = new Date(due.at(-1) ?? NOW);
          const expected = due.map((instant) => {
            const { date, minutes } = clockAt(machineZone, new Date(instant));
            const time = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0'));
            return `${date}T${time.join(':')}`;
          });
          const until = new Date(last.getTime() + 3 * 86_400_000).toISOString().slice(0, 10);
          const found = localStarts(parseXml(files[0]?.text ?? ''), '2026-11-24', until);
          assert.deepEqual(found.slice(0, expected.length), expected, `${cron} ${timeZone} → ${machineZone}`);
        },
      ),
      { numRuns: 120 },
    );
    assert.ok(written > 30, `written: ${written}`);
  });

  test('ignore a start while they run, make up for a missed one, and have no time limit', () => {
    const [first, second, ...further] = taskDefinitions(job(NIGHTLY, 'UTC', WINDOWS), NOW);
    assert.deepEqual([first?.name, second?.name, further], ['tamhr-sync.xml', 'tamhr-sync-resolve.xml', []]);
    const settings = (xml = '', name = '') => child(parseXml(xml), 'Settings', name).text;
    for (const file of [first, second]) {
      assert.equal(settings(file?.text, 'MultipleInstancesPolicy'), 'IgnoreNew');
      assert.equal(settings(file?.text, 'ExecutionTimeLimit'), 'PT0S');
    }
    assert.equal(settings(first?.text, 'StartWhenAvailable'), 'true');
    assert.equal(settings(second?.text, 'StartWhenAvailable'), 'false');
  });

  test('call cmd.exe with absolute quoted paths, and a log file each', () => {
    const [first, second] = taskDefinitions(job(NIGHTLY, 'UTC', WINDOWS), NOW).map(({ text }) =>
      child(parseXml(text), 'Actions', 'Exec'),
    );
    assert.equal(first && child(first, 'Command').text, '%SystemRoot%\\System32\\cmd.exe');
    const command = `"${WINDOWS.node}" "${WINDOWS.script}" run`;
    const files = `--config "${WINDOWS.config}" --secrets "${WINDOWS.secrets}"`;
    assert.equal(
      first && child(first, 'Arguments').text,
      `/d /s /c "${command} ${files} >>"C:\\HR & Payroll\\tamhr-sync.log" 2>&1"`,
    );
    assert.equal(
      second && child(second, 'Arguments').text,
      `/d /s /c "${command} --resolve-only ${files} >>"C:\\HR & Payroll\\tamhr-sync-resolve.log" 2>&1"`,
    );
  });

  test('take names of entities that end with a backslash for what they are', () => {
    const [first] = taskDefinitions(job(NIGHTLY, 'UTC', { ...WINDOWS, entities: ['a\\b', 'Users\\'] }), NOW);
    const line = child(parseXml(first?.text ?? ''), 'Actions', 'Exec');
    assert.match(child(line, 'Arguments').text, / run "--entity=a\\b" "--entity=Users\\\\" --config /);
  });

  test('run as SYSTEM, or as the account that is named', () => {
    const principal = (user?: string) =>
      child(
        parseXml(taskDefinitions(job(NIGHTLY, 'UTC', user === undefined ? {} : { user }), NOW)[0]?.text ?? ''),
        'Principals',
        'Principal',
      ).children.map(({ name, text }) => `${name}=${text}`);
    assert.deepEqual(principal(), ['UserId=S-1-5-18', 'RunLevel=LeastPrivilege']);
    assert.deepEqual(principal('HR\\sync'), ['UserId=HR\\sync', 'LogonType=Password', 'RunLevel=LeastPrivilege']);
  });

  test('are refused where triggers cannot say it', () => {
    const define =
      (cron: string, timeZone = 'UTC', changes: Partial<ScheduledJob> = {}) =>
      () =>
        taskDefinitions(job({ cron, timeZone }, 'UTC', changes), NOW);
    assert.throws(define('0 3 1 * 1'), { name: 'InexactSchedule', message: /only knows one/ });
    assert.throws(define('*/15 * * * *'), { name: 'InexactSchedule', message: /96 times.*at most 48/ });
    assert.throws(define('0 3 * * 5L'), /has L, W or #/);
    assert.throws(define('0 3 * * *', 'Europe/Berlin'), /change/);
    assert.throws(define('0 3 * * *', 'UTC', { config: 'C:\\100%\\a.json' }), /holds "%"/);
  });

  test('what a test of the rules finds: an element out of order, one too many, and a wrong value', () => {
    const [file] = taskDefinitions(job(NIGHTLY, 'UTC', WINDOWS), NOW);
    const broken = (from: string | RegExp, to: string) => brokenRules(parseXml((file?.text ?? '').replace(from, to)));
    assert.deepEqual(broken('x', 'x'), []);
    assert.equal(broken(/(<StartBoundary>.*<\/StartBoundary>)(.*?<\/ScheduleByDay>)/s, '$2$1').length, 1);
    assert.equal(broken('IgnoreNew', 'Ignore').length, 1);
    assert.equal(broken('<Actions Context="Account">', '<Actions Context="Account"><Exec />').length, 1);
  });
});
