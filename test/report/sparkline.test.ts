import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { showsUtf8, sparkline } from '../../src/report/sparkline.ts';

describe('sparkline', () => {
  it('goes from nothing to the greatest, and anything above zero is seen', () => {
    assert.equal(sparkline([0, 1, 500, 1000]), '▁▂▅█');
  });

  it('what is far above all others does not make these flat', () => {
    assert.equal(sparkline([200_000, 100, 50, 0]), '██▅▁');
  });

  it('survives what is no amount', () => {
    assert.equal(sparkline([Number.NaN, -1, 0]), '▁▁▁');
    assert.equal(sparkline([]), '');
  });
});

describe('whether a terminal shows UTF-8', () => {
  const terminal = { isTTY: true };

  it('the first of LC_ALL, LC_CTYPE and LANG that is set decides', () => {
    assert.equal(showsUtf8(terminal, { LANG: 'id_ID.UTF-8' }), true);
    assert.equal(showsUtf8(terminal, { LANG: 'en_US.utf8', LC_ALL: 'C' }), false);
    assert.equal(showsUtf8(terminal, { LC_CTYPE: 'C.UTF-8', LC_ALL: '' }), true);
    assert.equal(showsUtf8(terminal, {}), false);
  });

  it('on Windows a terminal does and a file does not', () => {
    assert.equal(showsUtf8(terminal, { OS: 'Windows_NT' }), true);
    assert.equal(showsUtf8({ isTTY: false }, { OS: 'Windows_NT' }), false);
  });
});
