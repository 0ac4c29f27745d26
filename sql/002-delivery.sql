-- What runs learn of batches whose outcome is unknown, and which run wrote last: a transaction whose answer was lost is
-- repeated, and must count nothing twice.

IF COL_LENGTH(N'dbo.TB_R_SYNC_BATCH', N'LastRunId') IS NULL
  ALTER TABLE dbo.TB_R_SYNC_BATCH ADD LastRunId uniqueidentifier NULL; -- the run that last recorded that the outcome is unknown
GO

IF COL_LENGTH(N'dbo.TB_R_SYNC_BATCH', N'RefusedRuns') IS NULL
  ALTER TABLE dbo.TB_R_SYNC_BATCH ADD RefusedRuns int NULL; -- consecutive runs whose replay was first answered with 400 or 422
GO

IF COL_LENGTH(N'dbo.TB_R_SYNC_BATCH', N'ServerErrorRuns') IS NULL
  ALTER TABLE dbo.TB_R_SYNC_BATCH ADD ServerErrorRuns int NULL; -- runs that ended with a 5xx while other batches were accepted
GO

IF COL_LENGTH(N'dbo.TB_R_SYNC_FAILURE', N'RunId') IS NULL
  ALTER TABLE dbo.TB_R_SYNC_FAILURE ADD RunId uniqueidentifier NULL; -- the run that last recorded it
GO
