import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type OldSettings, readAppSettings } from '../../src/config/appsettings.ts';
import { SyncError } from '../../src/sync/errors.ts';

const ENTITIES = ['Users', 'ActualOrg'];
const read = (text: string): OldSettings => readAppSettings(text, 'appsettings.json', ENTITIES);

/** As the old job's README shows it, with what .NET allows. */
const WHOLE = `{
  // what the scheduler needs
  "ConnectionStrings": {
    "HangfireConnection": "Server=hf;Password=hush",
    "DefaultConnection": "Server=a;Password=x",
    "essconnection": "Server=b;Password=y",
    "LogConnection": "Server=c;Password=z",
  },
  "CronTime": { "DataSyncJob": "0 30 2 * * *" /* with seconds */ },
  "SyncConfiguration": {
    "BatchSize": 2500,
    "ApiEndpoints": { "Users": "https://api.example.com/users", "ActualOrg": "https://api.example.com/actualorg" },
    "ApiTimeout": "45",
    "ApiKey": "key-1",
  },
}`;

function errorOf(text: string): SyncError {
  try {
    read(text);
  } catch (error) {
    assert.ok(error instanceof SyncError, String(error));
    return error;
  }
  throw new Error('it was read');
}

describe('the old appsettings.json', () => {
  it('gives connections, schedule, sizes, endpoints and the API key', () => {
    const old = read(WHOLE);
    assert.deepEqual(old.connections, {
      default: 'Server=a;Password=x',
      ess: 'Server=b;Password=y',
      log: 'Server=c;Password=z',
    });
    assert.equal(old.cron, '30 2 * * *');
    assert.equal(old.batchSize, 2500);
    assert.equal(old.timeoutMs, 45_000);
    assert.deepEqual([...old.endpoints.keys()], ENTITIES);
    assert.deepEqual(old.auth, { type: 'apiKey', header: 'X-Api-Key', value: 'key-1' });
    assert.deepEqual(old.notTaken, [
      "ConnectionStrings.HangfireConnection is not needed: Hangfire's own database has no part in it",
    ]);
    assert.equal(old.taken.length, 9);
  });

  it('is read with names in any case and sections written out in a name, as .NET reads it', () => {
    const old = read(
      '{"syncconfiguration:batchsize": "10", "SyncConfiguration": {"ApiEndpoints:users": "http://h/u"}}',
    );
    assert.equal(old.batchSize, 10);
    assert.equal(old.endpoints.get('Users'), 'http://h/u');
  });

  it('may sign in by HTTP Basic', () => {
    const old = read('{"SyncConfiguration": {"ApiKey": "", "Username": "u", "Password": "p"}}');
    assert.deepEqual(old.auth, { type: 'basic', user: 'u', password: 'p' });
    assert.deepEqual(old.notTaken, ['SyncConfiguration.ApiKey is empty']);
  });

  it('loses nothing in silence: what is not taken over is named, without its value', () => {
    const { notTaken } = read(`{
      "Logging": { "LogLevel": { "Default": "hush1", "Microsoft": "hush2" } },
      "AllowedHosts": "hush3",
      "Servers": ["hush4", "hush5"],
      "ConnectionStrings": { "OtherConnection": "hush6" },
      "CronTime": { "DataSyncJob": "hush7", "CleanupJob": "hush8" },
      "SyncConfiguration": {
        "BatchSize": -1, "ApiTimeout": "hush9", "RetryCount": 3, "Nested": { "A": 1, "B": 2 },
        "ApiEndpoints": { "Users": "hush10", "Shifts": "https://hush11" }
      }
    }`);
    assert.deepEqual(notTaken, [
      'CronTime.DataSyncJob is no schedule of five fields',
      'SyncConfiguration.BatchSize is no whole number above 0',
      'SyncConfiguration.ApiTimeout is no whole number of seconds above 0',
      'SyncConfiguration.ApiEndpoints.Users is no http or https URL',
      ...[
        'Logging',
        'AllowedHosts',
        'Servers',
        'ConnectionStrings.OtherConnection',
        'CronTime.CleanupJob',
        'SyncConfiguration.RetryCount',
        'SyncConfiguration.Nested',
        'SyncConfiguration.ApiEndpoints.Shifts',
      ].map((name) => `${name} is not known, and nothing was made of it`),
    ]);
    assert.doesNotMatch(notTaken.join(), /hush/);
  });

  it('is refused where it is none, with the place and no value', () => {
    assert.equal(errorOf('{"ApiKey": hush}').code, 'CONFIG_INVALID');
    assert.match(errorOf('{\n"ApiKey": hush}').message, /^appsettings\.json, line 2, column 11: expected a value/);
    assert.match(errorOf('{ /* never ends').message, /end of the comment/);
    assert.match(errorOf('[]').message, /is no JSON object/);
    assert.match(errorOf('{"A:B": 1, "a": {"b": 2}}').message, /has the key a\.b twice/);
    assert.doesNotMatch(errorOf('{"ApiKey": hush}').message, /hush/);
  });
});
