/** The checks of `check` that ask SQL Server: connections, clocks, the log database, sources. */
import type { Config } from '../../config/config.ts';
import type { CheckServer } from '../../sqlserver/check-server.ts';
import type { Check } from '../../sync/check.ts';
import type { ConnectionFacts } from '../../sync/check-facts.ts';
import type { ConnectionSettings } from '../../sync/connection.ts';
import type { Entity } from '../../sync/entity.ts';

/** Of these entities and what they need; `selected` is undefined where all of the configuration is meant. */
export async function databaseChecks(
  config: Config,
  selected: readonly Entity[] | undefined,
  server: CheckServer,
): Promise<Check[]> {
  const entities = selected ?? config.entities;
  const used = new Set([...entities.map(({ source }) => source.connection), config.logConnection]);
  const connections = Object.values(config.connections).filter(({ name }) => selected === undefined || used.has(name));
  const opened = new Map<string, ConnectionFacts>();
  return [
    ...(await connectionChecks(connections, config.logConnection, server, opened)),
    ...(await logChecks(config, entities, server, opened)),
    ...(await Promise.all(entities.map((entity) => sourceChecks(entity, server)))).flat(),
  ];
}

const connectionId = (name: string) => `connection ${name}`;

/** `opened` gets the facts of the connections that could be opened. */
async function connectionChecks(
  connections: readonly ConnectionSettings[],
  logConnection: string,
  server: CheckServer,
  opened: Map<string, ConnectionFacts>,
): Promise<Check[]> {
  const { connectionFinding, clockFinding } = await import('../../report/check-findings.ts');
  const { concernsAllDatabases } = await import('../../sqlserver/check-server.ts');
  /** Servers with logins that failed, or do not answer yet, and the connection that tried. */
  const tried = new Map<string, string>();
  const logins = Map.groupBy(connections, loginOf);
  const servers = Map.groupBy(connections, placeOf);
  const checks = connections.map((connection): Check => {
    const { name } = connection;
    const login = loginOf(connection);
    const same = logins.get(login) ?? [];
    return {
      id: connectionId(name),
      kind: 'connection',
      subject: name,
      // One after the other: the same wrong password several times locks an account.
      after: same.slice(0, same.indexOf(connection)).map((other) => connectionId(other.name)),
      async run() {
        const before = tried.get(login);
        if (before !== undefined) {
          return {
            state: 'skipped',
            found: `not tried, since connection ${before} failed on the same server and login`,
          };
        }
        tried.set(login, name);
        try {
          const facts = await server.connection(name);
          tried.delete(login);
          opened.set(name, facts);
          return connectionFinding(facts, name === logConnection);
        } catch (error) {
          if (!concernsAllDatabases(error)) tried.delete(login);
          throw error;
        }
      },
    };
  });
  const clocks = [...servers.values()].map(([first]): Check => {
    const { name, server: host } = first as ConnectionSettings;
    return {
      id: `clock ${name}`,
      kind: 'clock',
      subject: host,
      needs: [connectionId(name)],
      run: async () => clockFinding(await server.clock(name)),
    };
  });
  return [...checks, ...clocks];
}

function placeOf({ server, port, instance }: ConnectionSettings): string {
  return JSON.stringify([server.toLowerCase(), port ?? null, instance?.toLowerCase() ?? null]);
}

function loginOf(connection: ConnectionSettings): string {
  return JSON.stringify([placeOf(connection), connection.login]);
}

async function logChecks(
  { logConnection, schedule }: Config,
  entities: readonly Entity[],
  server: CheckServer,
  opened: ReadonlyMap<string, ConnectionFacts>,
): Promise<Check[]> {
  const findings = await import('../../report/check-findings.ts');
  const { timeFormatter } = await import('../../report/format.ts');
  const time = timeFormatter(schedule?.timeZone ?? 'UTC');
  const one = (kind: Check['kind'], needs: string, run: Check['run'], more?: Pick<Check, 'tooLong'>): Check => ({
    id: kind,
    kind,
    subject: '',
    needs: [needs],
    ...more,
    run,
  });
  const connected = connectionId(logConnection);
  return [
    one('migrations', connected, async () => {
      const { pending, version } = await server.migrations();
      return findings.migrationsFinding(pending, version);
    }),
    one('permissions', 'migrations', async () =>
      findings.permissionsFinding(await server.permissions(), opened.get(logConnection)?.user ?? 'the login'),
    ),
    one('trackingIndex', 'migrations', async () => findings.trackingIndexFinding(await server.trackingIndex())),
    one('space', connected, async () => findings.spaceFinding(await server.space()), { tooLong: 'warning' }),
    one('locks', 'migrations', async () =>
      findings.locksFinding(await server.heldLocks(entities), entities.length, time),
    ),
  ];
}

async function sourceChecks(entity: Entity, server: CheckServer): Promise<Check[]> {
  const findings = await import('../../report/check-findings.ts');
  const { columnsOf, compileMap } = await import('../../sync/map.ts');
  const { name, source, map, deleted, timeZone } = entity;
  const reader = server.source(entity, source.columns ?? columnsOf(map));
  const one = (kind: Check['kind'], needs: string, run: Check['run'], more?: Pick<Check, 'tooLong'>): Check => ({
    id: `${kind} ${name}`,
    kind,
    subject: name,
    needs: [needs],
    ...more,
    run,
  });
  const readable = `source ${name}`;
  return [
    one('source', connectionId(source.connection), async () => {
      const columns = await reader.describe();
      compileMap(entity, columns);
      const isKey = (column: string) => source.key.some((key) => key.toLowerCase() === column.toLowerCase());
      if (deleted?.map !== undefined) {
        compileMap(
          { name: `${name} (deleted)`, map: deleted.map, timeZone },
          columns.filter((column) => isKey(column.name)),
        );
      }
      return findings.sourceFinding(source.table ?? 'the query', columns.length, source.key);
    }),
    one('key', readable, async () => findings.keyFinding(await server.key(entity)), { tooLong: 'warning' }),
    one('rows', readable, async () => findings.rowsFinding(await reader.count(), source.minRows), {
      tooLong: 'warning',
    }),
    // Where each row is sent once, nothing is detected.
    ...(entity.changes === 'new'
      ? []
      : [one('changes', readable, async () => findings.changesFinding(entity.changes, await reader.detection()))]),
  ];
}
