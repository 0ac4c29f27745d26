import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { loadConfig } from '../../src/config/config.ts';
import { effectiveConfig } from '../../src/config/print.ts';
import { validate } from '../../src/config/validate.ts';
import { ENV as BASE, directoryWith, load, problemsOf, smallConfig } from './fixture.ts';

const HOOK = 'https://hooks.example/services/T000/B000/aVeryLongTokenOfTheHook';
const CHECK = 'https://hc.example/ping/0b8f6f5c-5d0e-4d1c-8b9a-5a1f2c3d4e5f';
const ENV = { HOOK, CHECK, MAIL_HOST: 'mail.example', MAIL_PASSWORD: 'mail-password-1' };

const WEBHOOK = { type: 'webhook', url: '${env:HOOK}' };
const PING = { type: 'ping', url: '${env:CHECK}' };
const EMAIL = { type: 'email', host: '${env:MAIL_HOST}', from: 'HR sync <sync@example.com>', to: 'it@example.com' };

const withNotifications = (...notifications: unknown[]) => ({ ...smallConfig(), notifications });

describe('notifications', () => {
  test('have defaults: failures only, but for pings; ten seconds; Slack; STARTTLS on port 587', async (t) => {
    const { notifications } = await load(t, withNotifications(WEBHOOK, PING, EMAIL), { env: ENV });
    assert.deepEqual(notifications, [
      { type: 'webhook', on: 'failure', timeoutMs: 10_000, url: HOOK, allowInsecure: false, format: 'slack' },
      { type: 'ping', on: 'always', timeoutMs: 10_000, url: CHECK, allowInsecure: false },
      {
        type: 'email',
        on: 'failure',
        timeoutMs: 10_000,
        host: 'mail.example',
        port: 587,
        encryption: 'starttls',
        from: 'HR sync <sync@example.com>',
        to: ['it@example.com'],
      },
    ]);
  });

  test('of the port the encryption decides, where it is not named', async (t) => {
    const mails = [{ encryption: 'tls' }, { encryption: 'none' }, { encryption: 'none', port: 2525 }];
    const tree = withNotifications(...mails.map((changes) => ({ ...EMAIL, ...changes })));
    const { notifications } = await load(t, tree, { env: ENV });
    assert.deepEqual(
      notifications.map((notification) => notification.type === 'email' && notification.port),
      [465, 25, 2525],
    );
  });

  test('reach their host through the proxy of the environment, unless they say otherwise', async (t) => {
    const tree = withNotifications(WEBHOOK, { ...WEBHOOK, proxy: '' });
    const { notifications } = await load(t, tree, { env: { ...ENV, HTTPS_PROXY: 'http://proxy.example:3128' } });
    assert.deepEqual(
      notifications.map((notification) => notification.type === 'webhook' && notification.proxy?.url),
      ['http://proxy.example:3128/', undefined],
    );
  });

  test('tell redaction the URL, its tokens and the password, and no host or address', async (t) => {
    const login = { user: 'sync', password: '${env:MAIL_PASSWORD}' };
    const { secrets } = await load(t, withNotifications(WEBHOOK, PING, { ...EMAIL, ...login }), { env: ENV });
    for (const secret of [HOOK, CHECK, 'aVeryLongTokenOfTheHook', new URL(CHECK).pathname, 'mail-password-1']) {
      assert.ok(secrets.includes(secret), secret);
    }
    for (const open of ['mail.example', 'hooks.example', 'sync', 'services', 'it@example.com']) {
      assert.ok(!secrets.includes(open), open);
    }
  });

  test('warn of secrets that stand in the file itself, where others can read it', async (t) => {
    const tree = withNotifications({ ...WEBHOOK, url: HOOK }, PING, { ...EMAIL, user: 'sync', password: 'clear-one' });
    const cwd = await directoryWith(t, { 'sync.config.json': JSON.stringify(tree) });
    await chmod(join(cwd, 'sync.config.json'), 0o644);
    const { warnings } = await loadConfig({ cwd, env: { ...BASE, ...ENV } });
    assert.match(warnings.join('\n'), /secrets in clear \(notifications\[0\]\.url, notifications\[2\]\.password\)/);
  });

  test('warn where everyone on the way can read them', async (t) => {
    const open = { type: 'ping', url: 'http://hc.example/x', allowInsecure: true };
    const mails = ['mail.example', '127.0.0.1'].map((host) => ({ ...EMAIL, host, encryption: 'none' }));
    const { warnings } = await load(t, withNotifications(WEBHOOK, open, ...mails), { env: ENV });
    assert.deepEqual(
      warnings.filter((warning) => warning.startsWith('notifications')),
      ['notifications[1] (ping): sent without TLS', 'notifications[2] (email): sent without TLS'],
    );
  });

  test('are printed without URL and password, in a form that the schema takes', async (t) => {
    const login = { user: 'sync', password: '${env:MAIL_PASSWORD}' };
    const printed = effectiveConfig(
      await load(t, withNotifications(WEBHOOK, PING, { ...EMAIL, ...login }), { env: ENV }),
    );
    const text = JSON.stringify(printed);
    assert.match(text, /"url":"https:\/\/hooks\.example\/\*\*\*"/);
    assert.doesNotMatch(text, /aVeryLongToken|0b8f6f5c|mail-password-1/);
    assert.deepEqual(
      validate(JSON.parse(text), () => true),
      [],
    );
  });

  test('name what is wrong with them', async (t) => {
    const tree = withNotifications(
      { type: 'sms', url: HOOK },
      { type: 'webhook', url: 'hooks.example/x' },
      { type: 'webhook', url: 'https://user:hook-password@hooks.example/x' },
      { type: 'ping', url: 'http://hc.example/x' },
      { type: 'webhook', url: HOOK, format: 'teem' },
      { ...EMAIL, from: 'nobody' },
      { ...EMAIL, to: ['it@example.com', 'two at example'] },
      { ...EMAIL, user: 'sync' },
      { ...EMAIL, encryption: 'none', user: 'sync', password: 'x' },
    );
    const problems = await problemsOf(t, tree, { env: ENV });
    assert.deepEqual(
      problems.map((line) => line.trim().replace(/ \(with .*$/, '')),
      [
        'notifications[0].type: found an unknown type, expected "webhook", "email" or "ping"',
        'notifications[4].format: found "teem", expected "slack", "teams" or "messageCard", did you mean "teams"?',
        'notifications[7].user: found without "password" beside it',
        'notifications[1].url: found no URL, expected http://… or https://…',
        'notifications[2].url: found credentials in the URL, which are not sent',
        'notifications[3].url: found http:// to another machine, where everyone on the way reads the message, expected https:// (or "allowInsecure": true beside it)',
        'notifications[5].from: found no e-mail address, expected name@example.com or Name <name@example.com>',
        'notifications[6].to[1]: found no e-mail address, expected name@example.com or Name <name@example.com>',
        'notifications[8].encryption: found "none" with a login, where everyone on the way reads the password, expected "starttls" or "tls"',
      ],
    );
    assert.doesNotMatch(problems.join('\n'), /hook-password/);
  });
});

describe('metrics', () => {
  test('go to a file beside the configuration, whose name ends with .prom', async (t) => {
    const { metrics, file } = await load(t, { ...smallConfig(), metrics: { file: 'out/tamhr_sync.prom' } });
    assert.equal(metrics?.file, join(dirname(file), 'out', 'tamhr_sync.prom'));
    assert.deepEqual(await problemsOf(t, { ...smallConfig(), metrics: { file: 'tamhr_sync.txt' } }), [
      'metrics.file: found "tamhr_sync.txt", expected a file name that ends with .prom',
    ]);
  });
});
