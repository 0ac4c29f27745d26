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

/** https://undici.nodejs.org/#/docs/api/Errors */
const UNDICI: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'HOST could not be reached in time',
  UND_ERR_SOCKET: 'HOST closed the connection before its answer was complete',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'HOST closed the connection before its answer was complete',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'the answer of HOST is too large',
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
    ].map((code) => [code, 'is not trusted (its issuer is unknown here; NODE_EXTRA_CA_CERTS can name a file with it)']),
  ),
};

/**
 * What went wrong with a request to `host` (with its port), as a phrase: what undici or Node threw, whatever it is.
 * The answer may hold the error's own message, which is not redacted.
 */
export function describeNetworkError(error: unknown, host: string): string {
  const { name, code, message } = parts(error);
  const known = NETWORK[code] ?? UNDICI[code];
  if (known !== undefined) return known.replace('HOST', host);
  if (code in CERTIFICATE) return `the TLS certificate of ${host} ${CERTIFICATE[code]}`;
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return `no TLS connection with ${host} (${code}); it may not speak HTTPS on this port`;
  }
  if (name === 'HTTPParserError') return `${host} answered something that is not HTTP`;
  return `the request to ${host} failed: ${message}`;
}

function parts(error: unknown): { name: string; code: string; message: string } {
  if (!(error instanceof Error)) return { name: '', code: '', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { name: error.name, code, message: error.message };
}
