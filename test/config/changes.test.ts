import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { loadConfig } from '../../src/config/config.ts';
import { effectiveConfig } from '../../src/config/print.ts';
import { directoryWith, ENV, entity, load, problemsOf, smallConfig } from './fixture.ts';

const MAP = { Code: 'id', DeletedOn: { sentAt: 'yyyy-MM-dd' }, Type: { const: 2 } };

/** The small configuration, its one entity changed. */
function withEntity(changes: Record<string, unknown>) {
  return { ...smallConfig(), entities: [entity(changes)] };
}

describe('changed and deleted rows', () => {
  test('are read as they are configured', async (t) => {
    const [users] = (
      await load(
        t,
        withEntity({
          changes: 'mirror',
          detection: { method: 'modifiedAt', column: 'ModifiedOn', overlapMinutes: 0.5 },
          reconcileEvery: 0.5,
          deleted: { url: 'https://other.example/gone?site=1', method: 'PATCH', map: MAP },
          maxDeletePercent: 0,
        }),
      )
    ).entities;
    assert.equal(users?.changes, 'mirror');
    assert.deepEqual(users?.detection, { method: 'modifiedAt', column: 'ModifiedOn', overlapMinutes: 0.5 });
    assert.equal(users?.reconcileEvery, 0.5);
    assert.deepEqual(users?.deleted, { url: 'https://other.example/gone?site=1', method: 'PATCH', map: MAP });
    assert.equal(users?.maxDeletePercent, 0);
  });

  test('have defaults for what is silent', async (t) => {
    const tree = smallConfig();
    tree.entities = [
      entity({ changes: 'changed', detection: { column: 'Version', method: 'rowversion' } }),
      entity({ name: 'B', changes: 'mirror', detection: {}, deleted: { url: '/b/{key}' } }),
      entity({ name: 'C', changes: 'mirror', deleted: { url: '/c', map: MAP } }),
      entity({ name: 'D', changes: 'mirror', deleted: { url: '/d/{key}', method: 'POST' } }),
    ];
    const { entities } = await load(t, tree);
    assert.deepEqual(
      entities.map(({ detection, deleted, reconcileEvery, maxDeletePercent }) => [
        detection,
        deleted && [deleted.method, deleted.url],
        reconcileEvery,
        maxDeletePercent,
      ]),
      [
        [{ method: 'rowversion', column: 'Version', overlapMinutes: 120 }, undefined, 7, 10],
        [{ method: 'auto', overlapMinutes: 120 }, ['DELETE', 'https://api.example/v1/b/{key}'], 7, 10],
        [{ method: 'auto', overlapMinutes: 120 }, ['POST', 'https://api.example/v1/c'], 7, 10],
        [{ method: 'auto', overlapMinutes: 120 }, ['POST', 'https://api.example/v1/d/{key}'], 7, 10],
      ],
    );
  });

  test('may be configured where only new rows are sent: people try one and go back', async (t) => {
    const [users] = (
      await load(
        t,
        withEntity({
          changes: 'new',
          detection: { method: 'hash' },
          deleted: { url: '/users/{key}' },
          reconcileEvery: 1,
          maxDeletePercent: 5,
        }),
      )
    ).entities;
    assert.deepEqual([users?.changes, users?.detection.method, users?.deleted?.method], ['new', 'hash', 'DELETE']);
  });

  for (const [url, baseUrl, absolute] of [
    ['/users/{key}', undefined, 'https://api.example/v1/users/{key}'],
    ['users/{key}?by=sync', 'https://x', 'https://x/users/{key}?by=sync'],
    ['/users?site=1&id={key}', undefined, 'https://api.example/v1/users?site=1&id={key}'],
    ["https://x/Users(Id='{key}')/", undefined, "https://x/Users(Id='{key}')/"],
    ['https://x/kkk{key}kkk?kkk', undefined, 'https://x/kkk{key}kkk?kkk'],
  ] as const) {
    test(`have the place of the key as it stands in ${url}`, async (t) => {
      const destination = { url: '/users', ...(baseUrl !== undefined && { baseUrl }) };
      const config = await load(t, withEntity({ changes: 'mirror', destination, deleted: { url } }));
      assert.equal(config.entities[0]?.deleted?.url, absolute);
    });
  }

  test('come out of the effective configuration so that it can be loaded as it is', async (t) => {
    const tree = smallConfig();
    tree.schedule = { cron: '0 3 * * *', timeZone: 'Asia/Jakarta' };
    tree.entities = [
      entity(),
      entity({ name: 'B', changes: 'changed', detection: { method: 'hash' } }),
      entity({
        name: 'C',
        changes: 'mirror',
        detection: { method: 'rowversion', column: 'V' },
        deleted: { url: '/c/{key}' },
      }),
      entity({
        name: 'D',
        changes: 'mirror',
        detection: { method: 'modifiedAt', column: 'M' },
        reconcileEvery: 30,
        deleted: { url: '/d', map: MAP },
        maxDeletePercent: 50,
      }),
    ];
    const printed = effectiveConfig(await load(t, tree)) as { entities: Record<string, unknown>[] };
    const keys = ['changes', 'detection', 'reconcileEvery', 'deleted', 'maxDeletePercent'];
    assert.deepEqual(
      printed.entities.map((entity) => keys.map((key) => entity[key])),
      [
        ['new', { method: 'auto' }, 7, undefined, 10],
        ['changed', { method: 'hash' }, 7, undefined, 10],
        [
          'mirror',
          { method: 'rowversion', column: 'V' },
          7,
          { url: 'https://api.example/v1/c/{key}', method: 'DELETE' },
          10,
        ],
        [
          'mirror',
          { method: 'modifiedAt', column: 'M', overlapMinutes: 120 },
          30,
          {
            url: 'https://api.example/v1/d',
            method: 'POST',
            map: { ...MAP, DeletedOn: { timeZone: 'Asia/Jakarta', sentAt: 'yyyy-MM-dd' } },
          },
          50,
        ],
      ],
    );
    assert.deepEqual(effectiveConfig(await load(t, printed)), printed);
  });

  test('have their secrets redacted, but not the place of the key', async (t) => {
    const secretsWith = async (url: string) => {
      const { secrets } = await load(t, withEntity({ changes: 'mirror', deleted: { url } }));
      return secrets.toSorted();
    };
    assert.deepEqual(await secretsWith('/gone?code=function-key&key={key}'), ['db-password-1', 'function-key']);
    assert.deepEqual(await secretsWith('/gone?token=before-{key}-after'), ['-after', 'before-', 'db-password-1']);
  });

  test('that go without TLS to another machine are warned of', async (t) => {
    const { warnings } = await load(
      t,
      withEntity({
        changes: 'mirror',
        destination: { url: '/users', allowInsecure: true },
        deleted: { url: 'http://10.0.0.1/users/{key}' },
      }),
    );
    assert.deepEqual(warnings, ['entity Users: sent without TLS (allowInsecure)']);
  });

  test('use the proxy of upserts, which the environment must have for both', async (t) => {
    const tree = withEntity({ changes: 'mirror', deleted: { url: 'http://localhost:8080/users/{key}' } });
    const env = { HTTPS_PROXY: 'http://proxy.example:3128' };
    assert.deepEqual(await problemsOf(t, tree, { env }), [
      'entities[0].deleted.url: found an URL that the environment has another proxy for than for destination.url, expected "proxy" in destination',
    ]);
    assert.equal((await load(t, tree)).entities.length, 1);
    const told = { ...tree, destination: { ...tree.destination, proxy: '' } };
    assert.equal((await load(t, told, { env })).entities.length, 1);
    const alike = withEntity({ changes: 'mirror', deleted: { url: 'https://other.example/users/{key}' } });
    assert.equal((await load(t, alike, { env })).entities.length, 1);
  });

  test('need nothing of others to read the file', {
    skip: process.platform === 'win32' && 'Windows has no modes',
  }, async (t) => {
    const tree = withEntity({ changes: 'mirror', deleted: { url: '/users/{key}' } });
    const cwd = await directoryWith(t, { 'sync.config.json': JSON.stringify(tree) });
    await chmod(`${cwd}/sync.config.json`, 0o644);
    assert.deepEqual((await loadConfig({ cwd, env: ENV })).warnings, []);
  });
});

