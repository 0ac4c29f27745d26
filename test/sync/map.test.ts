import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import type { Json, PayloadMap } from '../../src/sync/entity.ts';
import { SyncError } from '../../src/sync/errors.ts';
import { camelCase, columnsOf, compileMap } from '../../src/sync/map.ts';
import type { Cell, Column, ColumnKind, Row } from '../../src/sync/ports.ts';

const SENT_AT = new Date('2026-11-22T20:15:30.250Z');

const column = (name: string, kind: ColumnKind, sqlType: string = kind): Column => ({ name, kind, sqlType });
const entity = (map?: PayloadMap) => ({ name: 'Users', timeZone: 'Asia/Jakarta', ...(map && { map }) });

function mapped(map: PayloadMap | undefined, columns: readonly Column[], row: Row, sentAt = SENT_AT) {
  const result = compileMap(entity(map), columns).map(row, sentAt);
  assert.ok('json' in result, 'reason' in result ? result.reason : '');
  return { json: Buffer.from(result.json).toString(), hash: result.hash };
}

const json = (map: PayloadMap, columns: readonly Column[], row: Row) => mapped(map, columns, row).json;
const ofText = (field: PayloadMap[string], cell: Cell) => json({ F: field }, [column('C', 'text')], [cell]);

test('a user becomes the receiver’s object, fields in the map’s order', () => {
  const columns = [
    column('Id', 'guid'),
    column('NoReg', 'text'),
    column('Name', 'text'),
    column('Email', 'text'),
    column('IsActive', 'integer'),
  ];
  const map: PayloadMap = {
    ImportType: { const: 1 },
    Code: 'Id',
    ID: { const: '' },
    created_at_system: { sentAt: 'yyyy-MM-ddTHH:mm:ss' },
    Name: 'Name',
    Email: { column: 'Email', default: '' },
    CreatedOn: { sentAt: 'yyyy-MM-dd', timeZone: 'UTC' },
    IsActive: { column: 'IsActive', cases: { '1': '1' }, otherwise: '0' },
  };
  assert.equal(
    json(map, columns, ['6f9619ff-8b86-d011-b42d-00c04fc964ff', 'E1', 'Siti 😀 "日本"', null, 0]),
    '{"ImportType":1,"Code":"6f9619ff-8b86-d011-b42d-00c04fc964ff","ID":"","created_at_system":"2026-11-23T03:15:30",' +
      '"Name":"Siti 😀 \\"日本\\"","Email":"","CreatedOn":"2026-11-22","IsActive":"0"}',
  );
});

test('NULL is null unless the map has a default, and cases and formats do not touch it', () => {
  assert.equal(ofText('C', null), '{"F":null}');
  assert.equal(ofText({ column: 'C', default: { none: [1] } }, null), '{"F":{"none":[1]}}');
  assert.equal(ofText({ column: 'C', cases: { null: 'x', '': 'y' }, otherwise: 'z' }, null), '{"F":null}');
  assert.equal(ofText({ column: 'C', as: 'number' }, null), '{"F":null}');
});

test('cases look a value’s text up; what is not there becomes otherwise, or stays and is converted', () => {
  const cases = { L: 'male', P: null, '': 0 };
  assert.equal(ofText({ column: 'C', cases }, 'L'), '{"F":"male"}');
  assert.equal(ofText({ column: 'C', cases }, 'P'), '{"F":null}');
  assert.equal(ofText({ column: 'C', cases }, ''), '{"F":0}');
  assert.equal(ofText({ column: 'C', cases }, 'l'), '{"F":"l"}');
  assert.equal(ofText({ column: 'C', cases, otherwise: { other: true } }, 'l'), '{"F":{"other":true}}');
  assert.equal(ofText({ column: 'C', cases, as: 'number' }, '12'), '{"F":12}');
  assert.equal(ofText({ column: 'C', cases }, 'constructor'), '{"F":"constructor"}');
  const decimal = json({ F: { column: 'C', cases: { '1.50': 'hit' } } }, [column('C', 'decimal')], ['1.50']);
  assert.equal(decimal, '{"F":"hit"}');
});

