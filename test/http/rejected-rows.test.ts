import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { rejectedRows, UnclearReportError } from '../../src/http/rejected-rows.ts';
import type { RejectedRowsConfig } from '../../src/sync/entity.ts';

const KEYS = ['0a-B', '17', 'Ä|x', 'dup', 'DUP'];

const BY_INDEX: RejectedRowsConfig = { pointer: '/errors', index: '/row', reason: '/why' };
const BY_KEY: RejectedRowsConfig = { pointer: '/errors', key: '/id', reason: '/why' };

const read = (json: unknown, config?: RejectedRowsConfig) => rejectedRows(JSON.stringify(json), KEYS, config);

function unclear(body: string, config: RejectedRowsConfig | undefined, message: RegExp): void {
  assert.throws(
    () => rejectedRows(body, KEYS, config),
    (error) => error instanceof UnclearReportError && message.test(error.message),
  );
}

describe('a list of rejected rows', () => {
  for (const [what, json] of [
    ['is not there', {}],
    ['is null', { errors: null }],
    ['is empty', { errors: [] }],
    ['is sought in a list', []],
    ['is sought in a number', 7],
  ] as const) {
    it(`rejects nothing where it ${what}`, () => assert.deepEqual(read(json, BY_INDEX), []));
  }

  it('names rows by their place, as number or text', () => {
    const errors = [
      { row: 4, why: 'no e-mail' },
      { row: '0', why: 'too old' },
    ];
    assert.deepEqual(read({ errors }, BY_INDEX), [
      { index: 4, reason: 'no e-mail' },
      { index: 0, reason: 'too old' },
    ]);
  });

  it('names rows by their key: as text, as number, in another case', () => {
    const errors = [{ id: '0a-B' }, { id: 17 }, { id: 'ä|X' }, { id: 'DUP' }].map((item) => ({ ...item, why: 'no' }));
    assert.deepEqual(
      read({ errors }, BY_KEY).map(({ index }) => index),
      [0, 1, 2, 4],
    );
  });

  it('may hold the places or keys themselves, anywhere', () => {
    assert.deepEqual(read([3], { pointer: '', index: '' }), [{ index: 3, reason: 'the destination gives no reason' }]);
    assert.deepEqual(read({ a: [{ 'b/c': ['17'] }] }, { pointer: '/a/0/b~1c', key: '' }), [
      { index: 1, reason: 'the destination gives no reason' },
    ]);
  });

  it('explains with the whole item where the reason is not there', () => {
    const errors = [
      { row: 1, message: 'too long' },
      { row: 2, why: null, code: 'E7' },
      { row: 3, why: { detail: 'x' } },
    ];
    assert.deepEqual(
      read({ errors }, BY_INDEX).map(({ reason }) => reason),
      ['too long', 'row: 2; code: E7', 'x'],
    );
  });

  it('tells a row once, with all reasons that differ', () => {
    const errors = [
      { row: 1, why: 'no name' },
      { row: 0, why: 'old' },
      { row: '1', why: 'no e-mail' },
      { row: 1, why: 'no name' },
    ];
    assert.deepEqual(read({ errors }, BY_INDEX), [
      { index: 1, reason: 'no name; no e-mail' },
      { index: 0, reason: 'old' },
    ]);
  });

  it('tells no reason that is longer than anybody reads', () => {
    assert.deepEqual(read({ errors: [{ row: 1, why: 'x'.repeat(100_000) }] }, BY_INDEX), [
      { index: 1, reason: 'the reason that the destination gives is too long' },
    ]);
  });

  const unclears: [what: string, json: unknown, config: RejectedRowsConfig, message: RegExp][] = [
    ['is an object', { errors: {} }, BY_INDEX, /^what stands at "\/errors" is no array$/],
    ['is a text', { errors: 'none' }, BY_INDEX, /is no array$/],
    [
      'names a row behind the last',
      { errors: [{ row: 5 }] },
      BY_INDEX,
      /^it names row 5, counted from 0, and .* has 5$/,
    ],
    ['names a row before the first', { errors: [{ row: -1 }] }, BY_INDEX, /does not say by number/],
    ['names half a row', { errors: [{ row: 1.5 }] }, BY_INDEX, /does not say by number/],
    ['names no row', { errors: [{ why: 'no' }] }, BY_INDEX, /does not say by number/],
    ['holds null', { errors: [null] }, BY_INDEX, /does not say by number/],
    ['names an unknown key', { errors: [{ id: 'secret' }] }, BY_KEY, /^it names a key that is not in the batch$/],
    [
      'names a key that two rows have in another case',
      { errors: [{ id: 'Dup' }] },
      BY_KEY,
      /^it names a key that is not/,
    ],
    ['names a number without its last digits', { errors: [{ id: 2 ** 60 }] }, BY_KEY, /does not say by key/],
    ['names no key', { errors: [{ row: 1 }] }, BY_KEY, /does not say by key/],
  ];
  for (const [what, json, config, message] of unclears) {
    it(`is unclear where it ${what}`, () => unclear(JSON.stringify(json), config, message));
  }
});

