/** Tells people why no complete answer came. */

/** `HOST` becomes the destination's host. Node: https://nodejs.org/api/errors.html#common-system-errors */
const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'HOST refused the connection',
  ENOTFOUND: 'the host name in HOST is unknown',
  EAI_AGAIN: 'the host name in HOST could not be looked up (name server not reached)',
  EHOSTUNREACH: 'there is no route to HOST',
  ENETUNREACH: 'there is no route to HOST',
  ETIMEDOUT: 'HOST could not be reached in time',
  ECONNRESET: 'HOST closed the connection before its answer was complete',
  EPIPE: 'HOST closed the connection before its answer was complete',
};

/** https://undici.nodejs.org/#/docs/api/Errors, and the codes of answer-body.ts */
const UNDICI: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'HOST could not be reached in time',
  UND_ERR_SOCKET: 'HOST closed the connection before its answer was complete',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'HOST closed the connection before its answer was complete',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'the answer of HOST is too large',
  ANSWER_TOO_LARGE: 'the answer of HOST is too large',
  ANSWER_NOT_DECODED: 'the answer of HOST is not in the Content-Encoding that it names, or in none that is known here',
  UND_ERR_HEADERS_OVERFLOW: 'the answer of HOST has too large headers',
};

/** https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const CERTIFICATE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
  CERT_REVOKED: 'was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another host name',
  HOSTNAME_MISMATCH: 'is for another host name',
  ...Object.fromEntries(
    [
      'CERT_UNTRUSTED',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_GET_ISSUER_CERT',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ].map((code) => [
      code,
      'is not trusted (its issuer is unknown here; tls.ca of the destination can name a file with it)',
    ]),
  ),
};

/**
 * What the other side says of the client certificate when it ends the handshake. OpenSSL's names of these alerts differ in
 * their first words between its versions. https://www.rfc-editor.org/rfc/rfc8446#section-6.2
 */
const CLIENT_CERTIFICATE: readonly (readonly [alert: RegExp, text: string])[] = [
  [/ALERT_CERTIFICATE_REQUIRED$/, 'HOST asks for a client certificate (tls.cert and tls.key of the destination)'],
  [/ALERT_UNKNOWN_CA$/, 'HOST does not trust the client certificate (its issuer is unknown there)'],
  [/ALERT_CERTIFICATE_EXPIRED$/, 'HOST refuses the client certificate: it has expired'],
  [/ALERT_CERTIFICATE_REVOKED$/, 'HOST refuses the client certificate: it was revoked'],
  [/ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_UNKNOWN)$/, 'HOST refuses the client certificate'],
  [
    /ALERT_HANDSHAKE_FAILURE$/,
    'HOST ended the TLS handshake; it may ask for a client certificate (tls.cert and tls.key of the destination)',
  ],
];

/**
 * What went wrong with a request to `host` (with its port), perhaps through the proxy of that host, as a phrase: what undici
 * or Node threw, whatever it is. The answer may hold the error's own message, which is not redacted.
 */
export function describeNetworkError(error: unknown, host: string, proxy?: string): string {
  const { name, code, message, cause } = parts(error);
  if (code.startsWith('UND_ERR_PRX')) {
    const isOwn = parts(cause).code.startsWith('UND_ERR_PRX');
    return describeNetworkError(cause, isOwn ? host : `the proxy ${proxy}`, proxy);
  }
  const [, status] = PROXY_STATUS.exec(message) ?? [];
  if (status === '407') {
    return `the proxy ${proxy} asks for another login (HTTP 407); user and password stand in its URL`;
  }
  if (status !== undefined) return `the proxy ${proxy} opened no connection with ${host} (HTTP ${status})`;
  // Of the request for a tunnel; for the one that follows see isAnswerTimeout.
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return `the proxy ${proxy} opened no connection with ${host} in time`;
  const known = NETWORK[code] ?? UNDICI[code] ?? CLIENT_CERTIFICATE.find(([alert]) => alert.test(code))?.[1];
  if (known !== undefined) return known.replace('HOST', host);
  if (code in CERTIFICATE) return `the TLS certificate of ${host} ${CERTIFICATE[code]}`;
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return `no TLS connection with ${host} (${code}); it may not speak HTTPS on this port`;
  }
  // undici asserts what it expects of a status line (status 000, an unasked-for 101).
  if (name === 'HTTPParserError' || code === 'ERR_ASSERTION') return `${host} answered something that is not HTTP`;
  return `the request to ${host} failed: ${message}`;
}

/** Whether undici's own timeouts ended a request that was sent already: the answer, or the rest of it, did not come. */
export function isAnswerTimeout(error: unknown): boolean {
  return /^UND_ERR_(HEADERS|BODY)_TIMEOUT$/.test(parts(error).code);
}

/** How undici tells that a proxy opened no tunnel, or did not forward: it has no other sign of it. */
const PROXY_STATUS = /^(?:Proxy response|Proxy Authentication Required) \((\d+)\)/;

function parts(error: unknown): { name: string; code: string; message: string; cause: unknown } {
  if (!(error instanceof Error)) return { name: '', code: '', message: String(error), cause: undefined };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { name: error.name, code, message: error.message, cause: error.cause };
}
