import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import stringWidth from 'string-width';
import { type InitReport, initText } from '../../src/report/init-text.ts';
import { assertGolden } from './golden.ts';

const REPORT: InitReport = {
  files: [
    { name: '/etc/tamhr-sync/sync.config.json', what: '5 entities, 30 2 * * * in Asia/Jakarta' },
    { name: '/etc/tamhr-sync/.env', what: 'the secrets; only its owner may read it' },
  ],
  old: {
    name: 'appsettings.json',
    taken: ['ConnectionStrings.DefaultConnection', 'ConnectionStrings.EssConnection', 'CronTime.DataSyncJob'],
    notTaken: [
      "ConnectionStrings.HangfireConnection is not needed: Hangfire's own database has no part in it",
      'Log\u001b[2Jging is not known, and nothing was made of it',
    ],
  },
  fromEnvironment: ['TAMHR_API_KEY'],
  changes: ['OrgObject: read dbo.ORG_OBJ; key ObjectKey; column Object_ID for ObjectID'],
  open: ['Users: dbo.MDM_USER is not there; these have its columns: dbo.Users, dbo.社員'],
  next: [
    { command: 'tamhr-sync migrate --config /etc/tamhr-sync/sync.config.json', what: 'create the tables' },
    { command: 'tamhr-sync plan --config /etc/tamhr-sync/sync.config.json', what: 'see what a run would send' },
  ],
};

describe('the screen of init', () => {
  for (const columns of [60, 80, 200]) {
    it(`in ${columns} columns`, () => {
      const text = initText(REPORT, columns);
      assertGolden(`init-${columns}`, text);
      for (const line of text.split('\n')) {
        // Commands are copied, so they are never broken.
        if (!line.startsWith('  tamhr-sync ')) assert.ok(stringWidth(line) <= columns, line);
      }
    });
  }

  it('leaves out what there is nothing to say of', () => {
    const { files, next } = REPORT;
    const text = initText({ files, next, fromEnvironment: [], changes: [], open: [] }, 200);
    assert.deepEqual(text.match(/^\S.*:$/gm), ['Written:', 'Next:']);
  });
});
