/** What the contract tests have in common: error numbers, and facts that hold on Microsoft's server only. */
import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { REAL_SERVER, type TestSqlServer } from '../support/sqlserver.ts';

/** Asserts that the promise rejects with one of these error numbers of the server's. */
export async function rejectsWithNumber(promise: Promise<unknown>, ...numbers: number[]): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error, `expected error ${numbers.join(' or ')}, but there was none`);
  // Several errors of one statement come as one AggregateError.
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  const seen = errors.map((one) => (one as { number?: number }).number);
  assert.ok(
    seen.some((number) => number !== undefined && numbers.includes(number)),
    `expected error ${numbers.join(' or ')}, got ${seen.join(', ')}: ${error.message}`,
  );
}

/**
 * A fact of Microsoft's server, and so of the stand-in, that other T-SQL servers do not share: on such a one it is skipped
 * with that reason.
 */
export function itOnMicrosoft(sql: TestSqlServer, name: string, run: () => Promise<void>): void {
  it(`${name} (Microsoft's only)`, async (test: TestContext) => {
    if (REAL_SERVER !== undefined) {
      const [row] = await sql.query('log', 'SELECT @@VERSION AS Version');
      if (!String(row?.Version).startsWith('Microsoft SQL Server')) {
        test.skip("the server is not Microsoft's");
        return;
      }
    }
    await run();
  });
}
