/** What a database says of its tables, for proposals of what to read from them. */

/** A table, view or synonym. */
export interface TableFacts {
  /** `schema.name`, parts with special characters in brackets. */
  readonly name: string;
  /** A synonym's columns and keys are not known. */
  readonly kind: 'table' | 'view' | 'synonym';
  readonly columns: readonly string[];
  /** The columns of each unique index whose columns are never NULL, the primary key's first. */
  readonly uniqueKeys: readonly (readonly string[])[];
}
