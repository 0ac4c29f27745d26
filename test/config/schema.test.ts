import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { CONFIG_SCHEMA } from '../../src/config/schema.ts';

test('the configuration’s schema is a valid one, which is not asked when a command starts', () => {
  const ajv = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true, discriminator: true });
  assert.equal(ajv.validateSchema(CONFIG_SCHEMA), true, ajv.errorsText());
  assert.equal(ajv.validateSchema({ ...CONFIG_SCHEMA, type: 'objekt' }), false);
});
