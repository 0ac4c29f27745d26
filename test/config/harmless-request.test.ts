import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '../../src/config/config.ts';
import { effectiveConfig } from '../../src/config/print.ts';
import { validate } from '../../src/config/validate.ts';
import { directoryWith, ENV, entity, load, problemsOf, smallConfig } from './fixture.ts';

describe('the harmless request of a destination', () => {
  it('follows baseUrl, is a GET unless it says otherwise, and comes from the top-level destination', async (t) => {
    const tree = smallConfig();
    tree.destination.check = { url: '/health' };
    const own = {
      url: '/other',
      baseUrl: 'https://api.example/v2',
      check: { url: 'ping', method: 'HEAD', status: 204 },
    };
    tree.entities.push(entity({ name: 'Other', destination: own }));
    const config = await load(t, tree);
    assert.deepEqual(
      config.entities.map(({ destination }) => destination.check),
      [
        { url: 'https://api.example/v1/health', method: 'GET' },
        { url: 'https://api.example/v2/ping', method: 'HEAD', status: 204 },
      ],
    );
    assert.deepEqual(
      validate(effectiveConfig(config), () => true),
      [],
    );
  });

  it('is not shared with a destination on another server, which has its own credentials', async (t) => {
    const tree = smallConfig();
    tree.destination.check = { url: '/health' };
    tree.entities.push(entity({ name: 'Other', destination: { url: 'https://other.example/rows' } }));
    const { entities } = await load(t, tree);
    assert.equal(entities[1]?.destination.check, undefined);
  });

  it('is refused where it leads elsewhere, has a key in it, is not encrypted or would change something', async (t) => {
    const checks = [
      { url: 'https://other.example/health' },
      { url: '/health/{key}' },
      { url: 'http://api.example/health' },
      { url: '/health', method: 'POST' },
      { url: '/health', status: 99 },
      { url: '/health', body: {} },
    ];
    const problems: string[] = [];
    for (const check of checks) {
      const tree = smallConfig();
      tree.entities = [entity({ destination: { url: '/users', check } })];
      problems.push(...(await problemsOf(t, tree)));
    }
    const path = 'entities[0].destination.check';
    const expected = [
      [`${path}.url`, /another server/],
      [`${path}.url`, /\{key\}/],
      [`${path}.url`, /found http:\/\/ to another machine/],
      [`${path}.url`, /another server/],
      [`${path}.method`, /expected "GET", "HEAD" or "OPTIONS"/],
      [`${path}.status`, /found 99, expected a whole number from 200 to 599/],
      [`${path}.body`, /unknown key/],
    ] as const;
    assert.equal(problems.length, expected.length, problems.join('\n'));
    for (const [index, [place, text]] of expected.entries()) {
      assert.ok(problems[index]?.startsWith(`${place}: `), problems[index]);
      assert.match(problems[index] ?? '', text);
    }
  });

  it('at the top level is checked once, also where no entity takes it', async (t) => {
    const tree = smallConfig();
    tree.destination.check = { url: 'ftp://api.example/health' };
    assert.deepEqual(await problemsOf(t, tree), [
      'destination.check.url: found no URL, expected http://… or https://…',
    ]);
  });

  it('keeps what stands in its query and may be a secret among the secrets', async (t) => {
    const tree = smallConfig();
    tree.destination.check = { url: '/health?api_key=only-here-77' };
    assert.ok((await load(t, tree)).secrets.includes('only-here-77'));
  });
});

it('a configuration names its references once each, its file of secrets, and its warnings about files', async (t) => {
  const tree = smallConfig();
  tree.connections.second = 'Server=b.example;Database=B;User ID=u;Password=${env:DB_PASSWORD}';
  const cwd = await directoryWith(t, { 'sync.config.json': JSON.stringify(tree), '.env': 'DB_PASSWORD=x-1\n' });
  const config = await loadConfig({ cwd, env: ENV, secretsFile: '.env' });
  assert.deepEqual(config.references, ['${env:DB_PASSWORD}']);
  assert.equal(config.secretsFile, `${cwd}/.env`);
  assert.deepEqual(config.fileWarnings, []);
});