const INSECURE =
  'found http:// to another machine, where everyone on the way reads the rows and the credentials, expected https:// (or "allowInsecure": true in destination)';

/** Changes to the one entity → the problems that they cause, below `entities[0]`. */
const MISTAKES: [what: string, changes: Record<string, unknown>, problems: string[]][] = [
  [
    'a mirror that does not say where deletions go',
    { changes: 'mirror' },
    ['deleted: missing, expected where deletions go, such as { "url": "/users/{key}" }, since changes is "mirror"'],
  ],
  ['deletions without an url', { changes: 'mirror', deleted: { map: MAP } }, ['deleted.url: missing, expected text']],
  [
    'deletions with neither map nor key',
    { deleted: { url: '/gone' } },
    ['deleted: found neither "map" nor {key} in url, expected exactly one of them'],
  ],
  [
    'deletions with a place for another name than key',
    { deleted: { url: '/users/{id}' } },
    ['deleted: found neither "map" nor {key} in url, expected exactly one of them'],
  ],
  [
    'deletions with map and key',
    { deleted: { url: '/users/{key}', map: MAP } },
    ['deleted: found "map" and {key} in url, expected exactly one of them'],
  ],
  [
    'an empty map of deletions',
    { deleted: { url: '/gone', map: {} } },
    ['deleted.map: found an empty object, expected an object'],
  ],
  [
    'a key twice',
    { deleted: { url: '/users/{key}?id={key}' } },
    ['deleted.url: found {key} 2 times, expected it once'],
  ],
  ...['https://{key}.example/users', '/users#{key}', '/users/{key}/../x'].map((url): (typeof MISTAKES)[number] => [
    `a key elsewhere: ${url}`,
    { deleted: { url } },
    ['deleted.url: found {key} in another place than the path or the query of the URL'],
  ]),
  [
    'a key as a port',
    { deleted: { url: 'https://x.example:{key}/users' } },
    ['deleted.url: found no URL, expected http://… or https://…'],
  ],
  [
    'a key in the URL of upserts',
    { destination: { url: '/users/{key}' } },
    ['destination.url: found {key}, which only the url of deleted can have'],
  ],
  [
    'a key in the base URL',
    { destination: { url: '/users', baseUrl: 'https://x/{key}' }, deleted: { url: '/gone', map: MAP } },
    ['destination.baseUrl: found {key}, which only the url of deleted can have'],
  ],
  [
    'a URL of deletions that is none',
    { deleted: { url: 'ftp://x/{key}' } },
    ['deleted.url: found no URL, expected http://… or https://…'],
  ],
  [
    'credentials in the URL of deletions',
    { deleted: { url: 'https://user:hunter2@x/{key}' } },
    ['deleted.url: found credentials in the URL, expected them in destination.auth'],
  ],
  ['plain HTTP for deletions', { deleted: { url: 'http://10.0.0.1/{key}' } }, [`deleted.url: ${INSECURE}`]],
  [
    'other columns than the key in the map of deletions',
    {
      source: { connection: 'main', table: 't', key: ['OrgCode', 'NoReg'] },
      map: { A: 'Name' },
      deleted: { url: '/gone', map: { A: 'orgcode', B: 'NoRegs', C: { column: 'Name' }, D: { const: 1 } } },
    },
    [
      'deleted.map.B: found "NoRegs", which source.key does not have: of a row that is gone only its key is known, did you mean "NoReg"?',
      'deleted.map.C.column: found "Name", which source.key does not have: of a row that is gone only its key is known',
    ],
  ],
  [
    'fields of the map of deletions that are none',
    {
      deleted: {
        url: '/gone',
        map: {
          A: { column: 'Id', format: 'YYYY' },
          B: { sentAt: 'yyyy', timeZone: 'Asia/Jakrta' },
          C: { sentAt: 'hh' },
          D: { colum: 'Id', const: 1 },
        },
      },
    },
    [
      'deleted.map.A.format: found "YYYY", expected a date format of yyyy, yy, MM, dd, HH, mm, ss, fff, other letters in \'…\'',
      'deleted.map.B.timeZone: found "Asia/Jakrta", expected an IANA time zone, did you mean "Asia/Jakarta"?',
      'deleted.map.C.sentAt: found "hh", expected a date format of yyyy, yy, MM, dd, HH, mm, ss, fff, other letters in \'…\'',
      'deleted.map.D.colum: unknown key, did you mean "column"?',
    ],
  ],
  [
    'modifiedAt without its column',
    { changes: 'changed', detection: { method: 'modifiedAt' } },
    [
      'detection.column: missing, expected the column that holds when a row was last changed, since method is "modifiedAt"',
    ],
  ],
  [
    'a column that the method does not read, and an overlap that it does not have',
    { detection: { method: 'hash', column: 'V', overlapMinutes: 5 } },
    [
      'detection.column: found "V", expected none, since method is "hash" ("rowversion" and "modifiedAt" read a column)',
      'detection.overlapMinutes: found 5, expected none, since method is "hash" (only "modifiedAt" has an overlap)',
    ],
  ],
  [
    'the same where the method is not told',
    { detection: { column: 'V', overlapMinutes: 5 } },
    [
      'detection.column: found "V", expected none, since method is "auto" ("rowversion" and "modifiedAt" read a column)',
      'detection.overlapMinutes: found 5, expected none, since method is "auto" (only "modifiedAt" has an overlap)',
    ],
  ],
  [
    'an overlap of rowversion',
    { detection: { method: 'rowversion', overlapMinutes: 120 } },
    [
      'detection.overlapMinutes: found 120, expected none, since method is "rowversion" (only "modifiedAt" has an overlap)',
    ],
  ],
  [
    'words, numbers and keys that are none',
    {
      changes: 'mirrored',
      detection: { method: 'rowVersion', column: 5, overlap: 1 },
      reconcileEvery: 0,
      deleted: { url: '/users/{key}', method: 'REMOVE', headers: {} },
      maxDeletePercent: 101,
    },
    [
      'changes: found "mirrored", expected "new", "changed" or "mirror", did you mean "mirror"?',
      'detection.method: found "rowVersion", expected "auto", "hash", "rowversion" or "modifiedAt", did you mean "rowversion"?',
      'detection.column: found a number, expected text',
      'detection.overlap: unknown key, expected "method", "column" or "overlapMinutes"',
      'reconcileEvery: found 0, expected a number above 0 and at most 36525',
      'deleted.method: found "REMOVE", expected "POST", "PUT", "PATCH" or "DELETE"',
      'deleted.headers: unknown key, expected "url", "method" or "map"',
      'maxDeletePercent: found 101, expected a number from 0 to 100',
    ],
  ],
  [
    'an overlap before now',
    { detection: { method: 'modifiedAt', column: 'M', overlapMinutes: -1 } },
    ['detection.overlapMinutes: found -1, expected a number from 0 to 525600'],
  ],
  [
    'a mirror whose deletions are wrong in another way',
    { changes: 'mirror', deleted: 'https://x/{key}' },
    ['deleted: found text, expected an object'],
  ],
];

describe('a problem of changed and deleted rows is told with its path:', () => {
  for (const [what, changes, expected] of MISTAKES) {
    test(what, async (t) => {
      const problems = await problemsOf(t, withEntity(changes));
      assert.deepEqual(problems.toSorted(), expected.map((problem) => `entities[0].${problem}`).toSorted());
      assert.doesNotMatch(problems.join('\n'), /hunter2/);
    });
  }

  test('a path without a base URL, and a wrong base URL only once', async (t) => {
    const destination = { url: 'https://x/users' };
    const tree = { ...withEntity({ destination, deleted: { url: '/users/{key}' } }), destination: {} };
    assert.deepEqual(await problemsOf(t, tree), [
      'entities[0].deleted.url: found a path, expected an absolute URL, or destination.baseUrl as well',
    ]);
    const wrong = { ...withEntity({ deleted: { url: '/users/{key}' } }), destination: { baseUrl: 'http://10.0.0.1' } };
    assert.deepEqual(await problemsOf(t, wrong), [
      `destination.baseUrl: ${INSECURE.replace('in destination', 'beside it')}`,
    ]);
  });
});
