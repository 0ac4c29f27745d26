import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadConfig } from '../../src/config/config.ts';
import { directoryWith, ENV, entity, load, problemsOf, smallConfig } from './fixture.ts';

/** Two entities on https and http, and one on this machine. */
function tree(destination: Record<string, unknown> = {}) {
  return {
    ...smallConfig(),
    destination: { allowInsecure: true, ...destination },
    entities: [
      entity({ name: 'Secure', destination: { url: 'https://api.example/a' } }),
      entity({ name: 'Plain', destination: { url: 'http://api.example/b' } }),
      entity({ name: 'Local', destination: { url: 'http://127.0.0.1:8080/c' } }),
    ],
  };
}

const urls = ({ entities }: Awaited<ReturnType<typeof load>>) =>
  entities.map(({ destination }) => destination.proxy?.url);

describe("a destination's proxy", () => {
  const environments: [what: string, env: Record<string, string>, expected: (string | undefined)[]][] = [
    ['none where nothing says one', {}, [undefined, undefined, undefined]],
    ['HTTPS_PROXY for https', { HTTPS_PROXY: 'http://s:1' }, ['http://s:1/', undefined, undefined]],
    ['HTTP_PROXY for http', { HTTP_PROXY: 'http://p:1' }, [undefined, 'http://p:1/', undefined]],
    [
      'the lower-case name first',
      { HTTPS_PROXY: 'http://s:1', https_proxy: 'http://s:2', HTTP_PROXY: 'http://p:1', http_proxy: 'http://p:2' },
      ['http://s:2/', 'http://p:2/', undefined],
    ],
    [
      'a host and port without scheme',
      { HTTPS_PROXY: 'proxy.example:3128' },
      ['http://proxy.example:3128/', undefined, undefined],
    ],
    ['none where the variable is empty', { HTTPS_PROXY: '', https_proxy: '' }, [undefined, undefined, undefined]],
  ];
  for (const [what, env, expected] of environments) {
    test(`is ${what}`, async (t) => {
      assert.deepEqual(urls(await load(t, tree(), { env })), expected);
    });
  }

  test('is what the configuration says, before the environment and for this machine too', async (t) => {
    const env = { HTTPS_PROXY: 'http://s:1', HTTP_PROXY: 'http://p:1' };
    const proxy = 'https://proxy.example:3128';
    assert.deepEqual(urls(await load(t, tree({ proxy }), { env })), Array(3).fill(`${proxy}/`));
    assert.deepEqual(urls(await load(t, tree({ proxy: '' }), { env })), Array(3).fill(undefined));
  });

  test('is left out for the hosts of NO_PROXY, which noProxy replaces', async (t) => {
    const noProxy = async (env: Record<string, string>, own = {}) =>
      (await load(t, tree({ proxy: 'http://p:1', ...own }), { env })).entities[0]?.destination.proxy?.noProxy;
    assert.equal(await noProxy({}), '');
    assert.equal(await noProxy({ NO_PROXY: 'a,b' }), 'a,b');
    assert.equal(await noProxy({ NO_PROXY: 'a,b', no_proxy: 'c' }), 'c');
    assert.equal(await noProxy({ NO_PROXY: 'a,b' }, { noProxy: '' }), '');
    assert.equal(await noProxy({ NO_PROXY: 'a,b' }, { noProxy: 'd' }), 'd');
  });

  test('comes from the secrets file too, for a scheduler without environment', async (t) => {
    const cwd = await directoryWith(t, {
      'sync.config.json': JSON.stringify(tree()),
      '.env': 'HTTPS_PROXY=http://s:1\nNO_PROXY=x\n',
    });
    const config = await loadConfig({ cwd, env: ENV, secretsFile: '.env' });
    assert.deepEqual(config.entities[0]?.destination.proxy, { url: 'http://s:1/', noProxy: 'x' });
  });

  test('of the environment is told where it is none, and how to do without it', async (t) => {
    assert.deepEqual(await problemsOf(t, tree(), { env: { HTTPS_PROXY: 'socks5://u:hunter2@proxy:1080' } }), [
      'destination.proxy: HTTPS_PROXY of the environment is no URL of a proxy, expected http://host:port or https://host:port, with user:password@ before the host where it asks for them; "proxy": "" uses none',
    ]);
    assert.deepEqual(urls(await load(t, tree({ proxy: '' }), { env: { HTTPS_PROXY: 'socks5://proxy' } })), [
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('has a password that redaction knows, as it is and as the URL writes it; its host is no secret', async (t) => {
    const { secrets } = await load(t, tree({ proxy: '${env:PROXY}' }), {
      env: { PROXY: 'http://proxy.example:3128' },
    });
    assert.deepEqual(secrets, ['db-password-1']);
    const withLogin = await load(t, tree(), { env: { HTTPS_PROXY: 'http://sync:p%40ss-word@proxy.example:3128' } });
    assert.deepEqual([...withLogin.secrets].sort(), ['db-password-1', 'p%40ss-word', 'p@ss-word']);
  });
});

test('plain HTTP to another machine, where it is allowed, gives a warning', async (t) => {
  assert.deepEqual((await load(t, tree())).warnings, ['entity Plain: sent without TLS (allowInsecure)']);
});
