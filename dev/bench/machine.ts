/** What the figures were measured on: enough to compare, and nothing that names the machine. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { VERSION } from '../../src/version.js';
import type { BenchReport } from './figures.ts';

export function machine(): BenchReport['machine'] {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryMb: Math.round(totalmem() / 2 ** 20),
    system: `${platform()} ${release().split('-')[0]}`,
  };
}

/** Of the product, Node and the libraries that do the work. */
export function versions(): Pick<BenchReport, 'version' | 'node' | 'tedious' | 'undici'> {
  const { resolve } = createRequire(import.meta.url);
  const versionOf = (name: string): string => JSON.parse(readFileSync(resolve(`${name}/package.json`), 'utf8')).version;
  return {
    version: VERSION,
    node: process.versions.node,
    tedious: versionOf('tedious'),
    undici: versionOf('undici'),
  };
}
