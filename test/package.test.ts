import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

test('the tests run on a Node that the package supports', () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  assert.ok(major >= 24 || (major === 22 && minor >= 19), `this is Node ${process.versions.node}`);
});

describe('the package', () => {
  let folder: string;
  let packed: { filename: string; size: number; files: { path: string }[] };
  let readme: string;
  /** Runs the packed program. */
  const program = (args: readonly string[], env: Record<string, string> = {}) =>
    run(process.execPath, [join(folder, 'package/bin/tamhr-sync.js'), ...args], { cwd: folder, env });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-package-'));
    readme = await readFile(join(ROOT, 'README.md'), 'utf8');
    const npm = ['pack', '--json', '--loglevel=error', '--pack-destination', folder];
    const { stdout } = await run('npm', npm, { cwd: ROOT, shell: process.platform === 'win32' });
    packed = JSON.parse(stdout.slice(stdout.search(/^\[/m)))[0];
    await run('tar', ['-xzf', packed.filename], { cwd: folder });
    await symlink(join(ROOT, 'node_modules'), join(folder, 'package/node_modules'), 'junction');
  });
  after(() => rm(folder, { recursive: true }));

  it('holds what the program needs and people read, and nothing else', async () => {
    const paths = packed.files.map(({ path }) => path);
    const tops = new Set(paths.map((path) => path.replace(/^(bin|dist|sql|docs\/json)\/.*/, '$1')));
    assert.deepEqual([...tops].sort(), [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin',
      'dist',
      'docs/json',
      'package.json',
      'sql',
      'sync.config.json',
      'sync.config.schema.json',
    ]);
    const sql = (await readdir(join(ROOT, 'sql'))).map((name) => `sql/${name}`);
    for (const path of [...sql, 'dist/cli.js', 'bin/tamhr-sync.js']) assert.ok(paths.includes(path), path);
    const strays = paths.filter((path) => /\.(ts|map|test\.js|env|log|tgz)$|^dist\/(dev|test)\//.test(path));
    assert.deepEqual(strays, []);
  });

  it('is as small as the README says', () => {
    const [, kilobytes] = /package of at most (\d+) kB/.exec(readme) ?? [];
    const limit = Number(kilobytes) * 1000;
    assert.ok(packed.size <= limit && packed.size > limit / 2, `packed it has ${packed.size} bytes`);
  });

  it('runs from its compiled files, without a source folder', async () => {
    assert.match((await program(['--version'])).stdout, /^tamhr-sync 0\.\d+\.\d+ /);
    assert.match((await program(['migrate', '--print'])).stdout, /CREATE TABLE dbo\.TB_R_SYNC_SCHEMA/);
    const env = {
      TAMHR_DEFAULT_CONNECTION: 'Server=db;Database=MDM;User Id=a;Password=b',
      TAMHR_ESS_CONNECTION: 'Server=db;Database=ESS;User Id=a;Password=b',
      TAMHR_LOG_CONNECTION: 'Server=db;Database=LOG;User Id=a;Password=b',
      TAMHR_API_KEY: 'key-1',
    };
    const init = await program(['init', '--api-url', 'https://api.example.com', '--directory', 'job'], env);
    assert.match(init.stdout, /^ {2}tamhr-sync plan --config job\/sync\.config\.json/m);
    const { stdout } = await program(['config', 'validate', '--config', 'job/sync.config.json']);
    assert.match(stdout, /is valid: 5 entities/);
  });
});

describe('the container image', () => {
  it('is built without development dependencies and runs as no root', async () => {
    const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
    const [build = '', final = ''] = dockerfile.split(/^(?=FROM )/m).slice(-2);
    assert.match(build, /^FROM node:24-slim AS build$/m);
    assert.match(build, /npm ci --omit=dev/);
    assert.match(final, /^FROM node:24-slim$/m);
    assert.match(final, /^USER node$/m);
    assert.doesNotMatch(final, /npm (ci|install)|COPY \. /);
  });

  it('gets every file that its build copies, and none of a checkout that is secret', async () => {
    const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
    const ignored = (await readFile(join(ROOT, '.dockerignore'), 'utf8')).split('\n');
    assert.equal(ignored[0], '*', 'all is left out but what is named');
    const allowed = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    const [build = ''] = dockerfile.split(/^FROM node:24-slim$/m);
    const copied = [...build.matchAll(/^COPY (.*) \S+$/gm)].flatMap(([, paths = '']) => paths.split(' '));
    assert.ok(copied.length > 5);
    for (const path of copied) assert.ok(allowed.includes(path), `${path} is in .dockerignore`);
    for (const path of allowed)
      await readFile(join(ROOT, path)).catch((error) => assert.equal(error.code, 'EISDIR', path));
  });
});
