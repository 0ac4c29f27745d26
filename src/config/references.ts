/** Secret references in the configuration's strings: `${env:NAME}` and `${file:path}`; `$${` is a plain `${`. */
import { resolve } from 'node:path';
import type { Path, Problem } from './problem.ts';
import { readFailure, readText } from './text-file.ts';

/** A problem of a reference; `unresolved` where it is well formed and what it names is missing. */
interface ReferenceProblem extends Problem {
  readonly unresolved: boolean;
}

/** A value that a reference stood for, and the path of the string that it stands in. */
export interface ResolvedReference {
  readonly path: Path;
  /** The reference: `${env:NAME}`. */
  readonly source: string;
  readonly value: string;
}

/** The tree with its references resolved. Strings with a problem stay as they are. */
export interface Resolved {
  readonly tree: unknown;
  readonly references: readonly ResolvedReference[];
  readonly problems: readonly ReferenceProblem[];
}

/** Where references look: variables by name, and the directory that file paths are relative to. */
export interface ReferenceScope {
  readonly variable: (name: string) => string | undefined;
  readonly directory: string;
}

const REFERENCE = /\$\$\{|\$\{(?:(env|file):([^}]+)\})?/g;

/** Whether the text has a reference that is no escape. */
export function hasReference(text: string): boolean {
  return text.matchAll(REFERENCE).some(([all]) => all !== '$${');
}

/** Resolves every reference in every string of a JSON tree. What a reference brings in is not searched again. */
export async function resolveReferences(tree: unknown, scope: ReferenceScope): Promise<Resolved> {
  const references: ResolvedReference[] = [];
  const problems: ReferenceProblem[] = [];
  return { tree: await walk(tree, []), references, problems };

  async function walk(node: unknown, path: Path): Promise<unknown> {
    if (typeof node === 'string') return text(node, path);
    if (typeof node !== 'object' || node === null) return node;
    // One after the other, so that problems come in the file's order.
    const members: [key: string, value: unknown][] = [];
    for (const [key, value] of Object.entries(node)) {
      if (hasReference(key)) {
        problems.push({ path, unresolved: false, text: 'found a reference in a key, expected it in a value' });
      }
      members.push([key, await walk(value, [...path, Array.isArray(node) ? Number(key) : key])]);
    }
    return Array.isArray(node) ? members.map(([, value]) => value) : Object.fromEntries(members);
  }

  async function text(source: string, path: Path): Promise<string> {
    let result = '';
    let end = 0;
    let broken = false;
    for (const found of source.matchAll(REFERENCE)) {
      const [all, scheme, name] = found;
      result += source.slice(end, found.index);
      end = found.index + all.length;
      if (all === '$${') {
        result += '${';
        continue;
      }
      const value = await look(scheme, name, path);
      if (value === undefined) broken = true;
      else references.push({ path, source: all, value });
      result += value ?? '';
    }
    return broken ? source : result + source.slice(end);
  }

  async function look(scheme: string | undefined, name: string | undefined, path: Path): Promise<string | undefined> {
    if (scheme === undefined || name === undefined) {
      // What stands between the braces may be part of a password.
      const text = 'found "${" that begins no reference, expected ${env:NAME} or ${file:path} (a plain "${" is "$${")';
      problems.push({ path, unresolved: false, text });
      return undefined;
    }
    if (scheme === 'env') {
      const value = scope.variable(name);
      if (value === undefined) {
        const text = `\${env:${name}} is not resolved: neither the secrets file nor the environment has ${name}`;
        problems.push({ path, unresolved: true, text });
      }
      return value;
    }
    try {
      return (await readText(resolve(scope.directory, name))).replace(/\r?\n$/, '');
    } catch (error) {
      problems.push({ path, unresolved: true, text: `\${file:${name}} is not resolved: ${readFailure(error)}` });
      return undefined;
    }
  }
}
