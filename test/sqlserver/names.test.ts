import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { quoteName, quoteTableName } from '../../src/sqlserver/names.ts';

describe('names in T-SQL', () => {
  it('doubles a closing bracket inside a name', () => {
    assert.equal(quoteName('a]b[c'), '[a]]b[c]');
  });

  for (const [written, quoted] of [
    ['MDM_USER', '[MDM_USER]'],
    ['dbo.MDM_USER', '[dbo].[MDM_USER]'],
    [' dbo . MDM_USER ', '[dbo].[MDM_USER]'],
    ['TAMHR_MDM.dbo.MDM_USER', '[TAMHR_MDM].[dbo].[MDM_USER]'],
    ['TAMHR_MDM..MDM_USER', '[TAMHR_MDM]..[MDM_USER]'],
    ['[my schema].[a.b]', '[my schema].[a.b]'],
    ['[a]]b].c', '[a]]b].[c]'],
    ['"my ""schema""".t', '[my "schema"].[t]'],
    ['ユーザー', '[ユーザー]'],
  ] as const) {
    it(`reads ${written}`, () => assert.equal(quoteTableName(written), quoted));
  }

  for (const written of ['', ' ', '.t', 'a.', 'a.b.c.d', 'a...b', 'dbo.t; DROP TABLE x', 'my table', '[open', '[]']) {
    it(`takes "${written}" for no table's name`, () => assert.equal(quoteTableName(written), undefined));
  }
});
