/** The migrations in sql/: reading them, and the script that applies one and records it in TB_R_SYNC_SCHEMA. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';

/** One file of sql/, such as 001-tables.sql. Files are never changed once released. */
export interface Migration {
  /** Counted from 1 without gaps. */
  readonly version: number;
  /** The file's name without `.sql`. */
  readonly name: string;
  /** With line feeds alone, whatever the file has. */
  readonly sql: string;
  /** SHA-256 of `sql`, hexadecimal. */
  readonly checksum: string;
}

/** Beside src/ as beside dist/. */
const SQL_FOLDER = new URL('../../sql/', import.meta.url);

let loaded: Promise<readonly Migration[]> | undefined;

/** All migrations in order, read once. */
export function loadMigrations(): Promise<readonly Migration[]> {
  loaded ??= readMigrations(SQL_FOLDER);
  return loaded;
}

/** The migrations of a folder in order. */
export async function readMigrations(folder: URL): Promise<readonly Migration[]> {
  const files = (await readdir(folder)).filter((file) => /^\d+-.*\.sql$/.test(file)).sort();
  return Promise.all(
    files.map(async (file) => {
      const sql = (await readFile(new URL(file, folder), 'utf8')).replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
      return {
        version: Number.parseInt(file, 10),
        name: file.slice(0, -'.sql'.length),
        sql,
        checksum: createHash('sha256').update(sql).digest('hex'),
      };
    }),
  );
}

/** The batches of a script, which lines of `GO` part, as SQL Server's own tools have it. */
export function splitBatches(sql: string): string[] {
  return sql
    .split(/^[ \t]*GO[ \t]*$/im)
    .map((batch) => batch.trim())
    .filter((batch) => batch !== '');
}

/** The statement that records a migration as applied; it does nothing where it is recorded. */
export function recordStatement({ version, name, checksum }: Migration): string {
  return `INSERT INTO dbo.TB_R_SYNC_SCHEMA (Version, Name, Checksum, AppliedAt)
SELECT ${version}, N'${name.replaceAll("'", "''")}', '${checksum}', SYSUTCDATETIME()
WHERE NOT EXISTS (SELECT 1 FROM dbo.TB_R_SYNC_SCHEMA WHERE Version = ${version});`;
}

/** All migrations as one script for sqlcmd or Management Studio; it may run again and again. */
export function printableScript(migrations: readonly Migration[]): string {
  return migrations
    .map((migration) => `-- ${migration.name}.sql\n\n${migration.sql.trimEnd()}\n\n${recordStatement(migration)}\nGO\n`)
    .join('\n');
}
