/** `npm run sqlserver`: a stand-in with sample rows for trials by hand. It prints the connection strings and runs until stopped. */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { DATABASE_NAMES, seed } from './seed.ts';
import { startSqlServer } from './server.ts';

const USAGE = `Usage: npm run sqlserver -- [options]

  --port N       port on 127.0.0.1 (default 14330, 0 for a free one)
  --rows N       sample rows in each of the five sources (default 10000)
  --ledger N     ledger rows that the old job left for the first N users (default 0)
  --storage DIR  keep the databases in this folder; they are filled only where it is empty
  --tls          take no client without TLS
`;

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '14330' },
    rows: { type: 'string', default: '10000' },
    ledger: { type: 'string', default: '0' },
    storage: { type: 'string' },
    tls: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) {
  process.stdout.write(USAGE);
} else {
  await serve();
}

async function serve(): Promise<void> {
  const server = await startSqlServer({
    port: Number(values.port),
    databases: [],
    ...(values.storage === undefined ? {} : { storage: values.storage }),
    ...(values.tls ? { tls: 'required' } : {}),
  });
  const [existing] = await server.query('master', `SELECT DB_ID('${DATABASE_NAMES.log}') AS Id`);
  if (existing?.Id === null) {
    const oldRows = Number(values.ledger);
    await seed({
      connectionString: (database) => server.connectionString(database),
      rows: Number(values.rows),
      ...(oldRows > 0 ? { oldJob: { rows: oldRows } } : {}),
    });
  }
  const lines = [
    ['TAMHR_DEFAULT_CONNECTION', DATABASE_NAMES.mdm],
    ['TAMHR_ESS_CONNECTION', DATABASE_NAMES.ess],
    ['TAMHR_LOG_CONNECTION', DATABASE_NAMES.log],
  ].map(([name, database = '']) => `export ${name}='${server.connectionString(database)}'\n`);
  process.stdout.write(lines.join(''));
  process.stderr.write(`Listening on 127.0.0.1:${server.port}. Stop with Ctrl-C.\n`);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await server.close();
}
