/** A configuration under examination: its tree, of which parts may be wrong, and the problems found so far. */
import type { Path, Problem } from './problem.ts';

/** Lets a check look at its part of the configuration whatever is wrong with the others. */
export class Draft {
  readonly #tree: unknown;
  readonly #problems: Problem[];
  readonly #mayShow: (path: Path) => boolean;

  /** `mayShow` says of a path whether the value there may stand in a message. */
  constructor(tree: unknown, problems: readonly Problem[], mayShow: (path: Path) => boolean) {
    this.#tree = tree;
    this.#problems = [...problems];
    this.#mayShow = mayShow;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** `text` must not hold a value that may be secret. */
  report(path: Path, text: string): void {
    this.#problems.push({ path, text });
  }

  /** The value at a path for a message, as JSON; `a value` where it may be secret. */
  show(path: Path): string {
    return this.#mayShow(path) ? JSON.stringify(this.#at(path)) : 'a value';
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
