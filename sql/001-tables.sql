-- The tables of tamhr-sync in the log database, for SQL Server 2012 and later. What is there already stays as it is; of
-- the tables of the job before it, only TB_R_SYNC_TRACKING gets two nullable columns. A view or synonym may stand for one
-- of these: then the table behind it stays as it is, and must have those columns.

IF OBJECT_ID(N'dbo.TB_R_SYNC_SCHEMA', N'U') IS NULL
CREATE TABLE dbo.TB_R_SYNC_SCHEMA (
  Version int NOT NULL,
  Name nvarchar(100) NOT NULL,
  Checksum char(64) NOT NULL,
  AppliedAt datetime2(3) NOT NULL,
  CONSTRAINT PK_TB_R_SYNC_SCHEMA PRIMARY KEY (Version)
);
GO

IF OBJECT_ID(N'dbo.TB_R_SYNC_TRACKING') IS NULL
BEGIN
  CREATE TABLE dbo.TB_R_SYNC_TRACKING (
    Id int IDENTITY(1,1) NOT NULL,
    EntityType nvarchar(100) NOT NULL,
    EntityId nvarchar(255) NOT NULL,
    SyncTimestamp datetime2 NOT NULL CONSTRAINT DF_TB_R_SYNC_TRACKING_SyncTimestamp DEFAULT GETUTCDATE(),
    CONSTRAINT PK_TB_R_SYNC_TRACKING PRIMARY KEY (Id)
  );
  CREATE UNIQUE INDEX UQ_TB_R_SYNC_TRACKING_EntityType_EntityId ON dbo.TB_R_SYNC_TRACKING (EntityType, EntityId);
  CREATE INDEX IX_TB_R_SYNC_TRACKING_EntityType ON dbo.TB_R_SYNC_TRACKING (EntityType);
  CREATE INDEX IX_TB_R_SYNC_TRACKING_SyncTimestamp ON dbo.TB_R_SYNC_TRACKING (SyncTimestamp);
END;
GO

IF OBJECT_ID(N'dbo.TB_R_SYNC_TRACKING', N'U') IS NOT NULL AND COL_LENGTH(N'dbo.TB_R_SYNC_TRACKING', N'RowHash') IS NULL
  ALTER TABLE dbo.TB_R_SYNC_TRACKING ADD RowHash binary(16) NULL;
GO

IF OBJECT_ID(N'dbo.TB_R_SYNC_TRACKING', N'U') IS NOT NULL AND COL_LENGTH(N'dbo.TB_R_SYNC_TRACKING', N'BatchId') IS NULL
  ALTER TABLE dbo.TB_R_SYNC_TRACKING ADD BatchId uniqueidentifier NULL;
GO

IF OBJECT_ID(N'dbo.TB_R_Log') IS NULL
CREATE TABLE dbo.TB_R_Log (
  ID uniqueidentifier NOT NULL,
  ApplicationName nvarchar(100) NOT NULL,
  LogID nvarchar(50) NOT NULL,
  LogCategory nvarchar(50) NOT NULL,
  Activity nvarchar(255) NOT NULL,
  ApplicationModule nvarchar(100) NOT NULL,
  IPHostName nvarchar(255) NOT NULL,
  Status nvarchar(50) NOT NULL,
  AdditionalInformation nvarchar(max) NULL,
  CreatedBy nvarchar(100) NOT NULL,
  CreatedOn datetime NOT NULL,
  ModifiedBy nvarchar(100) NULL,
  ModifiedOn datetime NULL,
  RowStatus bit NOT NULL,
  ExceptionMessage nvarchar(max) NULL,
  CONSTRAINT PK_TB_R_Log PRIMARY KEY (ID)
);
GO

