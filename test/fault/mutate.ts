/** Makes broken input out of good input: bytes, and JSON trees. */
import type { Random } from './random.ts';

const BYTES: readonly (readonly number[])[] = [
  [0],
  [0xff],
  [0xef, 0xbb, 0xbf],
  [0xff, 0xfe],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [...Buffer.from('\r\n')],
  [...Buffer.from('"')],
  [...Buffer.from("'")],
  [...Buffer.from(';')],
  [...Buffer.from('=')],
  [...Buffer.from('{}[]')],
  [...Buffer.from('${env:')],
  [...Buffer.from('\u2028')],
  [...Buffer.from('🙂')],
];

/** The bytes after a few changes: bits turned, pieces taken away, doubled or put in, the end cut off. */
export function mutateBytes(bytes: Uint8Array, random: Random): Buffer {
  let mutated: Buffer = Buffer.from(bytes);
  for (let changes = random.pick([1, 1, 1, 2, 4]); changes > 0; changes -= 1) {
    const at = random.below(mutated.length + 1);
    const until = Math.min(mutated.length, at + random.between(1, random.chance(0.8) ? 4 : 400));
    const [head, piece, tail] = [mutated.subarray(0, at), mutated.subarray(at, until), mutated.subarray(until)];
    mutated = random.pick<() => Buffer>([
      () => Buffer.concat([head, piece.map((byte) => byte ^ (1 << random.below(8))), tail]),
      () => Buffer.concat([head, tail]),
      () => Buffer.concat([head, ...Array<Buffer>(random.chance(0.9) ? 2 : 500).fill(piece), tail]),
      () => Buffer.concat([head, Buffer.from(random.pick(BYTES)), piece, tail]),
      () => (random.chance(0.3) ? head : Buffer.concat([tail, piece, head])),
    ])();
  }
  return mutated;
}

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.1,
  1e308,
  2 ** 31,
  2 ** 53,
  -0,
  '',
  ' ',
  '0',
  'true',
  '\0',
  '\u202e\u001b[31m',
  '\ud800',
  'é',
  'x'.repeat(100_000),
  '${env:TAMHR_API_KEY}',
  '${env:TAMHR_NOWHERE}',
  '${env:',
  '${file:missing.txt}',
  '${file:.}',
  '$${env:X}',
  '%00%ff%',
  '../../..',
  'http://[::1',
  'https://user:pass@host:99999/?q#f',
  '99 99 99 99 99',
  '(a+)+$',
  "'); DROP TABLE dbo.MDM_USER;--",
  '[dbo].[MDM_USER',
  'Server=x;Password=secret',
  [],
  {},
  [[]],
  [null],
  { column: 'Id', const: 1 },
  { constructor: 1, toString: 'x' },
];

/** Keys that JavaScript's objects have by themselves, or that configurations mistake. */
const ODD_KEYS: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  '',
  ' ',
  'length',
  '0',
  'Name',
  'ID',
  '\0',
];

/** A place in a tree. */
interface Place {
  readonly parent: unknown[] | Record<string, unknown>;
  readonly key: string;
}

/** The tree after a few changes: values replaced, keys taken away, renamed or doubled, pieces moved, nested deeply. */
export function mutateJson(tree: unknown, random: Random): unknown {
  const root = { tree: structuredClone(tree) };
  for (let changes = random.pick([1, 1, 1, 2, 4]); changes > 0; changes -= 1) {
    const { parent, key } = random.pick(placesIn(root, 'tree'));
    const members = parent as Record<string, unknown>;
    const own = members[key];
    random.pick<() => void>([
      () => define(members, key, random.pick(ODD_VALUES)),
      () => define(members, key, random.pick(ODD_VALUES)),
      () => delete members[key],
      () => define(members, Array.isArray(parent) ? '0' : random.pick(ODD_KEYS), own),
      () => define(members, key.toUpperCase(), own),
      () => define(members, key, nested(own, random.pick([1, 2, 90, 1000]), random.chance(0.5))),
      () => define(members, key, valueAt(random.pick(placesIn(root, 'tree')))),
      // Many copies of a tree, copied once more, would be more than a text can hold.
      () => define(members, key, Array(typeof own === 'object' ? 2 : random.pick([2, 1000])).fill(own)),
    ])();
  }
  return root.tree;
}

/** Not all of them where an earlier change made very many, or very deep ones. */
function placesIn(parent: Place['parent'], key: string, depth = 0): Place[] {
  const value = (parent as Record<string, unknown>)[key];
  if (typeof value !== 'object' || value === null || depth > 12) return [{ parent, key }];
  const inside = Object.keys(value).slice(0, 50);
  return [{ parent, key }, ...inside.flatMap((name) => placesIn(value as Place['parent'], name, depth + 1))];
}

function valueAt({ parent, key }: Place): unknown {
  return structuredClone((parent as Record<string, unknown>)[key]);
}

/** Also of `__proto__`, which an assignment would take for the prototype. */
function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function nested(value: unknown, levels: number, inArrays: boolean): unknown {
  let outer: unknown = value ?? null;
  for (let level = 0; level < levels; level += 1) outer = inArrays ? [outer] : { nest: outer };
  return outer;
}
