/** Screens kept as text files beside the tests. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Compares text with golden/`name`.txt, and fails where the file is missing; with UPDATE_GOLDEN=1 in the environment the file
 * is written instead.
 */
export function assertGolden(name: string, text: string): void {
  const file = new URL(`golden/${name}.txt`, import.meta.url);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'));
}
