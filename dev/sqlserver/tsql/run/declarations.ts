/** The parameter list of sp_executesql: '@a int, @b nvarchar(10) OUTPUT'. */
import type { SqlType } from '../../engine.ts';
import { sqlError } from '../errors.ts';
import { parseBatch } from '../parser/statement.ts';

/** Reads the declarations. Throws 102 where the text is none. */
export function parseDeclarations(text: string): readonly { readonly name: string; readonly type: SqlType }[] {
  if (text.trim() === '') return [];
  const plain = text.replace(/\s+(?:OUTPUT|OUT)\s*(?=,|$)/gi, ' ');
  const [statement, ...rest] = parseBatch(`DECLARE ${plain}`);
  if (statement?.kind !== 'declare' || rest.length > 0) throw sqlError(102, text);
  return statement.variables;
}
