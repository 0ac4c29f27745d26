/**
 * Floor 3: reads the keys of the source and of the ledger, and nothing else; by its argument one after the other (`inTurn`)
 * or both `atOnce`.
 */
import { connectToLedger, connectToSource, LABEL, report } from './environment.ts';
import { stream } from './stream.ts';

const sourceKeys = () => count(connectToSource, 'SELECT Id FROM dbo.MDM_USER');
const ledgerKeys = () =>
  count(connectToLedger, `SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (N'${LABEL}', N'Users')`);

const [rows, tracked] =
  process.argv[2] === 'atOnce'
    ? await Promise.all([sourceKeys(), ledgerKeys()])
    : [await sourceKeys(), await ledgerKeys()];
report({ rows, tracked });

async function count(connect: typeof connectToSource, sql: string): Promise<number> {
  const client = await connect();
  let found = 0;
  await stream(client, sql, () => {
    found += 1;
  });
  await client.close();
  return found;
}
