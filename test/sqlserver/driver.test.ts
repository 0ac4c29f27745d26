import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { loadDriver } from '../../src/sqlserver/driver.ts';

test('the driver is loaded without the sign-in to Azure, which comes when it is asked for', async () => {
  const { Connection } = await loadDriver();
  const require = createRequire(import.meta.resolve('tedious'));
  const loaded = () => Object.keys(require.cache).filter((path) => /@azure.(identity|msal-node).(dist|lib)/.test(path));
  assert.equal(loaded().length, 1, 'what stands in for it');

  // The driver makes the credential when it signs in.
  const name: string = '@azure/identity';
  const identity = require(name);
  assert.equal('DefaultAzureCredential' in identity, true);
  const credential = new identity.ClientSecretCredential('tenant', 'client', 'secret');
  assert.equal(typeof credential.getToken, 'function');
  assert.ok(loaded().length > 1, 'the real one');
  assert.equal((await loadDriver()).Connection, Connection);
});
