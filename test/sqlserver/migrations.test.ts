import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadMigrations, printableScript, readMigrations, splitBatches } from '../../src/sqlserver/migrations.ts';

async function folderWith(t: TestContext, files: Record<string, string>): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-sql-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return pathToFileURL(`${folder}/`);
}

describe('migrations', () => {
  it('are numbered without gaps', async () => {
    const migrations = await loadMigrations();
    assert.deepEqual(
      migrations.map(({ version }) => version),
      migrations.map((_, index) => index + 1),
    );
  });

  it('have the checksum of their text whatever its line ends and byte order mark', async (t) => {
    const unix = await readMigrations(await folderWith(t, { '001-a.sql': 'SELECT 1\nGO\n' }));
    const windows = await readMigrations(await folderWith(t, { '001-a.sql': '\uFEFFSELECT 1\r\nGO\r\n' }));
    const other = await readMigrations(await folderWith(t, { '001-a.sql': 'SELECT 2\nGO\n' }));
    assert.equal(windows[0]?.checksum, unix[0]?.checksum);
    assert.notEqual(other[0]?.checksum, unix[0]?.checksum);
  });

  it('are only the numbered .sql files, in the order of their numbers', async (t) => {
    const folder = await folderWith(t, { '010-c.sql': 'c', '002-b.sql': 'b', 'README.md': '', 'draft.sql': 'x' });
    assert.deepEqual(
      (await readMigrations(folder)).map(({ version, name }) => [version, name]),
      [
        [2, '002-b'],
        [10, '010-c'],
      ],
    );
  });

  it('are parted at lines of GO alone', () => {
    assert.deepEqual(splitBatches("CREATE TABLE GO_1 (a int)\n go \nSELECT 'GO'\nGO\n\nGO\n"), [
      'CREATE TABLE GO_1 (a int)',
      "SELECT 'GO'",
    ]);
  });

  it('stay within the T-SQL of SQL Server 2012', async () => {
    const script = printableScript(await loadMigrations());
    assert.doesNotMatch(script, /IF EXISTS\s+dbo|DROP\s+\w+\s+IF EXISTS|CREATE OR ALTER|OPENJSON|STRING_SPLIT|MERGE/i);
  });
});
