/**
 * `npm run demo`: the nightly job on this machine, with the shipped configuration against a stand-in SQL Server and
 * receiver. On the way a row is refused, a run is killed in the middle of a batch, people change their names and leave; the
 * demo fails where the job does not do what the README says.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { startReceiver } from './receiver.ts';
import { seed } from './sqlserver/seed.ts';
import { startSqlServer } from './sqlserver/server.ts';

const ROWS = { Users: 10_000, ActualOrg: 2500, ActualEntity: 2500, OrgObject: 2500, EventsCalendar: 500 };
const API_KEY = 'demo-api-key';
const BAD_NO_REG = 'NEW-123';

const root = new URL('../', import.meta.url);
const server = await startSqlServer();
const receiver = await startReceiver({
  auth: { header: 'X-Api-Key', value: API_KEY },
  idempotency: true,
  deletions: { '/users-deleted': '/users' },
});
const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-demo-'));

/** Starts `tamhr-sync` as cron would, its output shown. */
function start(command: string): ChildProcess {
  console.log(styleText('bold', `\n$ tamhr-sync ${command}`));
  return spawn(process.execPath, ['bin/tamhr-sync.js', ...command.split(' ')], {
    cwd: fileURLToPath(root),
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      TAMHR_DEFAULT_CONNECTION: server.connectionString('TAMHR_MDM'),
      TAMHR_ESS_CONNECTION: server.connectionString('TAMHR_ESS'),
      TAMHR_LOG_CONNECTION: server.connectionString('TAMHR_LOG'),
      TAMHR_API_URL: receiver.url,
      TAMHR_API_KEY: API_KEY,
    },
  });
}

/** Runs it to its end, and checks how it ended. */
async function tamhrSync(command: string, expectedCode: number): Promise<void> {
  const [code] = await once(start(command), 'close');
  console.log(`(exit code ${code})`);
  expect(`exit code of ${command}`, code, expectedCode);
}

/** Runs it, and kills it as soon as the receiver has taken the rows of this call, before it answers. */
async function tamhrSyncKilledAt(command: string, callNumber: number): Promise<void> {
  const child = start(command);
  const isOver = once(child, 'close');
  receiver.respond((call) => {
    if (call.number !== callNumber) return undefined;
    child.kill('SIGKILL');
    return { take: true, send: 'none' };
  });
  await isOver;
  receiver.respond(() => undefined);
  console.log('(killed)');
}

function expect(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}: the demo found a bug`);
}

/** Adds users with the NoRegs NEW-0, NEW-1 … */
async function addUsers(count: number): Promise<void> {
  const rows = Array.from(
    { length: count },
    (_, index) => `(NEWID(), N'NEW-${index}', N'new${index}', N'New ${index}', N'x', NULL, 1)`,
  );
  await server.query(
    'TAMHR_MDM',
    `INSERT INTO dbo.MDM_USER (Id, NoReg, Username, Name, Gender, Email, IsActive) VALUES ${rows.join(', ')}`,
  );
}

/** The shipped configuration with users that are mirrored. */
async function writeMirror(): Promise<string> {
  const file = join(folder, 'mirror.config.json');
  const config = JSON.parse(await readFile(new URL('sync.config.json', root), 'utf8'));
  const users = config.entities.find(({ name }: { name: string }) => name === 'Users');
  Object.assign(users, { changes: 'mirror', deleted: { url: '/users-deleted', map: { Code: 'Id' } } });
  await writeFile(file, JSON.stringify(config, null, 2));
  return file;
}

const say = (text: string) => console.log(styleText('cyan', `\n${text}`));
const timesTaken = () => [...receiver.accepted('/users').values()].map(({ times }) => times);

try {
  say('A SQL Server with 10,000 users and four more sources is filled …');
  await seed({ connectionString: (database) => server.connectionString(database), rows: ROWS });
  await tamhrSync('migrate', 0);

  say(
    'The first night. The machine dies while the second batch of users is on its way: the receiver has just taken it.',
  );
  await tamhrSyncKilledAt('run', 2);
  expect('users at the receiver', receiver.accepted('/users').size, 6000);

  say(
    'The next run sends that batch again, the same bytes under the same Idempotency-Key, then what is left. Nothing twice.',
  );
  await tamhrSync('run', 0);
  expect('users at the receiver', receiver.accepted('/users').size, ROWS.Users);
  expect('the most often that a user was taken', Math.max(...timesTaken()), 1);

  say('A new night with 500 more users. The receiver refuses one of them: it is found, and the other 499 go through.');
  await addUsers(500);
  receiver.respond((_, rows) => (rows.some((row) => row.NoReg === BAD_NO_REG) ? { status: 422 } : undefined));
  await tamhrSync('run --entity Users', 1);
  expect('users at the receiver', receiver.accepted('/users').size, ROWS.Users + 499);
  await tamhrSync('failures list', 0);

  say('The receiver learns to take it.');
  receiver.respond(() => undefined);
  await tamhrSync('failures retry --entity Users', 0);
  await tamhrSync('run --entity Users', 0);
  expect('users at the receiver', receiver.accepted('/users').size, ROWS.Users + 500);
  expect('the most often that a user was taken', Math.max(...timesTaken()), 1);

  say(
    'From now on the receiver is to mirror the users. One gets a new name, two leave; `plan` tells what a run would do.',
  );
  const mirror = await writeMirror();
  await tamhrSync(`run --entity Users --config ${mirror}`, 0);
  await server.query('TAMHR_MDM', "UPDATE dbo.MDM_USER SET Name = N'Siti Baru' WHERE NoReg = N'NEW-7'");
  await server.query('TAMHR_MDM', "DELETE FROM dbo.MDM_USER WHERE NoReg IN (N'NEW-8', N'NEW-9')");
  await tamhrSync(`plan --entity Users --sample 1 --config ${mirror}`, 0);
  await tamhrSync(`run --entity Users --config ${mirror}`, 0);
  const users = [...receiver.holds('/users').values()];
  expect('users at the receiver', users.length, ROWS.Users + 498);
  expect('the new name at the receiver', users.find(({ NoReg }) => NoReg === 'NEW-7')?.Name, 'Siti Baru');

  say('What an administrator sees in the morning.');
  await tamhrSync('status', 0);
} finally {
  await receiver.close();
  await server.close();
  await rm(folder, { recursive: true });
}
