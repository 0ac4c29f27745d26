/**
 * The tables of the three databases as the tool finds them at an installation: five sources, the ledger that the old job
 * left, and the log table it shares with other applications.
 */

/** A column: name, type as T-SQL has it, and whether it may be NULL. */
export interface SampleColumn {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
}

/** A source table and its columns in order; the first is the key. */
export interface SampleTable {
  readonly name: string;
  readonly database: 'mdm' | 'ess';
  readonly columns: readonly SampleColumn[];
}

/** `Name type` or `Name? type`, one a line. */
function columns(lines: string): readonly SampleColumn[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => {
      const [, name = '', optional, type = ''] = /^\s*(\w+)(\?)?\s+(.+?)\s*$/.exec(line) ?? [];
      return { name, type, nullable: optional !== undefined };
    });
}

/** The source tables, by entity, in the order in which they are synced. */
export const SAMPLE_TABLES = {
  Users: {
    name: 'MDM_USER',
    database: 'mdm',
    columns: columns(`
      Id uniqueidentifier
      NoReg nvarchar(20)
      Username nvarchar(100)
      Name nvarchar(200)
      Gender nvarchar(10)
      Email? nvarchar(255)
      IsActive int`),
  },
  ActualOrg: {
    name: 'MDM_ACTUAL_ORGANIZATION_STRUCTURE',
    database: 'mdm',
    columns: columns(`
      Id uniqueidentifier
      OrgCode nvarchar(20)
      ParentOrgCode? nvarchar(20)
      OrgName? nvarchar(200)
      Service? nvarchar(50)
      NoReg? nvarchar(20)
      Name? nvarchar(200)
      PostCode? nvarchar(20)
      PostName? nvarchar(200)
      JobCode? nvarchar(20)
      JobName? nvarchar(200)
      EmployeeGroup? nvarchar(10)
      EmployeeGroupText? nvarchar(100)
      EmployeeSubgroup? nvarchar(10)
      EmployeeSubgroupText? nvarchar(100)
      WorkContract? nvarchar(10)
      WorkContractText? nvarchar(100)
      PersonalArea? nvarchar(10)
      PersonalSubarea? nvarchar(10)
      DepthLevel? int
      Staffing? decimal(9,2)
      Chief? int
      OrgLevel? int
      Vacant? int
      Structure? nvarchar(400)
      ObjectDescription? nvarchar(400)`),
  },
  ActualEntity: {
    name: 'MDM_ACTUAL_ENTITY_STRUCTURE',
    database: 'mdm',
    columns: columns(`
      Id uniqueidentifier
      OrgCode nvarchar(20)
      ObjectCode nvarchar(20)
      ObjectText nvarchar(200)
      ObjectDescription nvarchar(400)`),
  },
  OrgObject: {
    name: 'MDM_ORGANIZATION_OBJECT',
    database: 'mdm',
    columns: columns(`
      Id uniqueidentifier
      ObjectID nvarchar(20)
      ObjectType nvarchar(10)
      Abbreviation nvarchar(50)
      ObjectText? nvarchar(200)
      StartDate datetime
      EndDate datetime
      ObjectDescription? nvarchar(400)`),
  },
  EventsCalendar: {
    name: 'TB_M_EVENTS_CALENDAR',
    database: 'ess',
    columns: columns(`
      Id uniqueidentifier
      Title nvarchar(200)
      EventTypeCode nvarchar(50)
      StartDate datetime
      EndDate datetime
      Description? nvarchar(max)
      CreatedBy nvarchar(100)
      CreatedOn datetime
      ModifiedBy? nvarchar(100)
      ModifiedOn? datetime
      RowStatus bit`),
  },
} as const satisfies Record<string, SampleTable>;

export type SampleEntity = keyof typeof SAMPLE_TABLES;

/** CREATE TABLE for a source, with its clustered primary key on the first column. */
export function createTableSql(table: SampleTable): string {
  const lines = table.columns.map(
    ({ name, type, nullable }) => `  [${name}] ${type} ${nullable ? 'NULL' : 'NOT NULL'}`,
  );
  lines.push(`  CONSTRAINT PK_${table.name} PRIMARY KEY CLUSTERED ([${table.columns[0]?.name}])`);
  return `CREATE TABLE dbo.${table.name} (\n${lines.join(',\n')}\n)`;
}

/** The log database as the old job left it, one statement each. */
export const LOG_DATABASE_SQL: readonly string[] = [
  `CREATE TABLE dbo.TB_R_SYNC_TRACKING (
  Id int IDENTITY(1,1) NOT NULL CONSTRAINT PK_TB_R_SYNC_TRACKING PRIMARY KEY,
  EntityType nvarchar(100) NOT NULL,
  EntityId nvarchar(255) NOT NULL,
  SyncTimestamp datetime2 NOT NULL CONSTRAINT DF_TB_R_SYNC_TRACKING_SyncTimestamp DEFAULT GETUTCDATE()
)`,
  'CREATE UNIQUE INDEX UQ_TB_R_SYNC_TRACKING_EntityType_EntityId ON dbo.TB_R_SYNC_TRACKING (EntityType, EntityId)',
  'CREATE INDEX IX_TB_R_SYNC_TRACKING_EntityType ON dbo.TB_R_SYNC_TRACKING (EntityType)',
  'CREATE INDEX IX_TB_R_SYNC_TRACKING_SyncTimestamp ON dbo.TB_R_SYNC_TRACKING (SyncTimestamp)',
  `CREATE TABLE dbo.TB_R_Log (
  ID uniqueidentifier NOT NULL CONSTRAINT PK_TB_R_Log PRIMARY KEY,
  ApplicationName nvarchar(100) NOT NULL,
  LogID nvarchar(100) NOT NULL,
  LogCategory nvarchar(100) NOT NULL,
  Activity nvarchar(200) NOT NULL,
  ApplicationModule nvarchar(100) NOT NULL,
  IPHostName nvarchar(100) NOT NULL,
  Status nvarchar(50) NOT NULL,
  AdditionalInformation nvarchar(max) NULL,
  CreatedBy nvarchar(100) NOT NULL,
  CreatedOn datetime NOT NULL,
  ModifiedBy nvarchar(100) NULL,
  ModifiedOn datetime NULL,
  RowStatus bit NOT NULL,
  ExceptionMessage nvarchar(max) NULL
)`,
];
