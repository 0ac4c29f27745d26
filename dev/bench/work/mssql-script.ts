/**
 * What a careful developer writes in an afternoon with the package mssql: stream the source with pause and resume, leave out
 * what a Set of all tracked ids holds, await each POST, await each bulk insert of the ids.
 */
import mssql from 'mssql';
import { BATCH_SIZE, LABEL, ledgerConnectionString, report, sourceConnectionString, usersUrl } from './environment.ts';
import { sendingTime, USER_COLUMNS, userPayload } from './payload.ts';

const source = await new mssql.ConnectionPool(sourceConnectionString()).connect();
const ledger = await new mssql.ConnectionPool(ledgerConnectionString()).connect();

const tracked = new Set<string>();
const ids = new mssql.Request(ledger);
ids.stream = true;
ids.on('row', ({ EntityId }) => tracked.add(String(EntityId)));
await ids.query(`SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (N'${LABEL}', N'Users')`);

const sentAt = sendingTime(new Date());
let rows = 0;
let batch: { id: string; payload: object }[] = [];

await new Promise<void>((resolve, reject) => {
  const request = new mssql.Request(source);
  let sending = Promise.resolve();
  request.stream = true;
  request.on('row', ({ Id, Name, Username, NoReg, Email, IsActive }) => {
    const id = String(Id).toLowerCase();
    if (tracked.has(id)) return;
    const cells = [id, Name, Username, NoReg, Email, IsActive] as unknown as Parameters<typeof userPayload>[0];
    batch.push({ id, payload: userPayload(cells, sentAt) });
    if (batch.length < BATCH_SIZE) return;
    request.pause();
    const full = batch;
    batch = [];
    sending = sending.then(() => send(full)).then(() => void request.resume());
    sending.catch(reject);
  });
  request.on('error', reject);
  request.on('done', () => sending.then(() => (batch.length > 0 ? send(batch) : undefined)).then(resolve, reject));
  void request.query(`SELECT ${USER_COLUMNS} FROM dbo.MDM_USER`);
});
await Promise.all([source.close(), ledger.close()]);
report({ rows });

async function send(full: typeof batch): Promise<void> {
  const body = JSON.stringify(full.map(({ payload }) => payload));
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(usersUrl(), { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`the receiver answered ${response.status}`);
  await response.arrayBuffer();
  const table = new mssql.Table('dbo.TB_R_SYNC_TRACKING');
  table.columns.add('EntityType', mssql.NVarChar(100), { nullable: false });
  table.columns.add('EntityId', mssql.NVarChar(255), { nullable: false });
  for (const { id } of full) table.rows.add(LABEL, id);
  await new mssql.Request(ledger).bulk(table);
  rows += full.length;
}
