/**
 * The error messages of SQL Server that the stand-in raises, by number, with severity and text as sys.messages has them
 * (https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors).
 */
import { type ServerMessage, SqlServerError } from '../engine.ts';

/** number → [severity, text]; `%1`, `%2` … stand for the arguments. */
const messages: Readonly<Record<number, readonly [number, string]>> = {
  102: [15, "Incorrect syntax near '%1'."],
  105: [15, "Unclosed quotation mark after the character string '%1'."],
  107: [15, "The column prefix '%1' does not match with a table name or alias name used in the query."],
  108: [15, 'The ORDER BY position number %1 is out of range of the number of items in the select list.'],
  109: [
    15,
    'There are more columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.',
  ],
  110: [
    15,
    'There are fewer columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.',
  ],
  113: [15, "Missing end comment mark '*/'."],
  116: [16, 'Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.'],
  120: [
    15,
    'The select list for the INSERT statement contains fewer items than the insert list. The number of SELECT values must match the number of INSERT columns.',
  ],
  121: [
    15,
    'The select list for the INSERT statement contains more items than the insert list. The number of SELECT values must match the number of INSERT columns.',
  ],
  130: [15, 'Cannot perform an aggregate function on an expression containing an aggregate or a subquery.'],
  134: [
    15,
    "The variable name '%1' has already been declared. Variable names must be unique within a query batch or stored procedure.",
  ],
  135: [15, 'Cannot use a BREAK statement outside the scope of a WHILE statement.'],
  136: [15, 'Cannot use a CONTINUE statement outside the scope of a WHILE statement.'],
  137: [15, 'Must declare the scalar variable "%1".'],
  141: [
    15,
    'A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.',
  ],
  145: [15, 'ORDER BY items must appear in the select list if SELECT DISTINCT is specified.'],
  147: [
    15,
    'An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and the column being aggregated is an outer reference.',
  ],
  155: [15, "'%1' is not a recognized %2 option."],
  156: [15, "Incorrect syntax near the keyword '%1'."],
  157: [15, 'An aggregate may not appear in the set list of an UPDATE statement.'],
  164: [15, 'Each GROUP BY expression must contain at least one column that is not an outer reference.'],
  168: [15, "The floating point value '%1' is out of the range of computer representation (8 bytes)."],
  174: [15, 'The %1 function requires %2 argument(s).'],
  178: [15, 'A RETURN statement with a return value cannot be used in this context.'],
  189: [15, 'The %1 function requires %2 to %3 arguments.'],
  195: [15, "'%1' is not a recognized %2."],
  201: [16, "Procedure or function '%1' expects parameter '%2', which was not supplied."],
  205: [
    16,
    'All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.',
  ],
  206: [16, 'Operand type clash: %1 is incompatible with %2'],
  207: [16, "Invalid column name '%1'."],
  208: [16, "Invalid object name '%1'."],
  209: [16, "Ambiguous column name '%1'."],
  213: [16, 'Column name or number of supplied values does not match table definition.'],
  214: [16, "Procedure expects parameter '%1' of type '%2'."],
  220: [16, 'Arithmetic overflow error for data type %1, value = %2.'],
  229: [14, "The %1 permission was denied on the object '%2', database '%3', schema '%4'."],
  232: [16, 'Arithmetic overflow error for type %1, value = %2.'],
  235: [16, 'Cannot convert a char value to money. The char value has incorrect syntax.'],
  239: [16, "Duplicate common table expression name '%1' was specified."],
  240: [16, 'Types don\'t match between the anchor and the recursive part in column "%1" of recursive query "%2".'],
  241: [16, 'Conversion failed when converting date and/or time from character string.'],
  242: [16, 'The conversion of a %1 data type to a %2 data type resulted in an out-of-range value.'],
  244: [16, "The conversion of the %1 value '%2' overflowed an %3 column. Use a larger integer column."],
  245: [16, "Conversion failed when converting the %1 value '%2' to data type %3."],
  248: [16, "The conversion of the %1 value '%2' overflowed an int column."],
  257: [16, 'Implicit conversion from data type %1 to %2 is not allowed. Use the CONVERT function to run this query.'],
  262: [14, "%1 permission denied in database '%2'."],
  263: [16, 'Must specify table to select from.'],
  264: [
    16,
    "The column name '%1' is specified more than once in the SET clause or column list of an INSERT. A column cannot be assigned more than one value in the same clause. Modify the clause to make sure that a column is updated only once. If this statement updates or inserts columns into a view, column aliasing can conceal the duplication in your code.",
  ],
  271: [
    16,
    'The column "%1" cannot be modified because it is either a computed column or is the result of a UNION operator.',
  ],
  272: [16, 'Cannot update a timestamp column.'],
  273: [
    16,
    'Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to exclude the timestamp column, or insert a DEFAULT into the timestamp column.',
  ],
  281: [16, '%1 is not a valid style number when converting from %2 to a character string.'],
  289: [16, 'Cannot construct data type %1, some of the arguments have values which are not valid.'],
  306: [
    16,
    'The text, ntext, and image data types cannot be compared or sorted, except when using IS NULL or LIKE operator.',
  ],
  402: [16, 'The data types %1 and %2 are incompatible in the %3 operator.'],
  468: [16, 'Cannot resolve the collation conflict between "%1" and "%2" in the %3 operation.'],
  447: [16, 'Expression type %1 is invalid for COLLATE clause.'],
  448: [16, "Invalid collation '%1'."],
  512: [
    16,
    'Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.',
  ],
  515: [16, "Cannot insert the value NULL into column '%1', table '%2'; column does not allow nulls. %3 fails."],
  517: [16, "Adding a value to a '%1' column caused an overflow."],
  529: [16, 'Explicit conversion from data type %1 to %2 is not allowed.'],
  530: [16, 'The statement terminated. The maximum recursion %1 has been exhausted before statement completion.'],
  535: [
    16,
    'The %1 function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use %1 with a less precise datepart.',
  ],
  537: [16, 'Invalid length parameter passed to the LEFT or SUBSTRING function.'],
  536: [16, 'Invalid length parameter passed to the %1 function.'],
  544: [16, "Cannot insert explicit value for identity column in table '%1' when IDENTITY_INSERT is set to OFF."],
  545: [
    16,
    "Explicit value must be specified for identity column in table '%1' either when IDENTITY_INSERT is set to ON or when a replication user is inserting into a NOT FOR REPLICATION identity column.",
  ],
  547: [
    16,
    'The %1 statement conflicted with the %2 constraint "%3". The conflict occurred in database "%4", table "%5"%6.',
  ],
  628: [13, 'Cannot issue SAVE TRANSACTION when there is no active transaction.'],
  911: [16, "Database '%1' does not exist. Make sure that the name is entered correctly."],
  916: [14, 'The server principal "%1" is not able to access the database "%2" under the current security context.'],
  1002: [15, 'Specified scale %1 is invalid.'],
  1007: [15, "The number '%1' is out of the range for numeric representation (maximum precision 38)."],
  1011: [15, "The correlation name '%1' is specified multiple times in a FROM clause."],
  1013: [
    15,
    'The objects "%1" and "%1" in the FROM clause have the same exposed names. Use correlation names to distinguish them.',
  ],
  1014: [15, 'A TOP or FETCH clause contains an invalid value.'],
  1023: [15, 'Invalid parameter %1 specified for %2.'],
  1033: [
    15,
    'The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is also specified.',
  ],
  1035: [15, "Incorrect syntax near '%1', expected 'AS'."],
  1038: [
    15,
    'An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name.',
  ],
  1046: [15, 'Subqueries are not allowed in this context. Only scalar expressions are allowed.'],
  1060: [15, 'The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer.'],
  1088: [16, 'Cannot find the object "%1" because it does not exist or you do not have permissions.'],
  1205: [
    13,
    'Transaction (Process ID %1) was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.',
  ],
  1222: [16, 'Lock request time out period exceeded.'],
  1505: [
    16,
    "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name '%1' and the index name '%2'. The duplicate key value is (%3).",
  ],
  1779: [16, "Table '%1' already has a primary key defined on it."],
  1750: [16, 'Could not create constraint or index. See previous errors.'],
  1801: [16, "Database '%1' already exists. Choose a different database name."],
  1902: [
    16,
    "Cannot create more than one clustered index on %1 '%2'. Drop the existing clustered index '%3' before creating another.",
  ],
  1911: [16, "Column name '%1' does not exist in the target table or view."],
  1913: [16, "The operation failed because an index or statistics with name '%1' already exists on %2 '%3'."],
  1919: [16, "Column '%1' in table '%2' is of a type that is invalid for use as a key column in an index."],
  1752: [16, "Column '%1' in table '%2' is invalid for creating a default constraint."],
  1781: [16, 'Column already has a DEFAULT bound to it.'],
  1767: [16, "Foreign key '%1' references invalid table '%2'."],
  1769: [16, "Foreign key '%1' references invalid column '%2' in referencing table '%3'."],
  1776: [
    16,
    "There are no primary or candidate keys in the referenced table '%1' that match the referencing column list in the foreign key '%2'.",
  ],
  2601: [14, "Cannot insert duplicate key row in object '%1' with unique index '%2'. The duplicate key value is (%3)."],
  2627: [
    14,
    "Violation of %1 constraint '%2'. Cannot insert duplicate key in object '%3'. The duplicate key value is (%4).",
  ],
  2628: [16, "String or binary data would be truncated in table '%1', column '%2'. Truncated value: '%3'."],
  2705: [16, "Column names in each table must be unique. Column name '%1' in table '%2' is specified more than once."],
  2714: [16, "There is already an object named '%1' in the database."],
  2715: [16, 'Column, parameter, or variable #%1: Cannot find data type %2.'],
  2716: [16, 'Column, parameter, or variable #%1: Cannot specify a column width on data type %2.'],
  2717: [15, "The size (%1) given to the parameter '%2' exceeds the maximum allowed (%3)."],
  2749: [
    16,
    "Identity column '%1' must be of data type int, bigint, smallint, tinyint, or decimal or numeric with a scale of 0, unencrypted, and constrained to be nonnullable.",
  ],
  2732: [16, 'Error number %1 is invalid. The number must be from %2 through %3 and it cannot be 50000.'],
  2744: [16, "Multiple identity columns specified for table '%1'. Only one identity column per table is allowed."],
  2738: [
    16,
    "A table can only have one timestamp column. Because table '%1' already has one, the column '%2' cannot be added.",
  ],
  2750: [16, 'Column or parameter #%1: Specified column precision %2 is greater than the maximum precision of %3.'],
  2751: [16, 'Column or parameter #%1: Specified column scale %2 is greater than the specified precision of %3.'],
  2759: [16, 'CREATE SCHEMA failed due to previous errors.'],
  2760: [16, 'The specified schema name "%1" either does not exist or you do not have permission to use it.'],
  2812: [16, "Could not find stored procedure '%1'."],
  3623: [16, 'An invalid floating point operation occurred.'],
  3609: [16, 'The transaction ended in the trigger. The batch has been aborted.'],
  3701: [11, "Cannot %1 the %2 '%3', because it does not exist or you do not have permission."],
  3702: [16, 'Cannot drop database "%1" because it is currently in use.'],
  3723: [16, "An explicit DROP INDEX is not allowed on index '%1'. It is being used for %2 constraint enforcement."],
  3725: [16, "The constraint '%1' is being referenced by table '%2', foreign key constraint '%3'."],
  3726: [16, "Could not drop object '%1' because it is referenced by a FOREIGN KEY constraint."],
  3728: [16, "'%1' is not a constraint."],
  3727: [16, 'Could not drop constraint. See previous errors.'],
  3729: [16, "Cannot drop schema '%1' because it is being referenced by object '%2'."],
  3902: [16, 'The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.'],
  3903: [16, 'The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.'],
  3906: [16, 'Failed to update database "%1" because the database is read-only.'],
  3915: [16, 'Cannot use the ROLLBACK statement within an INSERT-EXEC statement.'],
  3930: [
    16,
    'The current transaction cannot be committed and cannot support operations that write to the log file. Roll back the transaction.',
  ],
  3931: [
    16,
    'The current transaction cannot be committed and cannot be rolled back to a savepoint. Roll back the entire transaction.',
  ],
  3952: [
    16,
    "Snapshot isolation transaction failed accessing database '%1' because snapshot isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot isolation.",
  ],
  3998: [16, 'Uncommittable transaction is detected at the end of the batch. The transaction is rolled back.'],
  4060: [11, 'Cannot open database "%1" requested by the login. The login failed.'],
  4101: [15, 'Aggregates on the right side of an APPLY cannot reference columns from the left side.'],
  4104: [16, 'The multi-part identifier "%1" could not be bound.'],
  4108: [15, 'Windowed functions can only appear in the SELECT or ORDER BY clauses.'],
  4112: [15, "The function '%1' must have an OVER clause with ORDER BY."],
  4121: [
    16,
    'Cannot find either column "%1" or the user-defined function or aggregate "%2", or the name is ambiguous.',
  ],
  4127: [16, 'At least one of the arguments to COALESCE must be an expression that is not the NULL constant.'],
  4145: [15, "An expression of non-boolean type specified in a context where a condition is expected, near '%1'."],
  4701: [16, 'Cannot find the object "%1" because it does not exist or you do not have permissions.'],
  4712: [16, "Cannot truncate table '%1' because it is being referenced by a FOREIGN KEY constraint."],
  4815: [16, 'Received an invalid column length from the bcp client for colid %1.'],
  4819: [
    16,
    'Cannot bulk load. The bulk data stream was incorrectly specified as sorted or the data violates the uniqueness constraint imposed by the target table. Sort order incorrect for the following two rows: %1.',
  ],
  4901: [
    16,
    "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT definition specified, or the column being added is an identity or timestamp column, or alternatively if none of the previous conditions are satisfied the table must be empty to allow addition of this column. Column '%1' cannot be added to non-empty table '%2' because it does not satisfy these conditions.",
  ],
  4902: [16, 'Cannot find the object "%1" because it does not exist or you do not have permissions.'],
  4922: [16, 'ALTER TABLE %1 COLUMN %2 failed because one or more objects access this column.'],
  4924: [16, "ALTER TABLE %1 failed because column '%2' does not exist in table '%3'."],
  4928: [16, "Cannot alter column '%1' because it is 'COMPUTED' or has the identity property."],
  5074: [16, "The %1 '%2' is dependent on column '%3'."],
  6401: [16, 'Cannot roll back %1. No transaction or savepoint of that name was found.'],
  7202: [11, "Could not find server '%1' in sys.servers. Verify that the correct server name was specified."],
  8102: [16, "Cannot update identity column '%1'."],
  8101: [
    16,
    "An explicit value for the identity column in table '%1' can only be specified when a column list is used and IDENTITY_INSERT is ON.",
  ],
  8107: [16, "IDENTITY_INSERT is already ON for table '%1'. Cannot perform SET operation for table '%2'."],
  8106: [16, "Table '%1' does not have the identity property. Cannot perform SET operation."],
  8111: [16, "Cannot define PRIMARY KEY constraint on nullable column in table '%1'."],
  8114: [16, 'Error converting data type %1 to %2.'],
  8115: [16, 'Arithmetic overflow error converting %1 to data type %2.'],
  8116: [16, 'Argument data type %1 is invalid for argument %2 of %3 function.'],
  8117: [16, 'Operand data type %1 is invalid for %2 operator.'],
  8120: [
    16,
    "Column '%1' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.",
  ],
  8121: [
    16,
    "Column '%1' is invalid in the HAVING clause because it is not contained in either an aggregate function or the GROUP BY clause.",
  ],
  8133: [
    16,
    'At least one of the result expressions in a CASE specification must be an expression other than the NULL constant.',
  ],
  8134: [16, 'Divide by zero error encountered.'],
  8144: [16, 'Procedure or function %1 has too many arguments specified.'],
  8145: [16, '%1 is not a parameter for procedure %2.'],
  8152: [16, 'String or binary data would be truncated.'],
  8154: [16, "The table '%1' is ambiguous."],
  8155: [16, "No column name was specified for column %1 of '%2'."],
  8156: [16, "The column '%1' was specified multiple times for '%2'."],
  8158: [16, "'%1' has more columns than were specified in the column list."],
  8159: [16, "'%1' has fewer columns than were specified in the column list."],
  8169: [16, 'Conversion failed when converting from a character string to uniqueidentifier.'],
  8170: [16, 'Insufficient result space to convert uniqueidentifier value to char.'],
  8178: [16, "The parameterized query '%1' expects the parameter '%2', which was not supplied."],
  8179: [16, 'Could not find prepared statement with handle %1.'],
  9436: [16, 'XML parsing: line %1, character %2, end tag does not match start tag'],
  9803: [16, 'Invalid data for type "%1".'],
  9806: [16, 'The datepart %1 is not supported by date function %2.'],
  9810: [16, 'The datepart %1 is not supported by date function %2 for data type %3.'],
  10709: [16, 'The number of columns for each row in a table value constructor must be the same.'],
  10734: [
    15,
    'Variable assignment is not allowed in a statement containing a top level UNION, INTERSECT or EXCEPT operator.',
  ],
  10738: [
    15,
    'The number of row value expressions in the INSERT statement exceeds the maximum allowed number of 1000 row values.',
  ],
  10741: [15, 'A TOP can not be used in the same query or sub-query as a OFFSET.'],
  10742: [15, 'The offset specified in a OFFSET clause may not be negative.'],
  10744: [15, 'The number of rows provided for a FETCH clause must be greater then zero.'],
  11726: [16, "Object '%1' is not a sequence object."],
  13607: [16, "JSON path is not properly formatted. Unexpected character '%1' is found at position %2."],
  13608: [16, 'Property cannot be found on the specified JSON path.'],
  13609: [16, "JSON text is not properly formatted. Unexpected character '%1' is found at position %2."],
  13623: [16, 'Scalar value cannot be found in the specified JSON path.'],
  15151: [16, "Cannot find the %1 '%2', because it does not exist or you do not have permission."],
  15247: [16, 'User does not have permission to perform this action.'],
  16924: [16, 'Cursorfetch: The number of variables declared in the INTO list must match that of selected columns.'],
  18456: [14, "Login failed for user '%1'."],
};

