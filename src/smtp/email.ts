/** Sends one notification by e-mail. The only home of nodemailer; import this file lazily. */
import { createTransport } from 'nodemailer';
import type { EmailNotification } from '../sync/notification.ts';

/** How much later than the deadline nodemailer ends it: only should that ever fail to. */
const SECOND_DEADLINE_MS = 1000;

/** A message of plain text. */
export interface Email {
  /** One line. */
  readonly subject: string;
  readonly text: string;
}

/** How long the server is given to close its end of a connection that is not needed any more. */
const CLOSE_MS = 500;

/**
 * Sends it once, within `timeoutMs`, or until `signal` aborts. Undefined where the server has taken it for all recipients; else a
 * phrase that says why not, which names the server and may quote it, and is not redacted.
 */
export async function sendEmail(
  { host, port, encryption, login, from, to, timeoutMs, tls }: EmailNotification,
  { subject, text }: Email,
  signal: AbortSignal,
): Promise<string | undefined> {
  const server = `${host}:${port}`;
  const deadline = AbortSignal.timeout(timeoutMs);
  const atLastMs = timeoutMs + SECOND_DEADLINE_MS;
  const transport = createTransport({
    host,
    port,
    secure: encryption === 'tls',
    requireTLS: encryption === 'starttls',
    ignoreTLS: encryption === 'none',
    ...(login !== undefined && { auth: { user: login.user, pass: login.password } }),
    tls: { ...tls },
    connectionTimeout: atLastMs,
    greetingTimeout: atLastMs,
    socketTimeout: atLastMs,
    dnsTimeout: atLastMs,
    socketCloseTimeout: CLOSE_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const { rejected } = await transport.sendMail({
      from,
      to: [...to],
      subject,
      text,
      // So that no one's out-of-office reply answers: https://www.rfc-editor.org/rfc/rfc3834#section-5
      headers: { 'Auto-Submitted': 'auto-generated' },
      signal: AbortSignal.any([signal, deadline]),
    });
    return rejected.length === 0 ? undefined : `${server} refused ${rejected.length} of ${to.length} recipients`;
  } catch (error) {
    if (signal.aborted) return `cut off before ${server} had taken it`;
    if (deadline.aborted) return `${server} did not take it within ${timeoutMs / 1000} s`;
    return describeSmtpError(error, server);
  } finally {
    transport.close();
  }
}

/** nodemailer's codes: https://nodemailer.com/errors */
const CAUSES: Readonly<Record<string, string>> = {
  EAUTH: 'SERVER refused the login',
  ENOAUTH: 'SERVER refused the login',
  ETLS: 'there is no TLS with SERVER',
  EDNS: 'the host name in SERVER could not be looked up',
  ENOTFOUND: 'the host name in SERVER is unknown',
  ECONNREFUSED: 'SERVER refused the connection',
  ECONNECTION: 'SERVER closed the connection',
  ECONNRESET: 'SERVER closed the connection',
  ETIMEDOUT: 'SERVER could not be reached, or did not answer, in time',
  EENVELOPE: 'SERVER refused the sender or all recipients',
  EMESSAGE: 'SERVER refused the message',
  EPROTOCOL: 'SERVER gave an answer that is not expected of a mail server',
};

/** A server's answer is quoted up to here. */
const LONGEST_QUOTE = 200;

function describeSmtpError(error: unknown, server: string): string {
  const { code = '', message = String(error), response } = error as Error & { code?: string; response?: unknown };
  // ESOCKET stands for whatever the socket or TLS says; the system's own code is in the message.
  const known = CAUSES[code] ?? CAUSES[/\b(E[A-Z]{4,})\b/.exec(message)?.[1] ?? ''];
  const quote = typeof response === 'string' ? response.slice(0, LONGEST_QUOTE) : known === undefined ? message : '';
  const what = (known ?? 'sending through SERVER failed').replace('SERVER', server);
  return quote === '' ? what : `${what}: ${quote}`;
}
