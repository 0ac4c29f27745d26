import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { sendEmail } from '../../src/smtp/email.ts';
import type { EmailNotification } from '../../src/sync/notification.ts';
import { type SmtpInbox, type SmtpOptions, startSmtpInbox } from '../support/inbox.ts';

const pem = (name: string) => readFileSync(new URL(`../http/tls/${name}.pem`, import.meta.url), 'utf8');
const IDENTITY = { key: pem('server.key'), cert: pem('valid') };
const NEVER = new AbortController().signal;

async function inboxOf(t: TestContext, options?: SmtpOptions): Promise<SmtpInbox> {
  const inbox = await startSmtpInbox(options);
  t.after(() => inbox.close());
  return inbox;
}

function send({ port }: { port: number }, changes: Partial<EmailNotification> = {}, signal = NEVER) {
  const notification: EmailNotification = {
    type: 'email',
    on: 'failure',
    timeoutMs: 5000,
    host: '127.0.0.1',
    port,
    encryption: 'none',
    from: 'HR sync <sync@example.com>',
    to: ['one@example.com', 'Two <two@example.com>'],
    ...changes,
  };
  return sendEmail(notification, { subject: 'exit code 1', text: 'Größe: 12\n.\nend\n' }, signal);
}

describe('an e-mail', () => {
  it('goes to all recipients, marked as sent by a machine', async (t) => {
    const inbox = await inboxOf(t);
    assert.equal(await send(inbox), undefined);
    const [mail, ...others] = inbox.received;
    assert.equal(others.length, 0);
    assert.deepEqual(
      [mail?.from, mail?.to, mail?.encrypted],
      ['sync@example.com', ['one@example.com', 'two@example.com'], false],
    );
    assert.match(mail?.data ?? '', /^Subject: exit code 1$/m);
    assert.match(mail?.data ?? '', /^From: HR sync <sync@example\.com>$/m);
    assert.match(mail?.data ?? '', /^Auto-Submitted: auto-generated$/m);
    assert.match(mail?.data ?? '', /Gr=C3=B6=C3=9Fe: 12|R3L2/);
  });

  it('with starttls goes through TLS, the login too, and only with a certificate that is trusted', async (t) => {
    const inbox = await inboxOf(t, { identity: IDENTITY });
    const login = { user: 'sync', password: 'S3cret-of-mail' };
    assert.match((await send(inbox, { encryption: 'starttls', login })) ?? '', /certificate/);
    assert.equal(inbox.received.length, 0);
    assert.equal(await send(inbox, { encryption: 'starttls', login, tls: { ca: pem('ca') } }), undefined);
    assert.deepEqual(
      inbox.received.map(({ encrypted, login }) => [encrypted, login]),
      [[true, 'sync:S3cret-of-mail']],
    );
  });

  it('with starttls is not sent where the server has no TLS', async (t) => {
    const inbox = await inboxOf(t);
    assert.match((await send(inbox, { encryption: 'starttls' })) ?? '', /^there is no TLS with 127\.0\.0\.1:/);
    assert.equal(inbox.received.length, 0);
  });

  it('with tls speaks TLS from the first byte', async (t) => {
    const inbox = await inboxOf(t, { identity: IDENTITY, implicit: true });
    assert.equal(await send(inbox, { encryption: 'tls', tls: { ca: pem('ca') } }), undefined);
    assert.equal(inbox.received[0]?.encrypted, true);
  });

  it('says what the server refused, and quotes it', async (t) => {
    const login = { user: 'sync', password: 'S3cret-of-mail' };
    const unknown = await inboxOf(t, { answers: { AUTH: '535 5.7.8 bad credentials' } });
    assert.equal(
      await send(unknown, { login }),
      `127.0.0.1:${unknown.port} refused the login: 535 5.7.8 bad credentials`,
    );
    const strict = await inboxOf(t, { answers: { MAIL: '550 no relaying' } });
    assert.match((await send(strict)) ?? '', /refused the sender or all recipients: 550 no relaying$/);
    const full = await inboxOf(t, { answers: { '.': '552 too much mail' } });
    assert.match((await send(full)) ?? '', /refused the message: 552 too much mail$/);
  });

  it('ends at its time limit, and when it is cut off', async (t) => {
    for (const word of ['GREETING', 'EHLO', '.']) {
      const inbox = await inboxOf(t, { answers: { [word]: 'hang' } });
      assert.equal(await send(inbox, { timeoutMs: 200 }), `127.0.0.1:${inbox.port} did not take it within 0.2 s`);
    }
    const inbox = await inboxOf(t, { answers: { GREETING: 'hang' } });
    const aborted = AbortSignal.abort('SIGTERM');
    assert.equal(await send(inbox, {}, aborted), `cut off before 127.0.0.1:${inbox.port} had taken it`);
  });

  it('says that nobody listens', async () => {
    assert.equal(await send({ port: 1 }), '127.0.0.1:1 refused the connection');
  });
});
