/**
 * sp_executesql and the sp_prepare family: which text a call runs, with which parameters. The parameters' declaration is
 * a text too (`@a int, @b nvarchar(10) output`).
 */
import { type Parameter, SqlServerError, type SqlType, type SqlValue } from '../engine.ts';
import type { RpcCall, RpcParameter } from './requests.ts';

/** What a call comes to: a text to run, an engine's procedure to call, or nothing but outputs. */
export interface Execution {
  readonly run?: { readonly sql: string; readonly parameters: readonly Parameter[] };
  readonly call?: { readonly procedure: string; readonly parameters: readonly Parameter[] };
  /** Output values that are known without running anything: the handle of a prepared statement. */
  readonly outputs: readonly { readonly name: string; readonly value: number }[];
}

interface PreparedStatement {
  readonly sql: string;
  readonly declared: readonly Declared[];
}

interface Declared {
  readonly name: string;
  readonly type: SqlType;
  readonly output: boolean;
}

/** The statements that one connection has prepared. */
export class PreparedStatements {
  readonly #byHandle = new Map<number, PreparedStatement>();
  #lastHandle = 0;

  /** Forgets all of them, as a reset of the connection does. */
  clear(): void {
    this.#byHandle.clear();
  }

  /** Throws SqlServerError (214, 8178, 8179 …) for a call that SQL Server would refuse. */
  resolve(call: RpcCall): Execution {
    const [first, second, third] = call.parameters;
    switch (baseName(call.procedure)) {
      case 'sp_executesql':
        return this.#run(textOf(first, call), optionalText(second), call.parameters.slice(2), []);
      case 'sp_prepare': {
        const handle = this.#prepare(textOf(third, call), optionalText(second));
        return { outputs: [{ name: first?.name ?? '', value: handle }] };
      }
      case 'sp_prepexec': {
        const declaration = optionalText(second);
        const handle = this.#prepare(textOf(third, call), declaration);
        const output = { name: first?.name ?? '', value: handle };
        return this.#run(textOf(third, call), declaration, call.parameters.slice(3), [output]);
      }
      case 'sp_execute': {
        const prepared = this.#find(first);
        const parameters = bind(prepared.declared, call.parameters.slice(1), prepared.sql);
        return { run: { sql: prepared.sql, parameters }, outputs: [] };
      }
      case 'sp_unprepare':
        this.#find(first);
        this.#byHandle.delete(Number(first?.value));
        return { outputs: [] };
      default:
        return { call: { procedure: call.procedure, parameters: call.parameters }, outputs: [] };
    }
  }

  #prepare(sql: string, declaration: string): number {
    this.#lastHandle += 1;
    this.#byHandle.set(this.#lastHandle, { sql, declared: parseDeclaration(declaration) });
    return this.#lastHandle;
  }

  #find(handle: RpcParameter | undefined): PreparedStatement {
    const prepared = this.#byHandle.get(Number(handle?.value));
    if (prepared === undefined) {
      throw refusal(8179, `Could not find prepared statement with handle ${String(handle?.value ?? 0)}.`);
    }
    return prepared;
  }

  #run(sql: string, declaration: string, given: readonly RpcParameter[], outputs: Execution['outputs']): Execution {
    return { run: { sql, parameters: bind(parseDeclaration(declaration), given, sql) }, outputs };
  }
}

/** `master.sys.[sp_executesql]` is sp_executesql. */
function baseName(procedure: string): string {
  const last = procedure.slice(procedure.lastIndexOf('.') + 1);
  return last.replace(/^\[|\]$/g, '').toLowerCase();
}

function refusal(number: number, message: string): SqlServerError {
  return new SqlServerError({ number, severity: 16, state: 1, message, line: 1 });
}

function optionalText(parameter: RpcParameter | undefined): string {
  return typeof parameter?.value === 'string' ? parameter.value : '';
}

function textOf(parameter: RpcParameter | undefined, call: RpcCall): string {
  if (typeof parameter?.value === 'string') return parameter.value;
  throw refusal(
    214,
    `Procedure expects parameter '@statement' of type 'ntext/nchar/nvarchar'. (${baseName(call.procedure)})`,
  );
}

