/**
 * The stand-in for the receiving API: what tests and the demo import of receiver/server.ts, and, when this file is run
 * (`npm run receiver`), its command line, which prints a line per call and totals when it is stopped.
 */
import { parseArgs } from 'node:util';
import { type Answer, type Call, type ReceiverOptions, startReceiver } from './receiver/server.ts';

export { type Answer, type Call, type Receiver, type ReceiverOptions, startReceiver } from './receiver/server.ts';

const USAGE = `npm run receiver -- [options]

Takes JSON arrays of rows at any path on 127.0.0.1, and DELETE of a row such as /users/K1 that came to /users before, and
prints a line per call.

  --port <port>              default 8080
  --api-key <value>          refuse calls without this API key (401)
  --api-key-header <name>    its header, default X-Api-Key
  --basic <user:password>    refuse calls without this HTTP Basic login (401)
  --idempotency              the same Idempotency-Key again takes nothing
  --deletions <path=path>    rows at the first path are to be deleted from the second, such as
                             /users-deleted=/users; repeatable
  --missing-status <status>  of a DELETE of a row that is not there, default 404
  --refuse <field=value>     refuse requests with a row whose field has this value (422); repeatable
  --refuse-all               refuse every row, as if the schema had changed
  --refuse-status <status>   refuse them with this status, such as 500
  --report-rows              take the rows that are not refused, and name the others in a 207 with each row's status
  --report-errors            the same, in a 200 with an array of errors
  --max-rows <number>        refuse requests with more rows (413)
  --max-bytes <number>       refuse requests with a larger body (413)
  --requests-per-second <n>  refuse requests beyond these (429 with Retry-After)
  --delay <ms>               wait before each answer
  --answer <how>[@<calls>]   answer these calls in another way; repeatable, the first that fits is taken
  --help                     this text

  how     a status such as 503, or one that says when to come again:
          503:retry-after=<seconds>, 503:retry-date=<seconds> (as a date), 429:ratelimit-reset=<seconds>
          hang               read the request, never answer
          reset, close       read the request, then reset or close the connection
          reset-before-body  reset the connection before the request's body is read
          taken-then-reset   take the rows, then reset the connection
          taken-then-503     take the rows, then answer 503
          redirect           status 307, to /elsewhere
          wrong-encoding     answer as without this, with a Content-Encoding that is not the body's
          partial            send half of an answer with status 200, then close
          invalid-json, html, huge, trickle
                             status 500 with broken JSON, a page of HTML, 8 MiB, a byte every 50 ms
  calls   numbers and ranges from 1 on, such as 2 or 1,4-6 or 10-; default: all
`;

const HOW: Readonly<Record<string, Answer>> = {
  hang: { send: 'none' },
  reset: { send: 'reset' },
  close: { send: 'close' },
  'reset-before-body': { send: 'resetBeforeBody' },
  'taken-then-reset': { send: 'reset', take: true },
  'taken-then-503': { status: 503, take: true },
  redirect: { status: 307, headers: { Location: '/elsewhere' } },
  'wrong-encoding': { headers: { 'Content-Encoding': 'gzip' } },
  partial: { status: 200, send: 'partial' },
  'invalid-json': { status: 500, body: '{"message": "broken' },
  html: {
    status: 500,
    headers: { 'Content-Type': 'text/html' },
    body: '<!doctype html><html><head><title>Runtime Error</title></head><body><h1>Server Error</h1></body></html>',
  },
  huge: { status: 500, headers: { 'Content-Type': 'text/plain' }, body: 'x'.repeat(8 * 1024 * 1024) },
  trickle: { status: 500, send: 'trickle' },
};

/** What is wrong with the command line, as a sentence. */
class UsageError extends Error {}

/** What `--answer` asks for; made for each call, since it may hold a time. */
function answerOf(how: string): () => Answer {
  const [, status, wait, seconds] = /^([2-5]\d\d)(?::(retry-after|retry-date|ratelimit-reset)=(\d+))?$/.exec(how) ?? [];
  if (status !== undefined) {
    return () => ({
      status: Number(status),
      ...(wait !== undefined && { headers: waitHeader(wait, Number(seconds)) }),
    });
  }
  const answer = HOW[how];
  if (answer === undefined)
    throw new UsageError(`--answer ${how}: not a status, nor one of ${Object.keys(HOW).join(', ')}`);
  return () => answer;
}

function waitHeader(wait: string, seconds: number): Record<string, string> {
  if (wait === 'ratelimit-reset') return { 'RateLimit-Remaining': '0', 'RateLimit-Reset': String(seconds) };
  const date = new Date(Date.now() + seconds * 1000).toUTCString();
  return { 'Retry-After': wait === 'retry-date' ? date : String(seconds) };
}

