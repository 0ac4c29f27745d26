import assert from 'node:assert/strict';
import { test } from 'node:test';

test('the tests run on a Node that the package supports', () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  assert.ok(major >= 24 || (major === 22 && minor >= 19), `this is Node ${process.versions.node}`);
});
