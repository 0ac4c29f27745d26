import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorNumber, errorText, isPermissionError, statementError } from '../../src/sqlserver/statement-error.ts';
import { SyncError } from '../../src/sync/errors.ts';

function serverError(number: number, message: string): Error {
  return Object.assign(new Error(message), { code: 'EREQUEST', number });
}

function converted(error: unknown, role: 'SOURCE' | 'LOG_DATABASE' = 'LOG_DATABASE'): SyncError {
  const result = statementError(error, role, 'log');
  assert.ok(result instanceof SyncError);
  return result;
}

describe('an error of a statement', () => {
  it('is told with its number and without the values it quotes', () => {
    const duplicate =
      "Cannot insert duplicate key row in object 'dbo.T'. The duplicate key value is (User, Dewi Lestari).";
    const { code, message } = converted(serverError(2601, duplicate));
    assert.equal(code, 'LOG_DATABASE_REFUSED');
    assert.match(message, /^Connection log: error 2601: .*dbo\.T/);
    assert.doesNotMatch(message, /Dewi/);
    const conversion = "Conversion failed when converting the nvarchar value 'dewi@example.com' to data type int.";
    assert.doesNotMatch(converted(serverError(245, conversion), 'SOURCE').message, /dewi/);
  });

  it('among several is the one that says what happened, not one that follows from it', () => {
    const errors = new AggregateError([
      serverError(3621, 'The statement has been terminated.'),
      serverError(547, 'The INSERT statement conflicted.'),
    ]);
    assert.equal(errorNumber(errors), 547);
    assert.match(errorText(errors), /conflicted/);
  });

  it('that names a missing table of the log database asks for migrate', () => {
    assert.equal(converted(serverError(208, "Invalid object name 'dbo.X'.")).code, 'LOG_DATABASE_NOT_MIGRATED');
    assert.equal(converted(serverError(208, "Invalid object name 'dbo.X'."), 'SOURCE').code, 'SOURCE_REFUSED');
  });

  it('of the connection or of time makes the database unavailable', () => {
    for (const code of ['ESOCKET', 'ECONNRESET', 'ECLOSE', 'EPIPE', 'ETIMEOUT']) {
      assert.equal(converted(Object.assign(new Error('x'), { code })).code, 'LOG_DATABASE_UNAVAILABLE');
    }
  });

  it('is a lack of permission by number, or by text where the server has one number for all', () => {
    assert.ok(isPermissionError(serverError(229, 'The SELECT permission was denied on the object')));
    assert.ok(isPermissionError(serverError(33557097, 'permission denied for table mdm_user')));
    assert.ok(!isPermissionError(serverError(33557097, "syntax error near 'FROM'")));
    assert.ok(!isPermissionError(serverError(102, 'Incorrect syntax')));
  });

  it('stays what it is where it is a mistake of this program or already told', () => {
    const told = new SyncError('LOCK_LOST', 'x', 'y');
    const mistakes = [
      told,
      new TypeError('x is undefined'),
      Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' }),
    ];
    for (const error of mistakes) assert.equal(statementError(error, 'SOURCE', 'log'), error);
  });
});
