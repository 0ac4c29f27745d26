-- Whose watermark it is that TB_R_SYNC_ENTITY holds: a watermark of another source or column says nothing.

IF COL_LENGTH(N'dbo.TB_R_SYNC_ENTITY', N'WatermarkSourceHash') IS NULL
  ALTER TABLE dbo.TB_R_SYNC_ENTITY ADD WatermarkSourceHash binary(16) NULL; -- of source and column
GO