describe('a status for each row', () => {
  const statuses = [200, 422, 201, 500, 204].map((status) => ({ status }));

  for (const name of ['', 'results', 'responses', 'items', 'value']) {
    it(`is found ${name === '' ? 'as the whole body' : `in ${name}`}`, () => {
      const rows = read(name === '' ? statuses : { [name]: statuses });
      assert.deepEqual(
        rows.map(({ index, httpStatus }) => [index, httpStatus]),
        [
          [1, 422],
          [3, 500],
        ],
      );
    });
  }

  it("goes by the items' own places where they have them", () => {
    const list = [
      { index: 3, status: 409, detail: 'exists' },
      { index: 0, status: 200 },
    ];
    assert.deepEqual(read({ results: list }), [{ index: 3, reason: 'exists', httpStatus: 409 }]);
  });

  it('may be a text of digits', () => {
    assert.equal(read([{ status: '400' }, ...statuses.slice(1)])[0]?.httpStatus, 400);
  });

  for (const [what, json] of [
    ['no list', { status: 207 }],
    ['an empty list', []],
    ['a list of other things', { results: [{ id: 1 }], items: ['x'] }],
    ['a list that is not all statuses', [{ status: 400 }, { state: 1 }, {}, {}, {}]],
  ] as const) {
    it(`is unclear where there is ${what}`, () =>
      unclear(JSON.stringify(json), undefined, /^it has no status for each row/));
  }

  it('rejects nothing where there is a shorter list of successes', () => {
    assert.deepEqual(read([{ status: 200 }]), []);
  });

  it('is unclear where failures are told of another number of rows', () => {
    unclear('[{"status":200},{"status":400}]', undefined, /^it has a status for 2 rows, and the batch has 5$/);
  });

  it('is unclear where a place is none of the batch, even of a success', () => {
    unclear('[{"index":1,"status":400},{"index":5,"status":200}]', undefined, /^it names row 5/);
    unclear('[{"index":1,"status":400},{"status":200}]', undefined, /by number/);
  });
});

describe('rejectedRows', () => {
  for (const body of ['', '{"errors": [', 'thanks!', '<p>']) {
    it(`is unclear where the body is ${JSON.stringify(body)}`, () => unclear(body, BY_INDEX, /^it is no JSON$/));
  }

  it('names rows of the batch, each once, or is unclear, whatever JSON comes', () => {
    const item = fc.oneof(
      fc.jsonValue(),
      fc.record(
        { row: fc.jsonValue(), id: fc.constantFrom(...KEYS), status: fc.integer(), index: fc.integer() },
        { requiredKeys: [] },
      ),
    );
    const json = fc.oneof(fc.array(item), fc.record({ errors: fc.array(item) }), fc.record({ items: fc.array(item) }));
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, BY_INDEX, BY_KEY), (report, config) => {
        try {
          const rows = read(report, config);
          assert.equal(new Set(rows.map(({ index }) => index)).size, rows.length);
          for (const { index, reason } of rows) assert.ok(KEYS[index] !== undefined && reason !== '');
        } catch (error) {
          assert.ok(error instanceof UnclearReportError);
        }
      }),
    );
  });
});
