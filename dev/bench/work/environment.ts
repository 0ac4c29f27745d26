/** What every work is told by its environment, in the names that the shipped configuration uses. */
import { SqlClient } from '../../sqlserver/client.ts';

/** Rows in a POST and in a write to the ledger. */
export const BATCH_SIZE = 3000;

/** The label under which the ledger's rows stand. */
export const LABEL = 'User';

/** Where the floors and scripts send users to. */
export const usersUrl = (): string => `${required('TAMHR_API_URL')}/users`;

export const sourceConnectionString = (): string => required('TAMHR_DEFAULT_CONNECTION');
export const ledgerConnectionString = (): string => required('TAMHR_LOG_CONNECTION');

export const connectToSource = (): Promise<SqlClient> => SqlClient.connect(sourceConnectionString());
export const connectToLedger = (): Promise<SqlClient> => SqlClient.connect(ledgerConnectionString());

/** Tells the bench what was done. */
export function report(done: { readonly rows: number } & Readonly<Record<string, number>>): void {
  process.stdout.write(JSON.stringify(done));
}

/** A variable of the environment. Throws where it is missing. */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}
