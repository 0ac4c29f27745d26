/** All built-in scalar functions by name, and the functions that exist only with OVER. */
import { type Bound, convert } from '../bind/bound.ts';
import { sqlError } from '../errors.ts';
import { types } from '../types.ts';
import type { Builtin } from './builtin.ts';
import { dateFunctions } from './dates.ts';
import { numberFunctions } from './numbers.ts';
import { sessionFunctions } from './session.ts';
import { textFunctions } from './texts.ts';
import { valueFunctions } from './values.ts';

/** A built-in function as the binder uses it. */
export type { Builtin };

/** The scalar functions by name. */
export const builtins: ReadonlyMap<string, Builtin> = new Map([
  ...textFunctions,
  ...numberFunctions,
  ...dateFunctions,
  ...valueFunctions,
  ...sessionFunctions,
]);

const ranking =
  (sqlName: string) =>
  (args: readonly Bound[], window: string): Bound => {
    if (args.length > 0) throw sqlError(174, sqlName, 0);
    return { sql: `${sqlName}() ${window}`, type: types.bigint, nullable: true };
  };

const shifted =
  (sqlName: string) =>
  (args: readonly Bound[], window: string): Bound => {
    const [value, offset, fallback] = args;
    if (value === undefined || args.length > 3) throw sqlError(189, sqlName, 1, 3);
    const rest =
      offset === undefined
        ? ''
        : `,${offset.sql}${fallback === undefined ? '' : `,${convert(fallback, value.type).sql}`}`;
    return { ...value, sql: `${sqlName}(${value.sql}${rest}) ${window}`, nullable: true, identity: false };
  };

const edge =
  (sqlName: string) =>
  (args: readonly Bound[], window: string): Bound => {
    const [value] = args;
    if (value === undefined || args.length > 1) throw sqlError(174, sqlName, 1);
    return { ...value, sql: `${sqlName}(${value.sql}) ${window}`, nullable: true, identity: false };
  };

/** Functions that need OVER (… ORDER BY …). */
export const windowOnly: ReadonlyMap<string, (args: readonly Bound[], window: string) => Bound> = new Map([
  ['ROW_NUMBER', ranking('row_number')],
  ['RANK', ranking('rank')],
  ['DENSE_RANK', ranking('dense_rank')],
  [
    'NTILE',
    (args, window) => {
      const [buckets] = args;
      if (buckets === undefined) throw sqlError(174, 'ntile', 1);
      return { sql: `ntile(${buckets.sql}) ${window}`, type: types.bigint, nullable: true };
    },
  ],
  ['LAG', shifted('lag')],
  ['LEAD', shifted('lead')],
  ['FIRST_VALUE', edge('first_value')],
  ['LAST_VALUE', edge('last_value')],
]);
