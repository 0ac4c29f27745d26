/** The package's version, read from its package.json (one folder above src/ and dist/ alike). */
import { readFileSync } from 'node:fs';

/** Such as `0.1.0`. */
export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
