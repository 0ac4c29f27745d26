/** The stand-in SQL Server of the bench, a process of its own, in memory. It ends when its parent does. */
import { startSqlServer } from '../sqlserver/server.ts';
import type { FromServer } from './processes.ts';

// Control-C reaches the whole group; the parent tidies up first.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
const server = await startSqlServer({ databases: [] });
tell({ kind: 'listening', connectionString: server.connectionString('master') });

// Whatever it is told, that is the question.
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  tell({ kind: 'used', cpuS: (user + system) / 1e6 });
});

function tell(message: FromServer): void {
  process.send?.(message);
}
