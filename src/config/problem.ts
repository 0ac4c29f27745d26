/** Problems of a configuration: where, what was found, what is expected. They are collected, never thrown one by one. */
import { closestMatch } from 'leven';

/** Keys and indexes from the top of the configuration. */
export type Path = readonly (string | number)[];

/** What is wrong at one place. `text` never holds a value that may be secret. */
export interface Problem {
  readonly path: Path;
  readonly text: string;
}

/** `entities[1].source.table`; keys that are no plain words stand in quotes: `map["e mail"]`. */
export function formatPath(path: Path): string {
  if (path.length === 0) return '(top level)';
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[\w$-]+$/.test(key)) return `[${JSON.stringify(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join('');
}

/** `, did you mean "table"?`, or nothing where no candidate is near. Case does not count. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const folded = new Map(candidates.map((candidate) => [candidate.toLowerCase(), candidate]));
  const closest = closestMatch(word.toLowerCase(), [...folded.keys()], {
    maxDistance: Math.max(2, Math.floor(word.length / 3)),
  });
  return closest === undefined ? '' : `, did you mean ${JSON.stringify(folded.get(closest))}?`;
}

/** `"a", "b" or "c"`, as JSON. */
export function oneOf(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`;
}
