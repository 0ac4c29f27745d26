/** ISNULL, COALESCE, NULLIF, CHOOSE, NEWID, CHECKSUM and JSON: functions on values of any type. */
import { randomBytes, randomUUID } from 'node:crypto';
import { type Bound, commonOf, comparable, convert, invoke, isNullConstant } from '../bind/bound.ts';
import { sqlError } from '../errors.ts';
import { isText, nvarchar, types } from '../types.ts';
import { fold } from '../values/collation.ts';
import { jsonAt, jsonPath, jsonScalar } from '../values/json.ts';
import { guidParse, type Stored } from '../values/stored.ts';
import { type Entry, pure } from './builtin.ts';

const isNull: Entry = [
  'ISNULL',
  {
    arity: [2, 2],
    bind: (args) => {
      const [value, fallback] = args as [Bound, Bound];
      const type = isNullConstant(value) ? fallback.type : value.type;
      const other = convert(fallback, type);
      return {
        sql: `ifnull(${isNullConstant(value) ? 'NULL' : value.sql},${other.sql})`,
        type,
        nullable: value.nullable && other.nullable,
        collation: value.collation ?? other.collation,
      };
    },
  },
];

const coalesce: Entry = [
  'COALESCE',
  {
    arity: [2, 254],
    bind: (args) => {
      if (args.every(isNullConstant)) throw sqlError(4127);
      const type = commonOf(args);
      const collation = args.find((arg) => arg.explicitCollation) ?? args.find((arg) => arg.collation !== undefined);
      return {
        sql: `coalesce(${args.map((arg) => convert(arg, type).sql).join(',')})`,
        type,
        nullable: args.every((arg) => arg.nullable),
        ...(isText(type) ? { collation: collation?.collation } : {}),
      };
    },
  },
];

const nullIf: Entry = [
  'NULLIF',
  {
    arity: [2, 2],
    bind: (args) => {
      const [value, other] = args as [Bound, Bound];
      const sides = comparable(value, other, 'nullif');
      return {
        sql: `(CASE WHEN ${sides.left} = ${sides.right} THEN NULL ELSE ${value.sql} END)`,
        type: value.type,
        nullable: true,
        collation: value.collation,
      };
    },
  },
];

const choose: Entry = [
  'CHOOSE',
  {
    arity: [2, 254],
    bind: (args) => {
      const [index, ...choices] = args as [Bound, ...Bound[]];
      const type = commonOf(choices);
      const branches = choices.map((choice, at) => `WHEN ${at + 1} THEN ${convert(choice, type).sql}`).join(' ');
      return { sql: `(CASE ${convert(index, types.int).sql} ${branches} END)`, type, nullable: true };
    },
  },
];

const newId: Entry = [
  'NEWID',
  {
    arity: [0, 0],
    bind: () =>
      invoke('newid', () => () => guidParse(randomUUID()) as Uint8Array, [], types.uniqueidentifier, {
        volatile: true,
      }),
  },
];

// NEWSEQUENTIALID is only allowed in a DEFAULT; its values grow in uniqueidentifier order.
let sequence = 0n;
const newSequentialId: Entry = [
  'NEWSEQUENTIALID',
  {
    arity: [0, 0],
    bind: () => {
      const prefix = randomBytes(8);
      const next = (): Stored => {
        sequence++;
        const bytes = new Uint8Array(16);
        new DataView(bytes.buffer).setBigUint64(0, sequence);
        bytes.set(prefix, 8);
        return bytes;
      };
      return invoke('newsequentialid', () => next, [], types.uniqueidentifier, { volatile: true });
    },
  },
];

const random: Entry = [
  'RAND',
  {
    arity: [0, 0],
    bind: (_, { compilation }) => ({
      sql: compilation.parameter({ kind: 'session', key: 'RAND', read: () => Math.random() }),
      type: types.float,
      nullable: false,
    }),
  },
];

/** A 32-bit hash of all arguments; equal texts hash alike. Not Microsoft's numbers. */
function checksum(...values: Stored[]): Stored {
  let hash = 0;
  for (const value of values) {
    const text =
      typeof value === 'string'
        ? fold(value)
        : value instanceof Uint8Array
          ? Buffer.from(value).toString('latin1')
          : String(value);
    for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
    hash = Math.imul(hash, 17) | 0;
  }
  return BigInt(hash);
}

/** The functions on values of any type. */
export const valueFunctions: readonly Entry[] = [
  isNull,
  coalesce,
  nullIf,
  choose,
  newId,
  newSequentialId,
  random,
  [
    'CHECKSUM',
    {
      arity: [1, 254],
      bind: (args) => invoke('checksum', () => checksum, args, types.int, { strict: false, nullable: false }),
    },
  ],
  pure(
    'JSON_VALUE',
    ['text', 'text'],
    nvarchar(4000),
    (document: string, path: string) => {
      const { steps, strict } = jsonPath(path);
      const found = jsonAt(document, steps);
      if (found === undefined && strict) throw sqlError(13608);
      return found === undefined || (typeof found === 'object' && found !== null) ? null : jsonScalar(found);
    },
    { nullable: true },
  ),
  pure(
    'JSON_QUERY',
    ['text', 'text'],
    types.nvarcharMax,
    (document: string, path = '$') => {
      const found = jsonAt(document, jsonPath(path).steps);
      return typeof found === 'object' && found !== null ? JSON.stringify(found) : null;
    },
    { required: 1, nullable: true },
  ),
  pure('ISJSON', ['text'], types.int, (document: string) => {
    try {
      const parsed: unknown = JSON.parse(document);
      return typeof parsed === 'object' && parsed !== null ? 1n : 0n;
    } catch {
      return 0n;
    }
  }),
];