IF OBJECT_ID(N'dbo.TB_R_SYNC_RUN', N'U') IS NULL
CREATE TABLE dbo.TB_R_SYNC_RUN (
  RunId uniqueidentifier NOT NULL,
  StartedAt datetime2(3) NOT NULL,
  FinishedAt datetime2(3) NULL,
  State nvarchar(20) NOT NULL, -- running, finished, aborted
  ExitCode int NULL,
  Host nvarchar(255) NOT NULL,
  ProcessId int NOT NULL,
  Version nvarchar(50) NOT NULL,
  Arguments nvarchar(4000) NOT NULL,
  Summary nvarchar(max) NULL, -- JSON, as `tamhr-sync run --json` prints it
  CONSTRAINT PK_TB_R_SYNC_RUN PRIMARY KEY (RunId)
);
GO

IF OBJECT_ID(N'dbo.TB_R_SYNC_BATCH', N'U') IS NULL
BEGIN
  CREATE TABLE dbo.TB_R_SYNC_BATCH (
    BatchId uniqueidentifier NOT NULL, -- the Idempotency-Key of each attempt
    RunId uniqueidentifier NOT NULL,
    EntityType nvarchar(100) NOT NULL,
    Operation nvarchar(20) NOT NULL, -- upsert, delete
    ParentId uniqueidentifier NULL,
    State nvarchar(20) NOT NULL, -- sending, accepted, refused, split
    RowsInBatch int NOT NULL,
    BodyHash binary(32) NOT NULL, -- SHA-256 of the body as it is sent
    Body varbinary(max) NULL, -- zstd; NULL once the batch is settled
    RowKeys varbinary(max) NULL, -- zstd; NULL once the batch is settled
    Attempts int NOT NULL,
    RunsTried int NOT NULL,
    HttpStatus int NULL,
    DurationMs int NULL,
    Error nvarchar(max) NULL,
    CreatedAt datetime2(3) NOT NULL,
    SettledAt datetime2(3) NULL,
    CONSTRAINT PK_TB_R_SYNC_BATCH PRIMARY KEY (BatchId)
  );
  CREATE INDEX IX_TB_R_SYNC_BATCH_EntityType_State ON dbo.TB_R_SYNC_BATCH (EntityType, State, SettledAt);
  CREATE INDEX IX_TB_R_SYNC_BATCH_RunId ON dbo.TB_R_SYNC_BATCH (RunId);
END;
GO

IF OBJECT_ID(N'dbo.TB_R_SYNC_FAILURE', N'U') IS NULL
CREATE TABLE dbo.TB_R_SYNC_FAILURE (
  EntityType nvarchar(100) NOT NULL,
  KeyHash binary(16) NOT NULL, -- the first half of SHA-256 of the key's text in UTF-8
  EntityId nvarchar(4000) NOT NULL,
  RowHash binary(16) NULL,
  Reason nvarchar(1000) NOT NULL,
  HttpStatus int NULL,
  Attempts int NOT NULL,
  FirstFailedAt datetime2(3) NOT NULL,
  LastFailedAt datetime2(3) NOT NULL,
  NextTryAt datetime2(3) NULL,
  State nvarchar(20) NOT NULL, -- waiting, discarded
  CONSTRAINT PK_TB_R_SYNC_FAILURE PRIMARY KEY (EntityType, KeyHash)
);
GO

IF OBJECT_ID(N'dbo.TB_R_SYNC_ENTITY', N'U') IS NULL
CREATE TABLE dbo.TB_R_SYNC_ENTITY (
  EntityType nvarchar(100) NOT NULL,
  OwnerRunId uniqueidentifier NULL,
  LockedAt datetime2(3) NULL,
  SourceHash binary(16) NULL,
  MapHash binary(16) NULL,
  MaxBatchRows int NULL,
  WatermarkKind nvarchar(20) NULL,
  Watermark varbinary(100) NULL,
  LastFullComparisonAt datetime2(3) NULL,
  CONSTRAINT PK_TB_R_SYNC_ENTITY PRIMARY KEY (EntityType)
);
GO