test('cases of a bit may say 1 and 0 or true and false', () => {
  const bit = [column('C', 'boolean')];
  for (const cases of [
    { '1': 'yes', '0': 'no' },
    { true: 'yes', false: 'no' },
  ]) {
    assert.equal(json({ F: { column: 'C', cases } }, bit, [true]), '{"F":"yes"}');
    assert.equal(json({ F: { column: 'C', cases } }, bit, [false]), '{"F":"no"}');
  }
});

test('a formatted date is text to cases and as', () => {
  const columns = [column('C', 'datetime')];
  const day = [new Date('2026-11-23T23:59:59.997Z')];
  assert.equal(json({ F: { column: 'C', format: 'yyyy-MM-dd' } }, columns, day), '{"F":"2026-11-23"}');
  assert.equal(json({ F: { column: 'C', format: 'yyyyMMdd', as: 'number' } }, columns, day), '{"F":20261123}');
  assert.equal(json({ F: { column: 'C', format: 'yyyy', cases: { 2026: 'now' } } }, columns, day), '{"F":"now"}');
  assert.equal(json({ F: { column: 'C', format: `'"'yy` } }, columns, day), '{"F":"\\"26"}');
});

test('a row that does not convert has a reason that names field, column and rule, not the value', () => {
  const map: PayloadMap = { Sum: { column: 'Amount', as: 'number' }, On: { column: 'Flag', as: 'boolean' } };
  const mapper = compileMap(entity(map), [column('Amount', 'text'), column('Flag', 'text')]);
  assert.deepEqual(mapper.map(['secret', '1'], SENT_AT), {
    reason: 'field Sum: column Amount is not a number (as: number)',
  });
  assert.deepEqual(mapper.map(['1', 'secret'], SENT_AT), {
    reason: 'field On: column Flag is not 0, 1, true or false (as: boolean)',
  });
  assert.ok('json' in mapper.map(['1', '1'], SENT_AT), 'the next row goes on');
});

test('columns are found without regard to case, the same spelling first', () => {
  assert.equal(json({ F: 'noreg' }, [column('NoReg', 'text')], ['E1']), '{"F":"E1"}');
  assert.equal(json({ F: 'ID' }, [column('Id', 'text'), column('ID', 'text')], ['a', 'b']), '{"F":"b"}');
});

test('a missing column is named with its field and with what there is', () => {
  const map: PayloadMap = { Mail: 'EMail', Code: 'Id', Text: { column: 'ObjectDescription' } };
  assert.throws(
    () => compileMap(entity(map), [column('Id', 'guid'), column('Name', 'text')]),
    (error) => {
      assert.ok(error instanceof SyncError);
      assert.equal(error.code, 'SOURCE_COLUMN_MISSING');
      assert.equal(
        error.message,
        'Users: the source has no column EMail (for the field Mail) and ObjectDescription (for the field Text); it has Id and Name.',
      );
      return true;
    },
  );
});

test('a field that asks of its column what it cannot give is refused before any row', () => {
  const columns = [column('T', 'text', 'nvarchar(50)'), column('At', 'time', 'time(7)'), column('D', 'date')];
  const refused: [PayloadMap[string], RegExp][] = [
    [{ column: 'T', format: 'yyyy' }, /field F has a date format, but the column T \(nvarchar\(50\)\) holds no dates/],
    [{ column: 'At', format: 'yyyy HH' }, /column At \(time\(7\)\) holds times of day/],
    [{ column: 'D', format: 'MMM' }, /cannot be read, "MMM"/],
    [{ column: 'D', as: 'number' }, /column D \(date\) as number/],
    [{ sentAt: 'hh' }, /cannot be read, "hh"/],
    [{ sentAt: 'HH', timeZone: 'Asia/Djakarta' }, /unknown time zone, Asia\/Djakarta/],
  ];
  for (const [field, message] of refused) {
    assert.throws(() => compileMap(entity({ F: field }), columns), { code: 'MAP_INVALID', message });
  }
  compileMap(
    entity({ F: { column: 'At', format: 'HH:mm' }, G: { column: 'D', format: 'yyyy-MM-dd HH:mm:ss' } }),
    columns,
  );
});

test('without a map all columns go out in camelCase', () => {
  const columns = [column('Id', 'integer'), column('NoReg', 'text'), column('ROW_STATUS', 'boolean')];
  assert.equal(mapped(undefined, columns, [1, null, true]).json, '{"id":1,"noReg":null,"rowStatus":true}');
});

