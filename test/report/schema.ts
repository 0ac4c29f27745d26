/** Checks documents against the JSON Schemas in docs/json/. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';

// allowUnionTypes: "null" beside another type is meant.
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true });
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
ajv.addFormat('uuid', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

/** Fails unless `document` is JSON that meets docs/json/`name`.schema.json. */
export function assertMeetsSchema(name: string, document: unknown): void {
  const validate =
    ajv.getSchema(name) ??
    ajv
      .addSchema(
        JSON.parse(readFileSync(new URL(`../../docs/json/${name}.schema.json`, import.meta.url), 'utf8')),
        name,
      )
      .getSchema(name);
  assert.ok(validate);
  assert.ok(validate(JSON.parse(JSON.stringify(document))), JSON.stringify(validate.errors, null, 2));
}
