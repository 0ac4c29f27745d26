import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Notice, noticeOf, noticeText, type RunEnd } from '../../src/report/notice.ts';
import { webhookMessage } from '../../src/report/notice-messages.ts';
import type { EntitySummary } from '../../src/sync/ports.ts';
import { emptyTally } from '../../src/sync/tally.ts';
import { assertGolden } from './golden.ts';

const RUN_ID = '36f678c1-b98b-42e5-8768-8375920b5924';

function entityEnd(entity: string, changes: Partial<EntitySummary> = {}): EntitySummary {
  return { entity, state: 'done', startedAt: '2026-11-23T20:00:00Z', durationMs: 1500, ...emptyTally(), ...changes };
}

function runEnd(exitCode: number, changes: Partial<RunEnd> = {}, ...entities: EntitySummary[]): RunEnd {
  const startedAt = new Date('2026-11-23T20:00:01Z');
  const summary = { runId: RUN_ID, dryRun: false, startedAt: startedAt.toISOString(), durationMs: 75_000, exitCode };
  return {
    runId: RUN_ID,
    host: 'hr-batch-01',
    startedAt,
    durationMs: 75_000,
    exitCode,
    ...(entities.length > 0 && { summary: { ...summary, entities } }),
    ...changes,
  };
}

const notice = (end: RunEnd): Notice => noticeOf(end, 'Asia/Jakarta', (text) => text.replaceAll('S3cret', '***'));

const BAD_NIGHT = runEnd(
  1,
  {},
  entityEnd('Users', {
    batchError: 'HTTP 503 Service Unavailable',
    read: 10_000,
    accepted: 7000,
    unresolved: 3000,
    newDeadLetters: 1,
    oldDeadLetters: 2,
    batches: { pending: 4, accepted: 3, refused: 0, unresolved: 1, split: 0 },
  }),
  entityEnd('ActualOrg', {
    state: 'failed',
    error: { code: 'SOURCE_MISSING', message: 'ActualOrg: dbo.X is not there.', hint: 'See whether it was renamed.' },
  }),
  entityEnd('OrgObject', { read: 12, accepted: 12, deleted: 2, heldDeletions: 3 }),
);

describe('a notice of a run', () => {
  it('tells the exit code and its meaning, each entity, what was wrong with its remedy, and which run it was', () => {
    assertGolden('notice-bad-night', noticeText(notice(BAD_NIGHT)));
  });

  it('of a good run is short', () => {
    assertGolden('notice-good-night', noticeText(notice(runEnd(0, {}, entityEnd('Users', { read: 5, accepted: 5 })))));
  });

  it('of a run that could not start tells why', () => {
    const error = { text: 'The log database cannot be reached.', hint: 'See whether the server is up.' };
    assertGolden('notice-not-started', noticeText(notice(runEnd(69, { error }))));
  });

  it('what kept an entity from its work comes before errors of batches', () => {
    const texts = notice(BAD_NIGHT).notes.map(({ text }) => text);
    assert.match(texts[0] ?? '', /dbo\.X is not there/);
    assert.match(texts[1] ?? '', /HTTP 503/);
  });

  it('holds no secret and no control character, and no text without end', () => {
    const batchError = `HTTP 500: S3cret\u001b[2J\nnext ${'x'.repeat(10_000)}`;
    const text = noticeText(notice(runEnd(1, {}, entityEnd('Users', { batchError }))));
    assert.match(text, /HTTP 500: \*\*\*\\u001b\[2J next x+…/);
    assert.ok(text.length < 2000);
  });

  it('of very many entities and notes names the first, and counts the others', () => {
    const entities = Array.from({ length: 100 }, (_, index) => entityEnd(`E${index}`, { refused: 1 }));
    const { entities: lines, notes } = notice(runEnd(1, {}, ...entities));
    assert.deepEqual([lines.length, lines.at(-1)], [31, '70 more entities.']);
    assert.deepEqual([notes.length, notes.at(-1)?.text], [11, '90 more notes: tamhr-sync status.']);
  });
});

describe('a notice for a chat', () => {
  const hostile = runEnd(
    1,
    {},
    entityEnd('Users', { batchError: 'HTTP 500: <!channel> [x](http://evil.example) **b** & c' }),
  );
  const message = (format: 'slack' | 'teams' | 'messageCard', end = hostile) =>
    JSON.parse(webhookMessage(notice(end), format));

  it('of Slack is one text, in which nothing becomes a mention, or a link behind a text', () => {
    const { text, ...others } = message('slack');
    assert.deepEqual(others, {});
    assert.match(text, /^tamhr-sync on hr-batch-01: exit code 1\n/);
    assert.ok(text.includes('&lt;!channel&gt; [x](http://evil.example) **b** &amp; c'));
    assert.doesNotMatch(text, /[<>]/);
  });

  it('of Teams is an Adaptive Card without Markdown', () => {
    const { type, attachments } = message('teams');
    assert.equal(type, 'message');
    assert.equal(attachments.length, 1);
    assert.equal(attachments[0].contentType, 'application/vnd.microsoft.card.adaptive');
    const { type: cardType, version, body } = attachments[0].content;
    assert.deepEqual([cardType, version], ['AdaptiveCard', '1.4']);
    const runs = body.flatMap((block: { type: string; inlines: { type: string; text: string; color?: string }[] }) => {
      assert.equal(block.type, 'RichTextBlock');
      return block.inlines;
    });
    assert.ok(runs.every((run: { type: string; text: string }) => run.type === 'TextRun' && run.text !== ''));
    assert.deepEqual([runs[0].text, runs[0].color], ['tamhr-sync on hr-batch-01: exit code 1', 'Attention']);
    assert.ok(runs.some((run: { text: string }) => run.text.includes('[x](http://evil.example) **b** & c')));
    const good = message('teams', runEnd(0, {}, entityEnd('Users'))).attachments[0].content.body[0];
    assert.equal(good.inlines[0].color, 'Good');
  });

  it('is never longer than a chat takes', () => {
    const long = 'x'.repeat(1000);
    const error = { code: 'SOURCE_MISSING', message: long, hint: long };
    const entities = Array.from({ length: 100 }, () => entityEnd('E'.repeat(100), { state: 'failed', error }));
    const text = webhookMessage(notice(runEnd(2, {}, ...entities)), 'teams');
    assert.ok(text.length < 28_000, `${text.length} characters`);
  });

  it('of a MessageCard has its facts, with Markdown off', () => {
    const card = message('messageCard', BAD_NIGHT);
    assert.equal(card['@type'], 'MessageCard');
    assert.equal(card.summary, 'tamhr-sync on hr-batch-01: exit code 1');
    assert.equal(card.sections[0].markdown, false);
    const facts: { name: string; value: string }[] = card.sections[0].facts;
    assert.deepEqual(
      facts.filter(({ name }) => name !== 'Note').map(({ name, value }) => `${name}: ${value.split(/[:,]/, 1)[0]}`),
      ['Entity: Users', 'Entity: ActualOrg', 'Entity: OrgObject', `Run: Run ${RUN_ID}`],
    );
    assert.ok(facts.some(({ value }) => value === 'ActualOrg: dbo.X is not there. See whether it was renamed.'));
  });
});
