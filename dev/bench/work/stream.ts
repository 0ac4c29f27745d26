/** Reads a query's rows one by one through tedious, as they arrive. */
import { Request } from 'tedious';
import type { SqlClient } from '../../sqlserver/client.ts';

/** A row's cells in the order of the query's columns. */
export type Cells = readonly { readonly value: unknown }[];

/** Streams a query; `onRow` may pause and resume the request that it gets. Rejects with tedious' error. */
export function stream(client: SqlClient, sql: string, onRow: (cells: Cells, request: Request) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new Request(sql, (error) => (error ? reject(error) : resolve()));
    request.setTimeout(0);
    request.on('row', (cells: Cells) => onRow(cells, request));
    client.connection.execSqlBatch(request);
  });
}
