/**
 * The receiver of the bench, a process of its own: counts bytes and calls, parses nothing, answers 200 at once or after a
 * while. It ends when its parent does.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FromReceiver, Received, ToReceiver } from './processes.ts';

let delayMs = 0;
let received: Received = { calls: 0, bytes: 0 };

const server = createServer((request, response) => {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    received = { calls: received.calls + 1, bytes: received.bytes + bytes };
    if (delayMs === 0) response.end();
    else setTimeout(() => response.end(), delayMs);
  });
});
server.keepAliveTimeout = 0;

process.on('message', (message: ToReceiver) => {
  if (message.kind === 'tell') tell({ kind: 'received', received });
  else {
    ({ delayMs } = message);
    received = { calls: 0, bytes: 0 };
    tell({ kind: 'begun' });
  }
});
// Control-C reaches the whole group; the parent tidies up first.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () =>
  tell({ kind: 'listening', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
);

function tell(message: FromReceiver): void {
  process.send?.(message);
}
