/** The versions of the package and of what it stands on, read from package.json files. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Such as `0.1.0`; from the package.json one folder above src/ and dist/ alike. */
export const VERSION: string = versionIn(new URL('../package.json', import.meta.url));

/** `tamhr-sync 0.1.0 (Node 24.21.0, tedious 20.3.9, undici 8.12.4)`. */
export function versionLine(): string {
  const { resolve } = createRequire(import.meta.url);
  const libraries = ['tedious', 'undici'].map((name) => `${name} ${versionIn(resolve(`${name}/package.json`))}`);
  return `tamhr-sync ${VERSION} (${[`Node ${process.versions.node}`, ...libraries].join(', ')})`;
}

function versionIn(file: string | URL): string {
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
