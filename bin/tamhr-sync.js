#!/usr/bin/env node
// Checks Node's version, runs the command line, sets the exit code. Plain JavaScript that any Node with ES modules can read.
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major >= 24 || (major === 22 && minor >= 19)) {
  // A pipe that nobody reads any more, or a full disk behind it, is no reason to stop a run.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  // A checkout runs from source by type stripping; the package ships dist/ only.
  const isCheckout = existsSync(new URL('../src/cli.ts', import.meta.url));
  const args = process.argv.slice(2);
  if (args[0] === '--version' || args[0] === '-V') {
    // What the program answers as well, but without loading all of it first.
    const { versionLine } = await import(isCheckout ? '../src/version.js' : '../dist/version.js');
    process.stdout.write(`${versionLine()}\n`);
  } else {
    const { main } = await import(isCheckout ? '../src/cli.ts' : '../dist/cli.js');
    const { wholeStdout } = await import(isCheckout ? '../src/stdout.ts' : '../dist/stdout.js');
    process.exitCode = await main(args, {
      stdout: wholeStdout(process.stdout),
      stderr: process.stderr,
      stdin: () => process.stdin,
      env: process.env,
      cwd: process.cwd(),
      signals: process,
    });
  }
} else {
  console.error(`tamhr-sync needs Node.js 22.19 or later of 22, or 24 and later; this is ${process.versions.node}.`);
  process.exitCode = 78;
}