/** Builds the error with that number; `args` fill `%1`, `%2` … of its text. The line is set by the statement that runs. */
export function sqlError(number: number, ...args: readonly (string | number | bigint)[]): SqlServerError {
  const [severity, text] = messages[number] ?? [16, 'Error %1.'];
  return message(number, severity, 1, fill(text, args));
}

/** An error with a text of its own, as RAISERROR, THROW and sp_getapplock make them. */
export function message(number: number, severity: number, state: number, text: string, line = 0): SqlServerError {
  return new SqlServerError({ number, severity, state, message: text, line });
}

/**
 * What the stand-in knows to be T-SQL but does not implement: an error 102 as for a syntax error, whose text says whose
 * limit it is. Never let such a construct pass silently.
 */
export function unsupported(near: string, line = 0): SqlServerError {
  return message(102, 15, 1, `Incorrect syntax near '${near}'. (The stand-in SQL Server does not implement it.)`, line);
}

/** The same error as raised by the statement on `line` (an error that already has its line keeps it). */
export function atLine(error: SqlServerError, line: number): SqlServerError {
  return error.info.line === 0 ? new SqlServerError({ ...error.info, line }) : error;
}

/** A message as event payload, with its line. */
export function messageInfo(error: SqlServerError, line: number): ServerMessage {
  return atLine(error, line).info;
}

function fill(text: string, args: readonly (string | number | bigint)[]): string {
  return text.replace(/%(\d)/g, (_, index: string) => String(args[Number(index) - 1] ?? ''));
}
