import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WORK_NAMES } from '../../../dev/bench/figures.ts';
import { readOptions } from '../../../dev/bench/options.ts';

test('without options everything is measured five times on the stand-in', () => {
  assert.deepEqual(readOptions([]), {
    rows: 100_000,
    server: undefined,
    repeats: 5,
    slowRows: 360_000,
    only: new Set(WORK_NAMES),
    json: undefined,
    chart: undefined,
    strict: false,
  });
  assert.equal(readOptions(['--rows', '5000', '--help']), undefined);
});

test('options say what is measured, on which server, and where the figures go', () => {
  const args = ['--rows', '5000', '--server', 'Server=db;User Id=sa', '--repeats', '3', '--only', 'f1', '--only', 'f3'];
  const options = readOptions([...args, '--slow-rows', '60', '--json', 'a.json']);
  assert.deepEqual(options, {
    rows: 5000,
    server: 'Server=db;User Id=sa',
    repeats: 3,
    slowRows: 60,
    only: new Set(['f1', 'f3']),
    json: 'a.json',
    chart: undefined,
    strict: false,
  });
  const { chart, strict } = readOptions(['--chart', 'a.svg', '--strict']) ?? {};
  assert.deepEqual([chart, strict], ['a.svg', true]);
  assert.equal(readOptions(['--chart', 'a.svg', '--only', 'nothing-new'])?.chart, 'a.svg');
});

test('a chart or a judgement without the figures for it is refused', () => {
  assert.throws(() => readOptions(['--strict', '--only', 'f1']), /--strict: leave --only out/);
  assert.throws(() => readOptions(['--chart', 'a.svg', '--only', 'f1']), /--chart: .*first-run, nothing-new or/);
});

test('what is wrong is named, but not a text that may be a password', () => {
  assert.throws(() => readOptions(['--rows', '99']), {
    message: '--rows: expected a whole number from 100 on, found 99',
  });
  assert.throws(() => readOptions(['--repeats', '1.5']), /--repeats: expected a whole number from 1 on, found 1\.5/);
  assert.throws(() => readOptions(['--only', 'f4']), /--only: expected one of f1, f2, .*, found f4/);
  assert.throws(() => readOptions(['--server', 'hunter2']), {
    message: '--server: expected stand-in or an ADO.NET connection string',
  });
  assert.throws(() => readOptions(['--fast']), /--fast/);
});
