import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createRedactor } from '../../src/log/redact.ts';

function redactorOf(...secrets: string[]) {
  const redactor = createRedactor();
  redactor.add(secrets);
  return redactor;
}

describe('createRedactor', () => {
  it('leaves a text alone while it knows no secret', () => {
    assert.equal(createRedactor().redact('password=hunter2'), 'password=hunter2');
  });

  it('replaces every occurrence of every secret', () => {
    const redactor = redactorOf('hunter2', 'k-123456');
    assert.equal(redactor.redact('hunter2, k-123456 and hunter2'), '***, *** and ***');
  });

  it('goes on knowing earlier secrets when more are added', () => {
    const redactor = redactorOf('hunter2');
    redactor.add(['k-123456']);
    assert.equal(redactor.redact('hunter2 k-123456'), '*** ***');
  });

  it('leaves nothing of the longer secret where one begins with another', () => {
    assert.equal(redactorOf('pass', 'password1').redact('x password1 x pass x'), 'x *** x *** x');
  });

  it('does not replace secrets of less than four characters', () => {
    assert.equal(redactorOf('', 'a', 'the').redact('the cat sat'), 'the cat sat');
  });

  it('takes a secret for what it is, not for a pattern', () => {
    assert.equal(redactorOf('a.c*(d').redact('abcc(d a.c*(d'), 'abcc(d ***');
  });

  it('replaces a secret that ends in a line break where it is printed without', () => {
    assert.equal(redactorOf('hunter2\r\n').redact('got hunter2.'), 'got ***.');
  });

  const secret = 'p@ss "w/ö+rd\\1\'!';
  const inUrl = encodeURIComponent(secret);
  const written: [how: string, text: string, redacted: string][] = [
    ['as JSON', JSON.stringify({ key: secret }), '{"key":"***"}'],
    ['as JSON in JSON', JSON.stringify({ body: JSON.stringify({ key: secret }) }), '{"body":"{\\"key\\":\\"***\\"}"}'],
    ['as a URL component', `?key=${inUrl}&x=1`, '?key=***&x=1'],
    ['in a URL with lower-case hex', `?key=${inUrl.replace(/%../g, (hex) => hex.toLowerCase())}`, '?key=***'],
    ['in a form', new URLSearchParams({ key: secret, x: '1' }).toString(), 'key=***&x=1'],
    ['in Base64', `"${Buffer.from(secret).toString('base64')}"`, '"***"'],
    ['in Base64url', `"${Buffer.from(secret).toString('base64url')}"`, '"***"'],
    ['in a Basic header', `Basic ${Buffer.from(`tamhr:${secret}`).toString('base64')}`, 'Basic dGFtaHI***'],
  ];
  for (const [how, text, redacted] of written) {
    it(`replaces a secret written ${how}`, () => {
      assert.equal(redactorOf(secret).redact(text), redacted);
    });
  }

  it('replaces a secret in Base64 wherever it stands among other bytes', () => {
    const anyBytes = fc.uint8Array({ maxLength: 12 });
    fc.assert(
      fc.property(fc.string({ minLength: 8, maxLength: 40 }), anyBytes, anyBytes, (secret, before, after) => {
        fc.pre(secret.trim().length >= 8);
        const encoded = Buffer.concat([before, Buffer.from(secret), after]).toString('base64');
        const redacted = redactorOf(secret).redact(encoded);
        assert.match(redacted, /\*\*\*/);
        // What is left is no more than the Base64 of the bytes around it.
        const left = redacted.replaceAll('***', '').length;
        assert.ok(left <= Math.ceil((before.length * 8) / 6) + Math.ceil((after.length * 8) / 6) + 2, redacted);
      }),
    );
  });

  it('leaves no secret in any text that holds it', () => {
    const anySecret = fc.string({ minLength: 4, maxLength: 20 }).filter((text) => !text.includes('*'));
    fc.assert(
      fc.property(fc.array(anySecret, { minLength: 1, maxLength: 5 }), fc.string(), (secrets, glue) => {
        const redacted = redactorOf(...secrets).redact(secrets.join(glue));
        for (const secret of secrets) assert.ok(!redacted.includes(secret), `${secret} in ${redacted}`);
      }),
    );
  });

  it('a secret of any length is replaced, wherever it stands', () => {
    for (const length of [600, 10_000, 300_000]) {
      const secret = Array.from({ length: length / 10 }, (_, index) => `s${index}.+`.padEnd(10, 'ü')).join('');
      const redactor = createRedactor();
      redactor.add([secret, 'short-secret']);
      const redacted = redactor.redact(`before ${secret} between short-secret after`);
      assert.match(redacted, /^before (\*\*\*)+ between \*\*\* after$/);
    }
  });
});
