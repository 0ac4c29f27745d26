import assert from 'node:assert/strict';
import { it } from 'node:test';
import { painter, wantsColour } from '../../src/report/colour.ts';

const TERMINAL = { isTTY: true };
const PIPE = { isTTY: false };

const cases: readonly [string, { isTTY: boolean }, Record<string, string>, boolean][] = [
  ['a terminal gets colour', TERMINAL, { TERM: 'xterm-256color' }, true],
  ['a terminal without TERM (Windows) gets colour', TERMINAL, {}, true],
  ['a pipe gets none', PIPE, {}, false],
  ['NO_COLOR turns it off', TERMINAL, { NO_COLOR: '1' }, false],
  ['an empty NO_COLOR does nothing', TERMINAL, { NO_COLOR: '' }, true],
  ['a dumb terminal gets none', TERMINAL, { TERM: 'dumb' }, false],
  ['FORCE_COLOR turns it on for a pipe', PIPE, { FORCE_COLOR: '1' }, true],
  ['an empty FORCE_COLOR turns it on', PIPE, { FORCE_COLOR: '' }, true],
  ['FORCE_COLOR wins over NO_COLOR', TERMINAL, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  ['FORCE_COLOR=0 turns it off', TERMINAL, { FORCE_COLOR: '0' }, false],
];
for (const [name, stream, env, expected] of cases) it(name, () => assert.equal(wantsColour(stream, env), expected));

it('painting does not look at the process of its own', () => {
  assert.equal(painter(true)('red', 'x'), '\u001b[31mx\u001b[39m');
  assert.equal(painter(false)('red', 'x'), 'x');
});
