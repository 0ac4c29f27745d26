/** A configuration under examination: its tree, of which parts may be wrong, and the problems found so far. */
import type { Path, Problem } from './problem.ts';

/** Lets a check look at its part of the configuration whatever is wrong with the others. */
export class Draft {
  readonly #tree: unknown;
  readonly #problems: Problem[];

  constructor(tree: unknown, problems: readonly Problem[]) {
    this.#tree = tree;
    this.#problems = [...problems];
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** `text` must not hold a value that may be secret. */
  report(path: Path, text: string): void {
    this.#problems.push({ path, text });
  }

  /** Whether nothing is wrong at this path, below or above it. */
  isIntact(path: Path): boolean {
    return this.#problems.every((problem) =>
      problem.path.some((key, index) => index < path.length && key !== path[index]),
    );
  }

  /** The value at a path; undefined where none is, or where the path is not intact. T is what the schema says of it. */
  get<T>(path: Path): T | undefined {
    return this.isIntact(path) ? (this.#at(path) as T | undefined) : undefined;
  }

  /** The paths of an object's members or a list's items; none where neither is there. */
  children(path: Path): Path[] {
    const node = this.#at(path);
    if (Array.isArray(node)) return node.map((_, index) => [...path, index]);
    return typeof node === 'object' && node !== null ? Object.keys(node).map((key) => [...path, key]) : [];
  }

  #at(path: Path): unknown {
    let node = this.#tree;
    for (const key of path) {
      if (typeof node !== 'object' || node === null || !Object.hasOwn(node, key)) return undefined;
      node = (node as Record<string | number, unknown>)[key];
    }
    return node;
  }
}
