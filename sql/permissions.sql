-- What the login of the nightly job may do, and no more, for SQL Server 2012 and later. For sqlcmd, or Management Studio in SQLCMD
-- mode: put the names of your installation into the :setvar lines, and the tables or views of your sync.config.json into the
-- GRANTs. Run it after tamhr-sync migrate, as a login that may grant; it may run again and again.
--
-- The login itself is made once, with a password of your own:
--   CREATE LOGIN [tamhr_sync] WITH PASSWORD = '…';
-- or, for a Windows account:
--   CREATE LOGIN [DOMAIN\tamhr-sync] FROM WINDOWS;

:setvar JobLogin "tamhr_sync"
:setvar DefaultDatabase "TAMHR_MDM"
:setvar EssDatabase "TAMHR_ESS"
:setvar LogDatabase "TAMHR_LOG"

-- Sources: only to read.

USE [$(DefaultDatabase)];
GO
IF DATABASE_PRINCIPAL_ID(N'$(JobLogin)') IS NULL CREATE USER [$(JobLogin)] FOR LOGIN [$(JobLogin)];
GO
GRANT SELECT ON dbo.MDM_USER TO [$(JobLogin)];
GRANT SELECT ON dbo.MDM_ACTUAL_ORGANIZATION_STRUCTURE TO [$(JobLogin)];
GRANT SELECT ON dbo.MDM_ACTUAL_ENTITY_STRUCTURE TO [$(JobLogin)];
GRANT SELECT ON dbo.MDM_ORGANIZATION_OBJECT TO [$(JobLogin)];
GO

USE [$(EssDatabase)];
GO
IF DATABASE_PRINCIPAL_ID(N'$(JobLogin)') IS NULL CREATE USER [$(JobLogin)] FOR LOGIN [$(JobLogin)];
GO
GRANT SELECT ON dbo.TB_M_EVENTS_CALENDAR TO [$(JobLogin)];
GO

-- The log database: to keep the ledger and the history, but not to change tables. Where a database is named twice above, its
-- user is there already, and that is well.

USE [$(LogDatabase)];
GO
IF DATABASE_PRINCIPAL_ID(N'$(JobLogin)') IS NULL CREATE USER [$(JobLogin)] FOR LOGIN [$(JobLogin)];
GO
GRANT SELECT ON dbo.TB_R_SYNC_SCHEMA TO [$(JobLogin)];
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.TB_R_SYNC_TRACKING TO [$(JobLogin)];
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.TB_R_SYNC_RUN TO [$(JobLogin)];
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.TB_R_SYNC_BATCH TO [$(JobLogin)];
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.TB_R_SYNC_FAILURE TO [$(JobLogin)];
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.TB_R_SYNC_ENTITY TO [$(JobLogin)];
GRANT SELECT, INSERT ON dbo.TB_R_Log TO [$(JobLogin)];
-- TB_R_Log is shared with other applications. tamhr-sync ledger prune alone removes rows of it, those that the tool wrote:
-- GRANT DELETE ON dbo.TB_R_Log TO [$(JobLogin)];
GO
