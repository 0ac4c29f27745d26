import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answerText } from '../../src/http/answer-text.ts';

describe('answerText', () => {
  const cases: [what: string, contentType: string, body: string, text: string][] = [
    [
      'title and detail of a problem',
      'application/problem+json',
      '{"type":"about:blank","title":"Rows refused","status":422,"detail":"2 of 3 rows refused"}',
      'Rows refused; 2 of 3 rows refused',
    ],
    [
      "ASP.NET's validation errors",
      'application/problem+json',
      '{"title":"One or more validation errors occurred.","errors":{"[5].Email":["is required","is too long"]}}',
      'One or more validation errors occurred.; [5].Email: is required; [5].Email: is too long',
    ],
    [
      "ASP.NET's older errors",
      'application/json',
      '{"Message":"An error has occurred.","ExceptionMessage":"No such table","StackTrace":"at Import.Run()"}',
      'An error has occurred.; No such table',
    ],
    ['a message', 'application/json', '{"message":"too many rows","code":17}', 'too many rows'],
    ['an error text', 'application/json', '{"error":"bad key"}', 'bad key'],
    [
      'an error object',
      'application/json',
      '{"error":{"code":"E1","message":"bad key"}}',
      'code: E1; message: bad key',
    ],
    ['the same words once', 'application/json', '{"title":"No","detail":"No","errors":[]}', 'No'],
    [
      'JSON without known members',
      'application/json',
      '{"ok":false,"rows":[{"row":3,"why":"x"}]}',
      'ok: false; row: 3; why: x',
    ],
    ['a JSON string', 'application/json', '"no  such\\nentity"', 'no such entity'],
    ['JSON that is called text', 'text/plain', '{"message":"too many rows"}', 'too many rows'],
    ['JSON of no type, with a byte order mark', '', '\ufeff{"message":"too many rows"}', 'too many rows'],
    ['broken JSON as it is', 'application/json', '{"message": "brok', '{"message": "brok'],
    [
      "a page's title",
      'text/html; charset=utf-8',
      '<html><head><title>\n IIS &amp; &quot;Co&quot; </title></head><body>secret stack</body></html>',
      'IIS & "Co"',
    ],
    ['nothing of a page without a title', 'text/html', '<h1>Sorry</h1>', ''],
    ['a page that is called JSON', 'application/json', '<!DOCTYPE html><title>Log in</title>', 'Log in'],
    ['the text of XML', 'text/xml', '<Fault><faultcode>1</faultcode>\n<faultstring>No</faultstring></Fault>', '1 No'],
    ['plain text on one line', 'text/plain', ' row 3:\r\n\tbad \u001b[31memail ', 'row 3: bad [31memail'],
    ['nothing of what is no text', 'application/octet-stream', 'PK\u0003\u0004', ''],
    ['nothing of an empty body', 'application/json', '', ''],
    ['nothing of null', 'application/json', 'null', ''],
  ];
  for (const [what, contentType, body, text] of cases) {
    it(`finds ${what}`, () => {
      assert.equal(answerText(contentType, body), text);
    });
  }

  it('gives up on JSON that is nested without end, and is quick with hostile bodies', () => {
    const size = 1024 * 1024;
    const begun = performance.now();
    assert.equal(answerText('application/json', '['.repeat(size / 2) + ']'.repeat(size / 2)), '');
    assert.equal(answerText('text/html', '<title>'.repeat(size / 7)), '');
    answerText('text/xml', '<'.repeat(size));
    assert.ok(performance.now() - begun < 2000);
  });
});