test('camelCase follows its rule', () => {
  const names: Record<string, string> = {
    NoReg: 'noReg',
    ObjectID: 'objectID',
    ID: 'id',
    Id: 'id',
    ROW_STATUS: 'rowStatus',
    URLValue: 'urlValue',
    created_at_system: 'createdAtSystem',
    Row_Status: 'rowStatus',
    'Nama Lengkap': 'namaLengkap',
    A: 'a',
    AB2: 'ab2',
    XMLHttpURL: 'xmlHttpURL',
    ÉtatCivil: 'étatCivil',
    住所: '住所',
    _x: 'x',
  };
  for (const [name, expected] of Object.entries(names)) assert.equal(camelCase(name), expected);
});

test('without a map, columns that come to one name, or have none, are refused', () => {
  assert.throws(() => compileMap(entity(), [column('No_Reg', 'text'), column('NoReg', 'text')]), {
    code: 'MAP_INVALID',
    message: 'Users: the columns No_Reg and NoReg would both be the field noReg.',
  });
  assert.throws(() => compileMap(entity(), [column('', 'text')]), { code: 'MAP_INVALID', message: /has no name/ });
  assert.equal(mapped(undefined, [column('__', 'integer')], [1]).json, '{"__":1}');
});

test('the columns of a map are those it reads, once each', () => {
  const map: PayloadMap = { A: 'Id', B: { const: 1 }, C: { column: 'name' }, D: 'ID', E: { sentAt: 'HH' }, F: 'Name' };
  assert.deepEqual(columnsOf(map), ['Id', 'name']);
  assert.equal(columnsOf(undefined), undefined);
});

