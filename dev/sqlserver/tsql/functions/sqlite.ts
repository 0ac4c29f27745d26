/** SQLite functions that compiled statements and indexes call by name; those in indexes must never change their results. */
import type { DatabaseSync } from 'node:sqlite';
import { type Collation, fold } from '../values/collation.ts';
import type { Stored } from '../values/stored.ts';

const isPure = { deterministic: true, useBigIntArguments: true } as const;

/** Makes fold_ci/cs/bin, trim_zeros, concat_bytes, pack and unpack known to a connection. */
export function registerSqlFunctions(connection: DatabaseSync): void {
  for (const collation of ['ci', 'cs', 'bin'] satisfies Collation[]) {
    connection.function(`fold_${collation}`, isPure, (text) =>
      text === null ? null : fold(text as string, collation),
    );
  }
  // varbinary values that differ only in zeros at the end are equal.
  connection.function('trim_zeros', isPure, (value) => {
    if (value === null) return null;
    const bytes = value as Uint8Array;
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) end--;
    return end === bytes.length ? bytes : bytes.slice(0, end);
  });
  connection.function('concat_bytes', isPure, (a, b) =>
    a === null || b === null ? null : Buffer.concat([a as Uint8Array, b as Uint8Array]),
  );
  connection.function('pack', isPure, (value) => pack(value as Stored));
  connection.function('unpack', isPure, (value) => unpack(value as string | null));
}

/** A stored value as text that JSON can carry. */
function pack(value: Stored): string | null {
  if (value === null) return null;
  if (typeof value === 'bigint') return `#${value}`;
  if (typeof value === 'number') return `~${value}`;
  return typeof value === 'string' ? `'${value}` : `$${Buffer.from(value).toString('hex')}`;
}

function unpack(packed: string | null): Stored {
  if (packed === null) return null;
  const rest = packed.slice(1);
  switch (packed[0]) {
    case '#':
      return BigInt(rest);
    case '~':
      return Number(rest);
    case "'":
      return rest;
    default:
      return new Uint8Array(Buffer.from(rest, 'hex'));
  }
}
