/** The product as it is shipped, and the floors and scripts transpiled like it, so that none strips types while it is measured. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DEV = fileURLToPath(new URL('../', import.meta.url));
const SHIPPED = ['bin', 'sql', 'docs/json', 'package.json', 'sync.config.schema.json'];

/** The floors and the scripts. */
const SCRIPTS = {
  f1: new URL('./work/f1.ts', import.meta.url),
  f2: new URL('./work/f2.ts', import.meta.url),
  f3: new URL('./work/f3.ts', import.meta.url),
  'mssql-script': new URL('./work/mssql-script.ts', import.meta.url),
  'old-job': new URL('./work/old-job.ts', import.meta.url),
};

export type ScriptName = keyof typeof SCRIPTS;

/** What was built; paths are absolute. */
export interface Built {
  /** The command line's script. */
  readonly product: string;
  /** To be preloaded, see usage.ts. */
  readonly usage: string;
  /** The script of a floor or of another work. */
  script(name: ScriptName): string;
  /** A folder with the shipped configuration at this concurrency: the product's working directory. */
  job(concurrency: number): Promise<string>;
}

/** Builds into an empty folder. Rejects where tsc finds fault. */
export async function build(folder: string): Promise<Built> {
  await Promise.all(SHIPPED.map((path) => cp(join(ROOT, path), join(folder, path), { recursive: true })));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  await compile('tsconfig.build.json', join(folder, 'dist'));
  await compile('dev/bench/tsconfig.json', join(folder, 'dev'));
  return {
    product: join(folder, 'bin/tamhr-sync.js'),
    usage: join(folder, 'dev/bench/usage.js'),
    script: (name) => join(folder, 'dev', relative(DEV, fileURLToPath(SCRIPTS[name])).replace(/\.ts$/, '.js')),
    async job(concurrency) {
      const job = join(folder, `job-${concurrency}`);
      await mkdir(job);
      const config = JSON.parse(await readFile(join(ROOT, 'sync.config.json'), 'utf8'));
      config.destination.concurrency = concurrency;
      await writeFile(join(job, 'sync.config.json'), JSON.stringify(config, null, 2));
      return job;
    },
  };
}

async function compile(project: string, outDir: string): Promise<void> {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [tsc, '-p', join(ROOT, project), '--outDir', outDir]);
}
