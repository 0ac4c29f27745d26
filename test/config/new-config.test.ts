import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import {
  type Answers,
  commonBase,
  configText,
  newConfig,
  shippedConfig,
  shippedFile,
} from '../../src/config/new-config.ts';

const shipped = await shippedConfig();
const NAMES = shipped.entities.map(({ name }) => name);

const ANSWERS: Answers = {
  connections: { default: 'Server=a', ess: 'Server=b', log: 'Server=c' },
  apiUrl: 'https://api.example.com',
  endpoints: new Map(),
  auth: { type: 'apiKey', header: 'X-Api-Key', value: 'key-1' },
  schedule: { cron: '0 3 * * *', timeZone: 'Asia/Jakarta' },
};

/** Endpoints of all entities: what stands before the shipped path, or the whole of it. */
function endpoints(of: (path: string, name: string) => string): Map<string, string> {
  return new Map(shipped.entities.map(({ name, destination }) => [name, of(destination.url, name)]));
}

describe('a new configuration', () => {
  it('is the shipped one, to the letter, where the answers say what it says', async () => {
    const text = configText(newConfig(shipped, ANSWERS).config);
    // JavaScript puts members that are named like numbers in order.
    const expected = (await shippedFile('sync.config.json')).replace(
      '{ "1": "1", "0": "0" }',
      '{ "0": "0", "1": "1" }',
    );
    assert.equal(text, expected);
    assert.equal(await shippedFile('sync.config.json'), await readFile('sync.config.json', 'utf8'));
  });

  it('has no secret in it: they are variables of the secrets file', () => {
    const auths: Answers['auth'][] = [
      ANSWERS.auth,
      { type: 'basic', user: 'user-1', password: 'password-1' },
      { type: 'bearer', token: 'token-1' },
      { type: 'none' },
    ];
    for (const auth of auths) {
      const { config, secrets } = newConfig(shipped, { ...ANSWERS, auth });
      const text = configText(config);
      for (const [name, value] of secrets) {
        assert.ok(!text.includes(value), name);
        assert.ok(text.includes(`\${env:${name}}`), name);
      }
      assert.equal(secrets.size, 4 + { none: 0, apiKey: 1, bearer: 1, basic: 2 }[auth.type]);
      assert.equal(config.destination?.auth?.type ?? 'none', auth.type);
    }
  });

  it('keeps the shipped paths where all endpoints have the same before them', () => {
    const all = endpoints((path) => `https://api.example.com/v1${path}`);
    const endpointBase = commonBase(all, shipped) ?? '';
    assert.equal(endpointBase, 'https://api.example.com/v1');
    const { config } = newConfig(shipped, { ...ANSWERS, apiUrl: endpointBase, endpoints: all, endpointBase });
    assert.deepEqual(
      config.entities.map(({ destination }) => destination.url),
      shipped.entities.map(({ destination }) => destination.url),
    );
  });

  it('has paths of their own where endpoints are named otherwise, and whole URLs for another host', () => {
    const all = endpoints((path, name) =>
      name === 'Users' ? 'https://hr.example.com/people' : `https://api.example.com/import${path}/v2`,
    );
    all.delete('Users');
    all.set('Users', 'https://hr.example.com/people');
    const endpointBase = commonBase(all, shipped);
    assert.equal(endpointBase, 'https://api.example.com');
    const { config } = newConfig(shipped, { ...ANSWERS, endpoints: all, endpointBase });
    assert.deepEqual(
      config.entities.map(({ destination }) => destination.url),
      ['https://hr.example.com/people', ...NAMES.slice(1).map((name) => `/import/${name.toLowerCase()}/v2`)],
    );
  });

  it('enables only entities with an endpoint where any has one', () => {
    const endpoints = new Map([['Users', 'https://api.example.com/users']]);
    const enabled = (answers: Answers) =>
      newConfig(shipped, answers).config.entities.flatMap(({ name, enabled = true }) => (enabled ? [name] : []));
    assert.deepEqual(enabled({ ...ANSWERS, endpoints }), ['Users']);
    assert.deepEqual(enabled(ANSWERS), NAMES);
  });

  it('takes an endpoint with a query for a secret', () => {
    const all = new Map([['Users', 'https://api.example.com/users?code=hush']]);
    const { config, secrets } = newConfig(shipped, { ...ANSWERS, endpoints: all });
    assert.equal(config.entities[0]?.destination.url, '${env:TAMHR_USERS_URL}');
    assert.equal(secrets.get('TAMHR_USERS_URL'), 'https://api.example.com/users?code=hush');
  });
});