/** Gives each declared parameter its value, by name or, where the call names none, by position. */
function bind(declared: readonly Declared[], given: readonly RpcParameter[], sql: string): readonly Parameter[] {
  const unknown = given.find(
    ({ name }) => name !== '' && !declared.some((one) => one.name.toLowerCase() === name.toLowerCase()),
  );
  if (unknown !== undefined) throw refusal(8145, `${unknown.name} is not a parameter for procedure sp_executesql.`);
  if (given.length > declared.length) {
    throw refusal(8144, 'Procedure or function sp_executesql has too many arguments specified.');
  }
  return declared.map(({ name, type, output }, position) => {
    const value =
      given.find((one) => one.name.toLowerCase() === name.toLowerCase()) ??
      (given[position]?.name === '' ? given[position] : undefined);
    if (value === undefined) {
      const declaration = declared.map((one) => `${one.name} ${one.type.name}`).join(',');
      throw refusal(
        8178,
        `The parameterized query '(${declaration})${sql}' expects the parameter '${name}', which was not supplied.`,
      );
    }
    return { name, output: output && value.output, ...declaredAs(type, value) };
  });
}

/**
 * The declared type wins where values of both types look alike (engine.ts); elsewhere the value keeps the type it came
 * with, and the engine converts it where it is used.
 */
function declaredAs(declared: SqlType, given: RpcParameter): { type: SqlType; value: SqlValue } {
  if (given.value === null) return { type: declared, value: null };
  const from = representation(given.type);
  const to = representation(declared);
  if (from === to && from !== 'exact') return { type: declared, value: given.value };
  if (from === 'integer' && declared.name === 'bigint') return { type: declared, value: BigInt(Number(given.value)) };
  return { type: given.type, value: given.value };
}

function representation(type: SqlType): string {
  switch (type.name) {
    case 'bit':
      return 'bit';
    case 'tinyint':
    case 'smallint':
    case 'int':
      return 'integer';
    case 'char':
    case 'varchar':
    case 'nchar':
    case 'nvarchar':
    case 'text':
    case 'ntext':
    case 'xml':
      return 'text';
    case 'binary':
    case 'varbinary':
    case 'image':
    case 'rowversion':
      return 'binary';
    case 'decimal':
    case 'numeric':
      // Scales may differ, and so the unscaled values.
      return 'exact';
    default:
      return type.name;
  }
}

const PARAMETER =
  /^\s*(@[\p{L}\p{N}_@#$]+)\s+(?:as\s+)?(?:\[?sys\]?\.)?\[?([a-z0-9]+)\]?\s*(?:\(\s*(max|\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*(?:=\s*(?:null|\S+?)\s*)?(output|out)?\s*(,|$)/iu;

const SYNONYMS: Record<string, SqlType['name']> = { integer: 'int', dec: 'decimal', timestamp: 'rowversion' };
const TYPE_NAMES: ReadonlySet<string> = new Set<SqlType['name']>([
  'bit',
  'tinyint',
  'smallint',
  'int',
  'bigint',
  'real',
  'float',
  'decimal',
  'numeric',
  'smallmoney',
  'money',
  'date',
  'time',
  'smalldatetime',
  'datetime',
  'datetime2',
  'datetimeoffset',
  'uniqueidentifier',
  'char',
  'varchar',
  'nchar',
  'nvarchar',
  'text',
  'ntext',
  'xml',
  'binary',
  'varbinary',
  'image',
  'rowversion',
]);

function parseDeclaration(declaration: string): readonly Declared[] {
  const declared: Declared[] = [];
  let rest = declaration.trim();
  while (rest !== '') {
    const match = PARAMETER.exec(rest);
    if (match === null) throw refusal(102, `Incorrect syntax near '${rest.slice(0, 40)}'.`);
    const [text, name = '', typeName = '', size, scale, output] = match;
    declared.push({ name, type: declaredType(typeName.toLowerCase(), size, scale), output: output !== undefined });
    rest = rest.slice(text.length).trim();
  }
  return declared;
}

function declaredType(word: string, size: string | undefined, scale: string | undefined): SqlType {
  const name = SYNONYMS[word] ?? word;
  if (!isTypeName(name)) throw refusal(2715, `Column, parameter, or variable #1: Cannot find data type ${word}.`);
  switch (name) {
    case 'decimal':
    case 'numeric':
      return { name, precision: Number(size ?? 18), scale: Number(scale ?? 0) };
    case 'time':
    case 'datetime2':
    case 'datetimeoffset':
      return { name, scale: Number(size ?? 7) };
    case 'float':
      return { name: Number(size ?? 53) <= 24 ? 'real' : 'float' };
    case 'char':
    case 'varchar':
    case 'nchar':
    case 'nvarchar':
    case 'binary':
    case 'varbinary':
      return { name, length: size?.toLowerCase() === 'max' ? 'max' : Number(size ?? 1) };
    default:
      return { name };
  }
}

function isTypeName(name: string): name is SqlType['name'] {
  return TYPE_NAMES.has(name);
}
