/**
 * Floor 1: reads and sends, and records nothing. Rows are read while one POST is in flight; with two batches waiting the
 * reading pauses, so that it needs no more memory than it must.
 */
import { Pool } from 'undici';
import { BATCH_SIZE, connectToSource, report, required } from './environment.ts';
import { sendingTime, USER_COLUMNS, type UserCells, userPayload } from './payload.ts';
import { stream } from './stream.ts';

const MOST_WAITING = 2;

const source = await connectToSource();
const pool = new Pool(required('TAMHR_API_URL'), { connections: 1 });
const sentAt = sendingTime(new Date());
const waiting: Buffer[] = [];
let rows = 0;
let batch: object[] = [];
let sending: Promise<void> | undefined;
let resume: (() => void) | undefined;

await stream(source, `SELECT ${USER_COLUMNS} FROM dbo.MDM_USER`, (cells, request) => {
  batch.push(userPayload(cells.map(({ value }) => value) as unknown as UserCells, sentAt));
  if (batch.length < BATCH_SIZE) return;
  send();
  if (waiting.length < MOST_WAITING || resume !== undefined) return;
  request.pause();
  resume = () => request.resume();
});
if (batch.length > 0) send();
await sending;
await Promise.all([pool.close(), source.close()]);
report({ rows });

/** Makes a body of the batch; it is posted in its turn. */
function send(): void {
  rows += batch.length;
  waiting.push(Buffer.from(JSON.stringify(batch)));
  batch = [];
  sending ??= sendWaiting();
}

async function sendWaiting(): Promise<void> {
  for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) {
    resume?.();
    resume = undefined;
    const headers = { 'content-type': 'application/json' };
    const response = await pool.request({ path: '/users', method: 'POST', headers, body });
    await response.body.dump();
    if (response.statusCode !== 200) throw new Error(`the receiver answered ${response.statusCode}`);
  }
  sending = undefined;
}
