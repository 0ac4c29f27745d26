import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeNetworkError } from '../../src/http/network-error.ts';

const withCode = (code: string, message = '') => Object.assign(new Error(message), { code });

describe('describeNetworkError', () => {
  // What no test server can be made to do here; the other errors are provoked in the tests of destination and dispatcher.
  const refusals: [alert: string, text: string][] = [
    [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'api:1 asks for a client certificate (tls.cert and tls.key of the destination)',
    ],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'api:1 does not trust the client certificate (its issuer is unknown there)'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'api:1 refuses the client certificate: it has expired'],
    ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', 'api:1 refuses the client certificate: it has expired'],
    ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_REVOKED', 'api:1 refuses the client certificate: it was revoked'],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'api:1 refuses the client certificate'],
    [
      'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
      'api:1 ended the TLS handshake; it may ask for a client certificate (tls.cert and tls.key of the destination)',
    ],
  ];
  for (const [alert, text] of refusals) {
    it(`tells the alert ${alert}`, () => {
      assert.equal(describeNetworkError(withCode(alert), 'api:1'), text);
    });
  }

  it('tells of certificates that are not valid yet or revoked', () => {
    assert.equal(
      describeNetworkError(withCode('CERT_NOT_YET_VALID'), 'api:1'),
      'the TLS certificate of api:1 is not valid yet',
    );
    assert.equal(describeNetworkError(withCode('CERT_REVOKED'), 'api:1'), 'the TLS certificate of api:1 was revoked');
  });

  it('tells of a proxy that opens no tunnel in time', () => {
    assert.equal(
      describeNetworkError(withCode('UND_ERR_HEADERS_TIMEOUT'), 'api:1', 'proxy:2'),
      'the proxy proxy:2 opened no connection with api:1 in time',
    );
  });

  it('tells what is no Error', () => {
    assert.equal(describeNetworkError('x', 'api:1'), 'the request to api:1 failed: x');
  });
});

it('tells of an answer that undici did not expect in one line', () => {
  const error = Object.assign(new Error('falsy:\n\n  assert(statusCode >= 100)\n'), { code: 'ERR_ASSERTION' });
  assert.equal(describeNetworkError(error, 'h:1'), 'h:1 answered something that is not HTTP');
});
