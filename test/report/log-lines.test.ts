import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isAtLeast, logLineText, parseLogLine } from '../../src/report/log-lines.ts';
import { assertMeetsSchema } from './schema.ts';

const TEXT = '2026-11-23T03:00:01.234Z info  Users: batch 1 accepted';
const JSON_LINE =
  '{"time":"2026-11-23T03:00:01.234Z","level":"warn","message":"Users: \\u001b[2J","rows":3000,"ok":true}';

it('both formats are read, and what is no entry stays a line', () => {
  assert.deepEqual(parseLogLine(TEXT), {
    time: '2026-11-23T03:00:01.234Z',
    level: 'info',
    message: 'Users: batch 1 accepted',
  });
  assert.equal(parseLogLine(JSON_LINE).level, 'warn');
  for (const line of [
    '',
    '    at main (cli.ts:1:1)',
    '{"time":1}',
    '{broken',
    '{"time":"x","level":"loud","message":""}',
    'null',
  ]) {
    assert.deepEqual(parseLogLine(line), { time: null, level: null, message: line });
  }
  for (const line of [TEXT, JSON_LINE, 'else']) assertMeetsSchema('logs', parseLogLine(line));
});

it('a line is as severe as its level; one that is no entry is never left out', () => {
  assert.deepEqual(
    (['error', 'warn', 'info', 'debug'] as const).map((level) => isAtLeast(parseLogLine(JSON_LINE), level)),
    [false, true, true, true],
  );
  assert.equal(isAtLeast(parseLogLine('else'), 'error'), true);
});

it('as text nothing of it steers the terminal, and colour tells how severe it is', () => {
  const text = '2026-11-23T03:00:01.234Z warn  Users: \\u001b[2J';
  assert.equal(logLineText(parseLogLine(JSON_LINE), false), `${text}\n`);
  assert.equal(logLineText(parseLogLine(JSON_LINE), true), `\u001b[33m${text}\u001b[39m\n`);
  assert.equal(logLineText(parseLogLine(TEXT), true), `${TEXT}\n`);
  assert.equal(logLineText(parseLogLine('\u009b2J a\tb'), false), '\\u009b2J a b\n');
});
