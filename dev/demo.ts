/**
 * `npm run demo`: the nightly job on this machine, with the shipped configuration against a stand-in SQL Server and
 * receiver. One batch is refused on the way; the demo fails where the job does not do what the README says.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { startReceiver } from './receiver.ts';
import { seed } from './sqlserver/seed.ts';
import { startSqlServer } from './sqlserver/server.ts';

const ROWS = { Users: 10_000, ActualOrg: 2500, ActualEntity: 2500, OrgObject: 2500, EventsCalendar: 500 };
const API_KEY = 'demo-api-key';

const root = new URL('../', import.meta.url);
const server = await startSqlServer();
const receiver = await startReceiver({ auth: { header: 'X-Api-Key', value: API_KEY }, idempotency: true });

/** Runs `tamhr-sync` as cron would, its output shown, and checks how it ended. */
async function tamhrSync(command: string, expectedCode: number): Promise<void> {
  console.log(styleText('bold', `\n$ tamhr-sync ${command}`));
  const child = spawn(process.execPath, ['bin/tamhr-sync.js', ...command.split(' ')], {
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
  const code = await new Promise((resolve) => child.on('close', resolve));
  console.log(`(exit code ${code})`);
  expect(`exit code of ${command}`, code, expectedCode);
}

function expect(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}: the demo found a bug`);
}

const say = (text: string) => console.log(styleText('cyan', `\n${text}`));
const callsOf = () =>
  receiver
    .calls('/users')
    .map((call) => call.rows)
    .join(' + ');

try {
  say('A SQL Server with 10,000 users and four more sources is filled …');
  await seed({ connectionString: (database) => server.connectionString(database), rows: ROWS });
  await tamhrSync('migrate', 0);

  say('The first night. The receiver refuses the second batch of users.');
  receiver.respond((call) => (call.path === '/users' && call.number === 2 ? { status: 503 } : undefined));
  await tamhrSync('run', 1);
  expect('what was sent', callsOf(), '3000 + 3000 + 3000 + 1000');
  expect('users at the receiver', receiver.accepted('/users').size, 7000);

  say('The next night. Only what the receiver does not have yet is sent.');
  receiver.respond(() => undefined);
  receiver.clear();
  await tamhrSync('run', 0);
  expect('what was sent', callsOf(), '3000');

  say('What an administrator sees in the morning.');
  await tamhrSync('status', 0);
} finally {
  await receiver.close();
  await server.close();
}