/** Whether a call's number is in a list such as `1,4-6,10-`. */
function parseCalls(list: string): (number: number) => boolean {
  const ranges = list.split(',').map((range) => {
    const [, from, dash, to] = /^(\d+)(-?)(\d*)$/.exec(range) ?? [];
    if (from === undefined) throw new UsageError(`--answer @${list}: expected numbers and ranges such as 1,4-6,10-`);
    return { from: Number(from), to: dash === '' ? Number(from) : to === '' ? Number.POSITIVE_INFINITY : Number(to) };
  });
  return (number) => ranges.some(({ from, to }) => number >= from && number <= to);
}

function parseRefusal(text: string): NonNullable<ReceiverOptions['refuse']> {
  const [field, ...value] = text.split('=');
  if (field === undefined || value.length === 0) throw new UsageError(`--refuse ${text}: expected field=value`);
  return (row) => (String(row[field] ?? '') === value.join('=') ? `${field} is refused` : undefined);
}

function parseDeletions(text: string): [at: string, from: string] {
  const [, at, from] = /^(\/[^=]*)=(\/.*)$/.exec(text) ?? [];
  if (at === undefined || from === undefined) throw new UsageError(`--deletions ${text}: expected /path=/path`);
  return [at, from];
}

function parseBasic(text: string): { user: string; password: string } {
  const [user, ...password] = text.split(':');
  if (user === undefined || password.length === 0) throw new UsageError('--basic: expected user:password');
  return { user, password: password.join(':') };
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`${option} ${text}: expected a whole number`);
  return Number(text);
}

function printCall(call: Call): void {
  const answer = call.status === undefined ? 'no answer' : `${call.status}${call.replayed ? ' (as before)' : ''}`;
  const verb = call.deletesFrom === undefined ? 'taken' : 'deleted';
  const key = call.idempotencyKey === undefined ? '' : `, key ${call.idempotencyKey}`;
  console.log(`${call.number}: ${call.method} ${call.path} ${call.rows} rows → ${answer}, ${call.taken} ${verb}${key}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8080' },
      'api-key': { type: 'string' },
      'api-key-header': { type: 'string', default: 'X-Api-Key' },
      basic: { type: 'string' },
      idempotency: { type: 'boolean', default: false },
      deletions: { type: 'string', multiple: true, default: [] },
      'missing-status': { type: 'string' },
      refuse: { type: 'string', multiple: true, default: [] },
      'refuse-all': { type: 'boolean', default: false },
      'refuse-status': { type: 'string' },
      'report-rows': { type: 'boolean', default: false },
      'report-errors': { type: 'boolean', default: false },
      'max-rows': { type: 'string' },
      'max-bytes': { type: 'string' },
      'requests-per-second': { type: 'string' },
      delay: { type: 'string' },
      answer: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const refusals = values.refuse.map(parseRefusal);
  if (values['refuse-all']) refusals.push(() => 'every row is refused');
  const answers = values.answer.map((text) => {
    const [how = '', calls = '1-'] = text.split('@');
    return { answer: answerOf(how), fits: parseCalls(calls) };
  });
  const numberOf = (option: keyof typeof values): number | undefined => {
    const text = values[option];
    return typeof text === 'string' ? wholeNumber(`--${option}`, text) : undefined;
  };
  const delayMs = numberOf('delay');
  const auth =
    values['api-key'] !== undefined
      ? { header: values['api-key-header'], value: values['api-key'] }
      : values.basic !== undefined
        ? parseBasic(values.basic)
        : undefined;
  const paths = new Set<string>();
  const receiver = await startReceiver({
    port: wholeNumber('--port', values.port),
    idempotency: values.idempotency,
    ...(auth !== undefined && { auth }),
    ...(values['report-rows'] && { report: 'multiStatus' }),
    ...(values['report-errors'] && { report: 'errors' }),
    deletions: Object.fromEntries(values.deletions.map(parseDeletions)),
    missingStatus: numberOf('missing-status'),
    refuseStatus: numberOf('refuse-status'),
    maxRows: numberOf('max-rows'),
    maxBytes: numberOf('max-bytes'),
    requestsPerSecond: numberOf('requests-per-second'),
    refuse: (row, path) => refusals.map((refusal) => refusal(row, path)).find((reason) => reason !== undefined),
    onCall: (call) => {
      paths.add(call.deletesFrom ?? call.path);
      printCall(call);
    },
  });
  receiver.respond((call) => ({ delayMs, ...answers.find(({ fits }) => fits(call.number))?.answer() }));
  console.log(`receiving at ${receiver.url}; Ctrl-C stops it`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      await receiver.close();
      for (const path of paths) {
        const deleted = receiver.deleted(path).size;
        console.log(`${path}: ${receiver.accepted(path).size} rows taken${deleted > 0 ? `, ${deleted} deleted` : ''}`);
      }
    });
  }
}

function report(error: unknown): void {
  const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  if (isUsage) console.error('(add --help for the usage)');
  process.exitCode = isUsage ? 64 : 1;
}

if (import.meta.main) await main().catch(report);
