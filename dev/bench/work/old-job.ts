/**
 * The old job's way through tedious, as it did it: for each page all tracked ids are read and put into NOT IN as text, and
 * OFFSET is advanced as well, which passes over rows that were never sent. Its ids go in by INSERT … VALUES, which takes 1,000.
 */
import { connectToLedger, connectToSource, LABEL, report, usersUrl } from './environment.ts';
import { sendingTime, USER_COLUMNS, type UserCells, userPayload } from './payload.ts';
import { stream } from './stream.ts';

const PAGE_SIZE = 1000;

const source = await connectToSource();
const ledger = await connectToLedger();
let rows = 0;
for (let offset = 0; ; offset += PAGE_SIZE) {
  const page = await readPage(offset, await trackedIds());
  if (page.length === 0) break;
  const sentAt = sendingTime(new Date());
  const body = JSON.stringify(page.map((cells) => userPayload(cells, sentAt)));
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(usersUrl(), { method: 'POST', headers, body });
  if (response.status !== 200) throw new Error(`the receiver answered ${response.status}`);
  await response.arrayBuffer();
  await track(page.map(([id]) => id));
  rows += page.length;
}
await Promise.all([source.close(), ledger.close()]);
report({ rows });

async function trackedIds(): Promise<string[]> {
  const ids: string[] = [];
  const sql = `SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (N'${LABEL}', N'Users')`;
  await stream(ledger, sql, ([id]) => ids.push(String(id?.value)));
  return ids;
}

async function readPage(offset: number, tracked: readonly string[]): Promise<UserCells[]> {
  const page: UserCells[] = [];
  const where = tracked.length === 0 ? '' : `WHERE Id NOT IN (${tracked.map((id) => `'${id}'`).join(', ')})`;
  const sql = `SELECT ${USER_COLUMNS} FROM dbo.MDM_USER ${where}
ORDER BY Id OFFSET ${offset} ROWS FETCH NEXT ${PAGE_SIZE} ROWS ONLY`;
  await stream(source, sql, (cells) => page.push(cells.map(({ value }) => value) as unknown as UserCells));
  return page;
}

async function track(ids: readonly string[]): Promise<void> {
  const values = ids.map((id) => `(N'${LABEL}', N'${id}')`).join(', ');
  await ledger.batch(`INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES ${values}`);
}
