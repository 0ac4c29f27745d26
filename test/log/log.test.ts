import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createLog, type LogOptions } from '../../src/log/log.ts';
import { createRedactor } from '../../src/log/redact.ts';

const folder = mkdtempSync(join(tmpdir(), 'tamhr-log-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function openLog(options: Partial<LogOptions> = {}) {
  const written: string[] = [];
  const redactor = createRedactor();
  redactor.add(['hunter2']);
  const stderr = { write: (text: string) => void written.push(text) };
  const log = createLog({ level: 'info', format: 'text', stderr, redactor, ...options });
  return { log, stderrText: () => written.join('') };
}

describe('createLog', () => {
  it('writes a line with time, level and message', async () => {
    const { log, stderrText } = openLog();
    log.info('Users: batch 1 accepted');
    log.error('Users: batch 2 refused');
    await log.close();
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
    assert.match(
      stderrText(),
      new RegExp(`^${time} info {2}Users: batch 1 accepted\n${time} error Users: batch 2 refused\n$`),
    );
  });

  it('has written every entry when it is closed, however many there are', async () => {
    const path = join(folder, 'many.log');
    const { log, stderrText } = openLog({ file: { path, maxFileBytes: 1e9, maxFiles: 2 } });
    for (let number = 1; number <= 5000; number += 1) log.info(`entry ${number}`);
    await log.close();
    const numbers = (text: string) => [...text.matchAll(/entry (\d+)\n/g)].map(([, number]) => Number(number));
    const expected = Array.from({ length: 5000 }, (_, index) => index + 1);
    assert.deepEqual(numbers(stderrText()), expected);
    assert.deepEqual(numbers(readFileSync(path, 'utf8')), expected);
  });

  it('keeps from stderr what is less severe than stderrLevel, and writes it to the file all the same', async () => {
    const path = join(folder, 'more.log');
    const { log, stderrText } = openLog({ stderrLevel: 'warn', file: { path, maxFileBytes: 1e9, maxFiles: 2 } });
    log.info('for the file');
    log.warn('for both');
    await log.close();
    assert.match(stderrText(), /^\S+ warn {2}for both\n$/);
    assert.match(readFileSync(path, 'utf8'), /for the file\n.*for both\n$/);
  });

  it('closes when nothing was logged', async () => {
    const { log, stderrText } = openLog();
    await log.close();
    assert.equal(stderrText(), '');
  });

  for (const [level, expected] of [
    ['error', ['e']],
    ['warn', ['e', 'w']],
    ['info', ['e', 'w', 'i']],
    ['debug', ['e', 'w', 'i', 'd']],
  ] as const) {
    it(`leaves out what is less severe than ${level}`, async () => {
      const { log, stderrText } = openLog({ level });
      log.error('e');
      log.warn('w');
      log.info('i');
      log.debug('d');
      await log.close();
      assert.deepEqual(
        stderrText()
          .trimEnd()
          .split('\n')
          .map((line) => line.at(-1)),
        expected,
      );
    });
  }

  it('writes JSON lines with the fields as members', async () => {
    const { log, stderrText } = openLog({ format: 'json' });
    log.warn('Users: "quoted"\nand broken', { entity: 'Users', rows: 3000, replayed: false, left: undefined });
    await log.close();
    const { time, ...entry } = JSON.parse(stderrText());
    assert.ok(!Number.isNaN(Date.parse(time)));
    assert.deepEqual(entry, {
      level: 'warn',
      message: 'Users: "quoted"\nand broken',
      entity: 'Users',
      rows: 3000,
      replayed: false,
    });
    assert.equal(stderrText().split('\n').length, 2);
  });

  it('keeps time, level and message from being replaced by fields', async () => {
    const { log, stderrText } = openLog({ format: 'json' });
    log.info('real', { level: 'error', message: 'false', time: 'never' });
    await log.close();
    const { time, ...entry } = JSON.parse(stderrText());
    assert.deepEqual(entry, { level: 'info', message: 'real' });
    assert.notEqual(time, 'never');
  });

  it('keeps a text entry on one line and out of control of the terminal', async () => {
    const { log, stderrText } = openLog();
    log.info('first\nsecond \u001b[2Jthird');
    await log.close();
    assert.ok(stderrText().endsWith('first\\nsecond \\u001b[2Jthird\n'));
  });

  for (const format of ['text', 'json'] as const) {
    it(`shows no secret in ${format}, neither on stderr nor in the file`, async () => {
      const path = join(folder, `secret-${format}.log`);
      const { log, stderrText } = openLog({ format, file: { path, maxFileBytes: 1e6, maxFiles: 2 } });
      log.info('login with hunter2 failed', { password: 'hunter2' });
      await log.close();
      for (const text of [stderrText(), readFileSync(path, 'utf8')]) {
        assert.match(text, /login with \*\*\* failed/);
        assert.doesNotMatch(text, /hunter2/);
      }
    });
  }
});

describe('the log file', () => {
  it('is created with its folder and appended to', async () => {
    const path = join(folder, 'new', 'deep', 'sync.log');
    for (const message of ['first run', 'second run']) {
      const { log } = openLog({ file: { path, maxFileBytes: 1e6, maxFiles: 3 } });
      log.info(message);
      await log.close();
    }
    assert.match(readFileSync(path, 'utf8'), /^\S+ info {2}first run\n\S+ info {2}second run\n$/);
  });

  it('rotates by size, keeps the newest files and loses no line of these', async () => {
    const path = join(folder, 'rotate', 'sync.log');
    const { log } = openLog({ file: { path, maxFileBytes: 200, maxFiles: 3 } });
    // 24 characters of time, 7 of level, 10 of message with its line break: four lines a file.
    for (let number = 10; number < 30; number += 1) log.info(`number ${number}`);
    await log.close();
    assert.deepEqual(readdirSync(join(folder, 'rotate')).sort(), ['sync.1.log', 'sync.2.log', 'sync.log']);
    const numbers = (name: string) =>
      [...readFileSync(join(folder, 'rotate', name), 'utf8').matchAll(/number (\d+)/g)].map(([, number]) => number);
    assert.deepEqual(numbers('sync.log'), ['26', '27', '28', '29']);
    assert.deepEqual(numbers('sync.1.log'), ['22', '23', '24', '25']);
    assert.deepEqual(numbers('sync.2.log'), ['18', '19', '20', '21']);
  });

  it('starts over where only one file may be kept', async () => {
    const path = join(folder, 'single', 'sync.log');
    const { log } = openLog({ file: { path, maxFileBytes: 200, maxFiles: 1 } });
    for (let number = 10; number < 16; number += 1) log.info(`number ${number}`);
    await log.close();
    assert.deepEqual(readdirSync(join(folder, 'single')), ['sync.log']);
    assert.match(readFileSync(path, 'utf8'), /^\S+ info {2}number 14\n\S+ info {2}number 15\n$/);
  });

  const unwritable: Record<string, () => string> = {
    'its folder is a file': () => {
      writeFileSync(join(folder, 'plain'), '');
      return join(folder, 'plain', 'sync.log');
    },
    'it is a folder': () => {
      mkdirSync(join(folder, 'sync.log'));
      return join(folder, 'sync.log');
    },
    'the disk is full': () => '/dev/full',
  };
  for (const [why, pathOf] of Object.entries(unwritable)) {
    it(`costs one warning and nothing else when ${why}`, async () => {
      const { log, stderrText } = openLog({ file: { path: pathOf(), maxFileBytes: 1e6, maxFiles: 3 } });
      for (let number = 1; number <= 100; number += 1) log.info(`number ${number} ${'x'.repeat(1000)}`);
      await log.close();
      const lines = stderrText().trimEnd().split('\n');
      assert.equal(lines.filter((line) => line.startsWith('warning: the log file cannot be written: ')).length, 1);
      assert.equal(lines.filter((line) => / info {2}number \d+ x+$/.test(line)).length, 100);
    });
  }

  it('keeps its lines where it cannot be rotated', async () => {
    const path = join(folder, 'stuck', 'sync.log');
    mkdirSync(join(folder, 'stuck', 'sync.1.log', 'occupied'), { recursive: true });
    const { log, stderrText } = openLog({ file: { path, maxFileBytes: 100, maxFiles: 2 } });
    for (let number = 10; number < 20; number += 1) log.info(`number ${number}`);
    await log.close();
    assert.equal(readFileSync(path, 'utf8').match(/number/g)?.length, 10);
    assert.match(stderrText(), /warning: the log file cannot be written: /);
  });
});
