import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { type NotificationRequest, sendNotification } from '../../src/http/notification.ts';
import { type HttpInbox, type Identity, startHttpInbox } from '../support/inbox.ts';
import { startProxy } from '../support/proxy.ts';

const pem = (name: string) => readFileSync(new URL(`tls/${name}.pem`, import.meta.url), 'utf8');
const NEVER = new AbortController().signal;
const TOKEN = 'T0KEN-OF-THE-WEBHOOK';

async function inboxOf(t: TestContext, identity?: Identity): Promise<HttpInbox> {
  const inbox = await startHttpInbox(identity);
  t.after(() => inbox.close());
  return inbox;
}

function send(url: string, changes: Partial<NotificationRequest> = {}, signal = NEVER): Promise<string | undefined> {
  const request = { url: new URL(url), type: 'application/json' as const, body: '{"text":"Größe"}', timeoutMs: 5000 };
  return sendNotification({ ...request, ...changes }, { version: '1.2.3', signal, redact: (text) => text });
}

describe('a notification by HTTP', () => {
  it('is one POST with its body, and any 2xx is success', async (t) => {
    const inbox = await inboxOf(t);
    for (const status of [200, 202, 204]) {
      inbox.answer(() => ({ status }));
      assert.equal(await send(`${inbox.url}/services/${TOKEN}?a=b`), undefined);
    }
    const [first, ...others] = inbox.received;
    assert.equal(others.length, 2);
    assert.deepEqual([first?.method, first?.url, first?.body], ['POST', `/services/${TOKEN}?a=b`, '{"text":"Größe"}']);
    assert.equal(first?.headers['content-type'], 'application/json');
    assert.equal(first?.headers['user-agent'], 'tamhr-sync/1.2.3');
  });

  it('that is refused says the status and what the answer says, and of the URL the host alone', async (t) => {
    const inbox = await inboxOf(t);
    const { host } = new URL(inbox.url);
    inbox.answer(() => ({ status: 403, text: 'invalid_token' }));
    assert.equal(await send(`${inbox.url}/${TOKEN}`), `${host} answered HTTP 403 Forbidden: invalid_token`);
    inbox.answer(() => ({ status: 500, text: 'x'.repeat(100_000) }));
    const long = await send(`${inbox.url}/${TOKEN}`);
    assert.match(long ?? '', /HTTP 500/);
    assert.ok((long?.length ?? 0) < 300);
  });

  it('follows no redirect', async (t) => {
    const inbox = await inboxOf(t);
    inbox.answer(() => ({ status: 302, location: `${inbox.url}/elsewhere` }));
    assert.match((await send(inbox.url)) ?? '', /HTTP 302/);
    assert.equal(inbox.received.length, 1);
  });

  it('ends at its time limit, and when it is cut off', async (t) => {
    const inbox = await inboxOf(t);
    const { host } = new URL(inbox.url);
    inbox.answer(() => 'hang');
    assert.equal(
      await send(`${inbox.url}/${TOKEN}`, { timeoutMs: 100 }),
      `no complete answer from ${host} within 0.1 s`,
    );
    const cut = new AbortController();
    inbox.answer(() => {
      cut.abort('SIGTERM');
      return 'hang';
    });
    assert.equal(await send(inbox.url, {}, cut.signal), `cut off before ${host} had answered`);
  });

  it('says why there is no connection, without the URL', async () => {
    const why = await send(`http://127.0.0.1:1/${TOKEN}`);
    assert.equal(why, '127.0.0.1:1 refused the connection');
  });

  it('verifies the certificate, with an authority of its own where tls names one', async (t) => {
    const inbox = await inboxOf(t, { key: pem('server.key'), cert: pem('valid') });
    assert.match((await send(inbox.url)) ?? '', /is not trusted .*tls\.ca can name a file/);
    assert.equal(await send(inbox.url, { tls: { ca: pem('ca') } }), undefined);
    assert.equal(inbox.received.length, 1);
  });

  it('goes through the proxy', async (t) => {
    const inbox = await inboxOf(t);
    const proxy = await startProxy();
    t.after(() => proxy.close());
    assert.equal(await send(`${inbox.url}/hook`, { proxy: { url: proxy.url, noProxy: '' } }), undefined);
    assert.deepEqual(proxy.requests, [`POST ${inbox.url}/hook`]);
    assert.equal(inbox.received.length, 1);
  });
});