/** Columns of every kind beside generators of their cells and an independent idea of their JSON value. */
const KINDS: { kind: ColumnKind; cells: fc.Arbitrary<Cell>; value: (cell: never) => Json }[] = [
  { kind: 'integer', cells: fc.integer(), value: (cell: number) => cell },
  { kind: 'float', cells: fc.double({ noNaN: true, noDefaultInfinity: true }), value: (cell: number) => cell + 0 },
  { kind: 'boolean', cells: fc.boolean(), value: (cell: boolean) => cell },
  { kind: 'guid', cells: fc.uuid(), value: (cell: string) => cell },
  { kind: 'text', cells: fc.string({ unit: 'binary' }), value: (cell: string) => cell },
  {
    kind: 'bigint',
    cells: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String),
    value: (cell: string) => (BigInt(cell) ** 2n < 2n ** 106n ? Number(cell) : cell),
  },
  {
    kind: 'decimal',
    cells: fc.tuple(fc.integer(), fc.nat(99)).map(([whole, cents]) => `${whole}.${String(cents).padStart(2, '0')}`),
    value: (cell: string) => Number.parseFloat(cell),
  },
  {
    kind: 'binary',
    cells: fc.uint8Array({ maxLength: 20 }),
    value: (cell: Uint8Array) => btoa(String.fromCharCode(...cell)),
  },
  {
    kind: 'datetime',
    cells: fc.date({ min: new Date('1753-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
    value: (cell: Date) => {
      const two = (number: number) => String(number).padStart(2, '0');
      const ms = cell.getUTCMilliseconds();
      const date = `${cell.getUTCFullYear()}-${two(cell.getUTCMonth() + 1)}-${two(cell.getUTCDate())}`;
      const time = `${two(cell.getUTCHours())}:${two(cell.getUTCMinutes())}:${two(cell.getUTCSeconds())}`;
      return `${date}T${time}${ms === 0 ? '' : `.${String(ms).padStart(3, '0')}`}`;
    },
  },
];

const columnsAndRow = fc.array(
  fc.constantFrom(...KINDS).chain(({ kind, cells, value }) =>
    fc.record({
      kind: fc.constant(kind),
      cell: fc.option(cells, { freq: 4 }),
      value: fc.constant(value as (cell: Cell) => Json),
      field: fc.constantFrom('column', 'default', 'const', 'sentAt'),
    }),
  ),
  { minLength: 1, maxLength: 8 },
);

/** The map, columns and row of a generated case; `sentAt` fields only where asked for. */
function caseOf(fields: readonly { kind: ColumnKind; cell: Cell; field: string }[], withSentAt: boolean) {
  const map: Record<string, PayloadMap[string]> = {};
  for (const [index, { field }] of fields.entries()) {
    const name = `f "${index}"`;
    if (field === 'column') map[name] = `C${index}`;
    else if (field === 'default') map[name] = { column: `C${index}`, default: ['none'] };
    else if (field === 'const') map[name] = { const: { n: [index] } };
    else if (withSentAt) map[name] = { sentAt: 'HH:mm' };
  }
  return {
    map,
    columns: fields.map(({ kind }, index) => column(`C${index}`, kind)),
    row: fields.map(({ cell }) => cell),
  };
}

test('the JSON reads back as what an independent mapping makes of the row', () => {
  fc.assert(
    fc.property(columnsAndRow, (fields) => {
      const { map, columns, row } = caseOf(fields, true);
      const expected: Record<string, Json> = {};
      for (const [index, { field, cell, value }] of fields.entries()) {
        if (field === 'const') expected[`f "${index}"`] = { n: [index] };
        else if (field === 'sentAt') expected[`f "${index}"`] = '03:15';
        else if (cell === null) expected[`f "${index}"`] = field === 'default' ? ['none'] : null;
        else expected[`f "${index}"`] = value(cell);
      }
      const text = json(map, columns, row);
      assert.deepEqual(JSON.parse(text), expected);
      assert.deepEqual(Object.keys(JSON.parse(text)), Object.keys(map));
    }),
  );
});

test('the hash is over the JSON without the times of sending, and over all else', () => {
  fc.assert(
    fc.property(columnsAndRow, columnsAndRow, (fields, others) => {
      const { map, columns, row } = caseOf(fields, true);
      const timeless = caseOf(fields, false);
      const { json: text } = mapped(timeless.map, columns, row);
      const digest = createHash('sha256').update(text).digest().subarray(0, 16);
      const { hash } = mapped(map, columns, row);
      assert.deepEqual(Buffer.from(hash), digest);
      assert.deepEqual(mapped(map, columns, row, new Date(0)).hash, hash);

      const other = caseOf(others, false);
      const { json: otherText, hash: otherHash } = mapped(other.map, other.columns, other.row);
      assert.equal(Buffer.compare(otherHash, hash) === 0, otherText === text);
    }),
  );
});

test('hashes of earlier rows stay as they were', () => {
  const mapper = compileMap(entity({ F: 'C' }), [column('C', 'integer')]);
  const first = mapper.map([1], SENT_AT);
  assert.ok('hash' in first);
  const copy = Buffer.from(first.hash);
  for (let i = 0; i < 5000; i++) mapper.map([i], SENT_AT);
  assert.deepEqual(Buffer.from(first.hash), copy);
});

test('the machine’s time zone changes no payload', () => {
  const program = `
    import { compileMap } from ${JSON.stringify(new URL('../../src/sync/map.ts', import.meta.url).href)};
    const kinds = ['date', 'time', 'datetime', 'datetimeoffset'];
    const columns = kinds.map((kind) => ({ name: kind, kind, sqlType: kind }));
    const map = {
      ...Object.fromEntries(kinds.map((kind) => [kind, kind])),
      day: { column: 'datetime', format: 'yyyy-MM-dd' },
      text: { column: 'datetimeoffset', format: 'yyyy-MM-dd HH:mm:ss' },
      sent: { sentAt: 'yyyy-MM-ddTHH:mm:ss' },
    };
    const mapper = compileMap({ name: 'X', map, timeZone: 'Asia/Jakarta' }, columns);
    // 02:30 on 8 March does not exist in New York.
    for (const iso of ['2026-11-23T00:00:00.000Z', '2026-03-08T02:30:00.000Z', '1899-12-31T23:59:59.997Z']) {
      const at = new Date(iso);
      console.log(mapper.map([at, at, at, at], new Date('2026-11-22T17:00:00Z')).json.toString());
    }`;
  const outputs = ['UTC', 'Asia/Jakarta', 'America/New_York'].map((TZ) => {
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      env: { ...process.env, TZ },
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    return stdout;
  });
  assert.match(
    outputs[0] as string,
    /"datetime":"2026-11-23T00:00:00".*"day":"2026-11-23".*"sent":"2026-11-23T00:00:00"/,
  );
  assert.equal(outputs[1], outputs[0]);
  assert.equal(outputs[2], outputs[0]);
});
