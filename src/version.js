/**
 * The versions of the package and of what it stands on, read from package.json files. Plain JavaScript, so that a checkout
 * says them without loading what strips types, which takes longer than all of Node's start.
 */
import { readFileSync } from 'node:fs';

/** Such as `0.1.0`; from the package.json one folder above src/ and dist/ alike. */
export const VERSION = versionIn(new URL('../package.json', import.meta.url));

/** `tamhr-sync 0.1.0 (Node 24.21.0, tedious 20.3.9, undici 8.12.4)`. */
export function versionLine() {
  const libraries = ['tedious', 'undici'].map(
    (name) => `${name} ${versionIn(new URL(import.meta.resolve(`${name}/package.json`)))}`,
  );
  return `tamhr-sync ${VERSION} (${[`Node ${process.versions.node}`, ...libraries].join(', ')})`;
}

/**
 * @param {URL} file
 * @returns {string}
 */
function versionIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
