import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { shippedConfig } from '../../src/config/new-config.ts';
import { hasChanges, proposeSource, withProposals } from '../../src/config/source-proposal.ts';
import type { TableFacts } from '../../src/sync/table-facts.ts';

const shipped = await shippedConfig();
const users = shipped.entities[0] ?? assert.fail('no entity');
const COLUMNS = ['Id', 'NoReg', 'Username', 'Name', 'Gender', 'Email', 'IsActive'];

function table(name: string, changes: Partial<TableFacts> = {}): TableFacts {
  return { name, kind: 'table', columns: COLUMNS, uniqueKeys: [['Id']], ...changes };
}

const propose = (...tables: TableFacts[]) => proposeSource(users, tables);

describe('a proposal for a source', () => {
  it('changes nothing where table, key and columns are there, in whichever case', () => {
    const found = propose(
      table('DBO.mdm_user', { columns: COLUMNS.map((name) => name.toUpperCase()), uniqueKeys: [['ID']] }),
    );
    assert.deepEqual(found, { entity: 'Users', connection: 'default', columns: [], open: [] });
    assert.equal(hasChanges(found), false);
  });

  it('is another table or view with the same columns, the one that is named like the entity first', () => {
    const other = table('dbo.Other', { columns: ['Id', 'Something'] });
    assert.equal(propose(other, table('hr.STAFF')).table, 'hr.STAFF');
    assert.equal(
      propose(table('hr.STAFF'), table('dbo.VW_USER', { kind: 'view', uniqueKeys: [] })).table,
      'dbo.VW_USER',
    );
  });

  it('is left to a person where several tables fit, or none', () => {
    assert.deepEqual(propose(table('a.STAFF'), table('b.STAFF')).open, [
      'dbo.MDM_USER is not there; these have its columns: a.STAFF, b.STAFF',
    ]);
    assert.deepEqual(propose(table('dbo.Other', { columns: ['Id'] })).open, [
      'dbo.MDM_USER is not there, and no other table or view has its columns',
    ]);
  });

  it('says nothing of a synonym, whose columns nobody knows', () => {
    assert.equal(hasChanges(propose(table('dbo.MDM_USER', { kind: 'synonym', columns: [], uniqueKeys: [] }))), false);
  });

  it('reads a column under the name that is nearest, and no column twice', () => {
    const columns = ['Id', 'No_Reg', 'UserName', 'Name', 'E-Mail', 'Is_Active', 'Nama'];
    assert.deepEqual(propose(table('dbo.MDM_USER', { columns })).columns, [
      { from: 'NoReg', to: 'No_Reg' },
      { from: 'Email', to: 'E-Mail' },
      { from: 'IsActive', to: 'Is_Active' },
    ]);
    const twice = propose(table('dbo.MDM_USER', { columns: COLUMNS.filter((name) => name !== 'Name') }));
    assert.deepEqual(twice.columns, []);
    assert.deepEqual(twice.open, ['dbo.MDM_USER has no column Name, which the map reads']);
  });

  it('takes the primary key where the key is missing, but leaves a key alone that is only not indexed', () => {
    const columns = ['UserId', ...COLUMNS.slice(1)];
    const missing = propose(table('dbo.MDM_USER', { columns, uniqueKeys: [['UserId'], ['NoReg']] }));
    assert.deepEqual(missing.key, ['UserId']);
    assert.deepEqual(missing.columns, [{ from: 'Id', to: 'UserId' }]);
    const unindexed = propose(table('dbo.MDM_USER', { uniqueKeys: [['NoReg']] }));
    assert.equal(unindexed.key, undefined);
    assert.match(unindexed.open.join(), /no unique index of dbo\.MDM_USER says that Id is unique/);
    assert.match(
      propose(table('dbo.MDM_USER', { columns, uniqueKeys: [] })).open.join(),
      /no column Id and no unique key/,
    );
  });

  it('keeps format and default of a field whose column is read under another name', () => {
    const columns = ['A', 'B', ...COLUMNS.slice(1).filter((name) => name !== 'Email'), 'E_mail'];
    const { entities } = withProposals(shipped, [
      propose(table('dbo.MDM_USER', { columns, uniqueKeys: [['A', 'B']] })),
    ]);
    assert.deepEqual(entities[0]?.source.key, ['A', 'B']);
    assert.deepEqual(entities[0]?.map?.Email, { column: 'E_mail', default: '' });
    assert.equal(entities[0]?.map?.Code, 'A');
    assert.deepEqual(entities.slice(1), shipped.entities.slice(1));
  });
});
