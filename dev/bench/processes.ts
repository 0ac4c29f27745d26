/** The server and the receiver as processes of their own, and what is said to them and by them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What a receiver got since it was last told to begin. */
export interface Received {
  readonly calls: number;
  readonly bytes: number;
}

export type ToReceiver = { readonly kind: 'begin'; readonly delayMs: number } | { readonly kind: 'tell' };
export type FromReceiver =
  | { readonly kind: 'listening'; readonly url: string }
  | { readonly kind: 'begun' }
  | { readonly kind: 'received'; readonly received: Received };
export type FromServer =
  /** The connection string is that of `master`. */
  { readonly kind: 'listening'; readonly connectionString: string } | { readonly kind: 'used'; readonly cpuS: number };

/** A receiver that only counts. */
export interface CountingReceiver {
  readonly url: string;
  /** Counts from zero, and takes so long for each call. */
  begin(delayMs: number): Promise<void>;
  received(): Promise<Received>;
  stop(): Promise<void>;
}

/** Connection strings of some database on the server of the source, and on that of the log database, which may be the same. */
export interface Servers {
  readonly source: string;
  readonly log: string;
}

/** What to measure on. */
export interface BenchServers extends Servers {
  /** CPU time that their processes took until now; undefined where they are not the bench's own. */
  cpuS(): Promise<number | undefined>;
  stop(): Promise<void>;
}

/**
 * Starts two stand-ins: a stand-in has one thread for all that it does, while a SQL Server reads a source and writes a ledger at
 * the same time.
 */
export async function startServerProcesses(): Promise<BenchServers> {
  const [source, log] = await Promise.all([startServerProcess(), startServerProcess()]);
  return {
    source: source.connectionString,
    log: log.connectionString,
    cpuS: async () => (await source.cpuS()) + (await log.cpuS()),
    stop: async () => {
      await Promise.all([source.stop(), log.stop()]);
    },
  };
}

async function startServerProcess() {
  const child = start(new URL('./server-process.ts', import.meta.url));
  const { connectionString } = await answer<FromServer, 'listening'>(child, 'listening');
  return {
    connectionString,
    async cpuS() {
      const used = answer<FromServer, 'used'>(child, 'used');
      child.send({});
      return (await used).cpuS;
    },
    stop: () => stop(child),
  };
}

export async function startReceiverProcess(): Promise<CountingReceiver> {
  const child = start(new URL('./receiver-process.ts', import.meta.url));
  const { url } = await answer<FromReceiver, 'listening'>(child, 'listening');
  const say = (message: ToReceiver) => child.send(message);
  return {
    url,
    async begin(delayMs) {
      const begun = answer<FromReceiver, 'begun'>(child, 'begun');
      say({ kind: 'begin', delayMs });
      await begun;
    },
    async received() {
      const told = answer<FromReceiver, 'received'>(child, 'received');
      say({ kind: 'tell' });
      return (await told).received;
    },
    stop: () => stop(child),
  };
}

function start(program: URL): ChildProcess {
  return fork(fileURLToPath(program), { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

/** The next message, of this kind. Rejects where another one comes, or the process ends. */
async function answer<Message extends { kind: string }, Kind extends Message['kind']>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<Message, { kind: Kind }>> {
  const given = new AbortController();
  const ended = once(child, 'exit', { signal: given.signal }).then(([code]) => {
    throw new Error(`${child.spawnfile} ended with ${code}`);
  });
  ended.catch(() => {});
  try {
    const [message] = await Promise.race([once(child, 'message', { signal: given.signal }), ended]);
    if (message.kind !== kind) throw new Error(`expected ${kind}, got ${message.kind}`);
    return message;
  } finally {
    given.abort();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
}
