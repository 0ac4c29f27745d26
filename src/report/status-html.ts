/**
 * `status --html`: the same document as one file that needs nothing else, for people who have a browser and no database
 * client. Whatever comes from databases, receivers and the configuration goes through html.ts.
 */
import type { BatchDurations, RunCounts } from '../sync/history.ts';
import { formatCount, formatDuration, formatQuantity, timeFormatter, withStatus } from './format.ts';
import { type HtmlValue, html, type Markup } from './html.ts';
import { scaleTop } from './scale.ts';
import { type Bar, barChart } from './status-chart.ts';
import {
  lastSuccessOf,
  type StatusDocument,
  type StatusEntity,
  type StatusRun,
  type StatusWarning,
} from './status-json.ts';
import { STYLE } from './status-style.ts';

/** Runs that are shown without opening anything. */
const RUNS_OPEN = 10;

/** Unknown batches that are listed of each entity. */
const BATCHES_LISTED = 20;

/** The whole report as HTML, ending with a line break. `version` is the program's. Times are in the schedule's zone. */
export function statusHtml(document: StatusDocument, { version }: { readonly version: string }): string {
  const { generatedAt, migrated, schedule, warnings, entities, runs } = document;
  const zone = schedule?.timeZone ?? 'UTC';
  const format = timeFormatter(zone);
  const view: View = {
    text: (iso) => (iso === null ? '?' : format(iso)),
    time: (iso, otherwise = '?') =>
      iso === null ? otherwise : html`<time class="time" datetime="${iso}">${broken(format(iso))}</time>`,
    day: (iso) => (iso === null ? '?' : format(iso).slice(0, 'yyyy-mm-dd'.length)),
  };
  const verdict = verdictOf(warnings);
  const next = schedule === null ? 'no schedule is configured' : view.time(schedule.nextDueAt, 'never');
  // The policy lets nothing be loaded or run, whatever should slip through: https://www.w3.org/TR/CSP3/
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>tamhr-sync: ${verdict.text}, ${view.text(generatedAt)}</title>
${STYLE}</head>
<body>
<header>
<h1>tamhr-sync status</h1>
<p class="verdict ${verdict.look}">${verdict.text}</p>
<dl class="facts">
<div><dt>Made</dt><dd>${view.time(generatedAt)}</dd></div>
<div><dt>Next run due</dt><dd>${next}</dd></div>
<div><dt>Schedule</dt><dd>${schedule === null ? 'none: nothing is ever overdue' : `${schedule.cron} (${zone})`}</dd></div>
<div><dt>Last run</dt><dd>${lastRunOf(runs, migrated, view)}</dd></div>
</dl>
</header>
<main>
${[
  warningSection(warnings),
  entitySection(entities, migrated, view),
  runSection(runs, entities, migrated, view),
  durationSection(entities),
  errorSection(entities, view),
  deadLetterSection(entities, view),
  unknownSection(entities, view),
]}</main>
<footer>
<p>Written by tamhr-sync ${version}. Keys of rows may stand here, other values of rows do not. Times are in ${zone}.</p>
</footer>
</body>
</html>
`.markup;
}

interface View {
  readonly text: (iso: string | null) => string;
  readonly time: (iso: string | null, otherwise?: string) => HtmlValue;
  readonly day: (iso: string | null) => string;
}

/** A time that may be broken after its date only. */
function broken(time: string): HtmlValue {
  const [date, ...rest] = time.split(' ');
  return html`${date} <span>${rest.join(' ')}</span>`;
}

/** CSS classes of style.ts. */
type Look = 'good' | 'bad' | 'warn' | 'calm';

function verdictOf(warnings: readonly StatusWarning[]): { readonly text: string; readonly look: Look } {
  const alarms = warnings.filter(({ level }) => level === 'alarm').length;
  const others = warnings.length - alarms;
  const texts = [
    ...(alarms > 0 ? [formatQuantity(alarms, 'alarm')] : []),
    ...(others > 0 ? [formatQuantity(others, 'warning')] : []),
  ];
  if (texts.length === 0) return { text: 'all is well', look: 'good' };
  return { text: texts.join(', '), look: alarms > 0 ? 'bad' : 'warn' };
}

function lastRunOf([run]: readonly StatusRun[], migrated: boolean, { time }: View): HtmlValue {
  if (run === undefined) return migrated ? 'never' : 'not known';
  return html`${time(run.startedAt)} ${endBadge(run)}`;
}

function section(id: string, title: string, content: HtmlValue): Markup {
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${content}</section>
`;
}

interface Column {
  readonly title: string;
  readonly kind?: 'number' | 'long';
}

/** The first cell of each row names the row. Roles are written out, since `display: block` takes them away. */
function table(caption: string, columns: readonly Column[], rows: readonly (readonly HtmlValue[])[]): Markup {
  const classOf = ({ kind }: Column) => kind && html` class="${kind}"`;
  const [first, ...others] = columns;
  return html`<table role="table">
<caption>${caption}</caption>
<thead role="rowgroup">
<tr role="row">${columns.map((column) => html`<th role="columnheader" scope="col"${classOf(column)}>${column.title}</th>`)}</tr>
</thead>
<tbody role="rowgroup">
${rows.map(
  ([
    name,
    ...cells
  ]) => html`<tr role="row"><th role="rowheader" scope="row"${first && classOf(first)}>${name}</th>${others.map(
    (column, index) =>
      html`<td role="cell"${classOf(column)} data-label="${column.title}"><span>${cells[index]}</span></td>`,
  )}</tr>
`,
)}</tbody>
</table>
`;
}

function badge(look: Look, text: string): Markup {
  return html`<span class="badge ${look}">${text}</span>`;
}

function warningSection(warnings: readonly StatusWarning[]): Markup | null {
  if (warnings.length === 0) return null;
  const item = ({
    level,
    entity,
    message,
  }: StatusWarning) => html`<li class="${level === 'alarm' ? 'bad' : 'warn'}"><strong>${
    level === 'alarm' ? 'Alarm' : 'Warning'
  }:</strong> ${entity === null ? message : [html`<strong>${entity}</strong>: `, message]}</li>
`;
  const alarms = warnings.filter(({ level }) => level === 'alarm');
  const others = warnings.filter(({ level }) => level !== 'alarm');
  return section(
    'attention',
    'What needs attention',
    html`<ul class="notices">
${[...alarms, ...others].map(item)}</ul>
`,
  );
}

function entitySection(entities: readonly StatusEntity[], migrated: boolean, view: View): Markup {
  const columns: Column[] = [
    { title: 'Entity' },
    { title: 'State' },
    { title: 'Last run' },
    { title: 'Took', kind: 'number' },
    { title: 'Sent', kind: 'number' },
    { title: 'Not taken', kind: 'number' },
    { title: 'In all', kind: 'number' },
    { title: 'Dead letters', kind: 'number' },
    { title: 'Last success' },
    { title: 'Rows a run' },
  ];
  const rows = entities.map((entity) => {
    const { lastRun } = entity;
    const counts = lastRun?.counts;
    return [
      entity.entity,
      entityBadges(entity, migrated),
      view.time(lastRun?.startedAt ?? null, migrated ? 'never' : 'not known'),
      lastRun === null ? '–' : durationOf(lastRun.durationMs),
      counts === undefined ? '–' : sentOf(counts),
      counts === undefined ? '–' : formatCount(counts.rowsRefused + counts.rowsUnresolved),
      formatCount(entity.trackedRows),
      formatCount(entity.deadLetters),
      view.time(lastSuccessOf(entity), 'never'),
      sparkline(entity),
    ];
  });
  const caption =
    'Each entity by its last run: rows sent and not taken in it, rows that the receiver has in all, and rows sent in each of the last runs, oldest first.';
  return section('entities', 'Entities', table(caption, columns, rows));
}

function sentOf({ rowsAccepted, rowsDeleted }: RunCounts): string {
  return `${formatCount(rowsAccepted)}${rowsDeleted > 0 ? ` (${formatCount(rowsDeleted)} deleted)` : ''}`;
}

const OUTCOME_LOOKS: Readonly<Record<string, Look>> = { done: 'good', failed: 'bad', aborted: 'bad' };

function entityBadges({ lastRun, overdue }: StatusEntity, migrated: boolean): HtmlValue {
  const late = overdue ? html` ${badge('bad', 'overdue')}` : null;
  if (lastRun === null) return [badge('calm', migrated ? 'never run' : 'not known'), late];
  const { outcome, stoppedBy, counts } = lastRun;
  const leftSome = counts.rowsRefused + counts.rowsUnresolved > 0 && outcome !== 'running';
  const look = OUTCOME_LOOKS[outcome] ?? 'calm';
  const isHalf = stoppedBy === 'breaker' || stoppedBy === 'deadline' || leftSome;
  return [
    badge(look !== 'bad' && isHalf ? 'warn' : look, stoppedBy === null ? outcome : `${outcome} (${stoppedBy})`),
    late,
  ];
}

/** Rows of the last runs, oldest first; the figures stand in its description. */
function sparkline({ entity, runs }: StatusEntity): HtmlValue {
  const rows = runs.flatMap(({ counts }) => (counts === null ? [] : [counts.rowsAccepted])).reverse();
  if (rows.length === 0) return '–';
  const top = scaleTop(rows);
  const words = `${entity}: ${rows.map(formatCount).join(', ')} rows, oldest run first`;
  const bars = rows.map((count, index) => {
    const height = count > 0 ? Math.min(24, Math.max(1, Math.round((count / top) * 24))) : 0;
    return html`<rect class="sent" x="${index * 4}" y="${24 - height}" width="3" height="${height}"/>`;
  });
  return html`<svg class="spark" role="img" aria-label="${words}" viewBox="0 0 ${Math.max(10, rows.length) * 4} 24" preserveAspectRatio="none">${bars}</svg>`;
}

function runSection(
  runs: readonly StatusRun[],
  entities: readonly StatusEntity[],
  migrated: boolean,
  view: View,
): Markup {
  if (runs.length === 0)
    return section(
      'runs',
      'Runs',
      html`<p>${migrated ? 'No run has ever happened.' : 'The job before this tool left nothing about its runs.'}</p>
`,
    );
  const durations = new Map(runs.map(({ runId }) => [runId, durationsOf(entities, runId)]));
  const [shown, earlier] = [runs.slice(0, RUNS_OPEN), runs.slice(RUNS_OPEN)];
  const tableOf = (caption: string, listed: readonly StatusRun[]) => runTable(caption, listed, durations, view);
  const more =
    earlier.length === 0
      ? null
      : html`<details>
<summary>${formatQuantity(earlier.length, 'earlier run')}</summary>
${tableOf('The runs before these.', earlier)}</details>
`;
  return section('runs', 'Runs', [
    charts(runs, durations, view),
    tableOf(`The last ${shown.length === 1 ? 'run' : `${shown.length} runs`}, the newest first.`, shown),
    more,
  ]);
}

function runTable(
  caption: string,
  runs: readonly StatusRun[],
  durations: ReadonlyMap<string, BatchDurations | undefined>,
  view: View,
): Markup {
  const columns: Column[] = [
    { title: 'Started' },
    { title: 'End' },
    { title: 'Took', kind: 'number' },
    { title: 'Sent', kind: 'number' },
    { title: 'Refused', kind: 'number' },
    { title: 'Unknown', kind: 'number' },
    { title: 'New dead letters', kind: 'number' },
    { title: 'Batches', kind: 'number' },
    { title: 'Slowest batch', kind: 'number' },
    { title: 'Command, host, version', kind: 'long' },
  ];
  const rows = runs.map((run) => {
    const { counts } = run;
    const count = (amount: (counts: RunCounts) => number) => (counts === null ? '–' : formatCount(amount(counts)));
    const took = durations.get(run.runId);
    return [
      view.time(run.startedAt),
      endBadge(run),
      durationOf(run.durationMs),
      counts === null ? '–' : sentOf(counts),
      count(({ rowsRefused }) => rowsRefused),
      count(({ rowsUnresolved }) => rowsUnresolved),
      count(({ newDeadLetters }) => newDeadLetters),
      count(
        ({ batchesAccepted, batchesRefused, batchesUnresolved }) =>
          batchesAccepted + batchesRefused + batchesUnresolved,
      ),
      took === undefined ? '–' : durationOf(took.slowestMs),
      [html`<code>${run.arguments}</code> `, html`<span class="soft">${run.host}, ${run.version}</span>`],
    ];
  });
  return table(caption, columns, rows);
}

function endBadge({ state, exitCode }: StatusRun): Markup {
  if (state === 'running') return badge('calm', 'running');
  if (exitCode === null) return badge('bad', state);
  return badge(exitCode === 0 ? 'good' : exitCode === 1 ? 'warn' : 'bad', `exit ${exitCode}`);
}

/** Of all entities in one run; undefined where no batch was settled. */
function durationsOf(entities: readonly StatusEntity[], runId: string): BatchDurations | undefined {
  return total(
    entities.flatMap(({ runs }) =>
      runs.flatMap((run) => (run.runId === runId && run.durations ? [run.durations] : [])),
    ),
  );
}

function total(durations: readonly BatchDurations[]): BatchDurations | undefined {
  if (durations.length === 0) return undefined;
  const sum = (name: 'batches' | 'totalMs') => durations.reduce((before, one) => before + one[name], 0);
  const slowestMs = Math.max(...durations.map((one) => one.slowestMs));
  return { batches: sum('batches'), totalMs: sum('totalMs'), slowestMs };
}

function charts(
  runs: readonly StatusRun[],
  durations: ReadonlyMap<string, BatchDurations | undefined>,
  view: View,
): Markup {
  const oldestFirst = runs.toReversed();
  const ends = { from: view.day(oldestFirst[0]?.startedAt ?? null), to: view.day(runs[0]?.startedAt ?? null) };
  const bars = (parts: (run: StatusRun) => readonly number[], words: (parts: readonly number[]) => string): Bar[] =>
    oldestFirst.map((run) => {
      const amounts = parts(run);
      return {
        parts: amounts,
        label: `${view.text(run.startedAt)}: ${amounts.length === 0 ? 'not known' : words(amounts)}`,
        marked: run.state !== 'running' && run.exitCode !== 0,
      };
    });
  const countsOf = (read: (counts: RunCounts) => readonly number[]) => (run: StatusRun) =>
    run.counts === null ? [] : read(run.counts);
  const rows = (count = 0) => formatQuantity(count, 'row');
  const sent = bars(
    countsOf(({ rowsAccepted }) => [rowsAccepted]),
    ([count]) => `${rows(count)} sent`,
  );
  const failed = bars(
    countsOf(({ rowsRefused, rowsUnresolved, newDeadLetters }) => [rowsRefused, rowsUnresolved, newDeadLetters]),
    ([refused = 0, unknown = 0, dead = 0]) =>
      `${rows(refused)} refused, ${formatCount(unknown)} unknown, ${formatQuantity(dead, 'new dead letter')}`,
  );
  const took = bars(
    ({ runId }) => {
      const found = durations.get(runId);
      if (found === undefined) return [];
      const mean = found.totalMs / found.batches;
      return [mean, found.slowestMs - mean];
    },
    ([mean = 0, more = 0]) => `a batch took ${formatDuration(mean)} on average, ${formatDuration(mean + more)} at most`,
  );
  const describe = (all: readonly Bar[], what: string, format: (amount: number) => string) => {
    const totals = all.flatMap(({ parts }) => (parts.length === 0 ? [] : [parts.reduce((sum, part) => sum + part, 0)]));
    if (totals.length === 0) return 'Not known of any of these runs.';
    const unknown = all.length - totals.length;
    const without = unknown === 0 ? '' : `, ${formatQuantity(unknown, 'run')} without figures`;
    const range = totals.every((amount) => amount === 0)
      ? 'none'
      : `${format(Math.min(...totals))} to ${format(Math.max(...totals))}, ${format(totals.at(-1) ?? 0)} in the last`;
    return `${what} in ${formatQuantity(totals.length, 'run')}: ${range}${without}.`;
  };
  return html`<div class="charts">
${[
  barChart({
    id: 'chart-sent',
    title: 'Rows sent per run',
    description: describe(sent, 'Rows sent', formatCount),
    classes: ['sent'],
    bars: sent,
    format: formatCount,
    ...ends,
  }),
  barChart({
    id: 'chart-failed',
    title: 'Rows not taken per run',
    description: describe(failed, 'Rows not taken', formatCount),
    classes: ['refused', 'unknown', 'dead'],
    bars: failed,
    format: formatCount,
    ...ends,
  }),
  barChart({
    id: 'chart-took',
    title: 'Time per batch',
    description: describe(took, 'Slowest batches', formatDuration),
    classes: ['sent', 'slow'],
    bars: took,
    format: formatDuration,
    ...ends,
  }),
]}</div>
<ul class="legend">
${[
  ['sent', 'sent; average time of a batch'],
  ['slow', 'slowest batch'],
  ['refused', 'refused'],
  ['unknown', 'outcome unknown'],
  ['dead', 'new dead letters'],
  ['band', 'run that did not end with 0'],
].map(
  ([
    name,
    text,
  ]) => html`<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="${name}" width="10" height="10"/></svg>${text}</li>
`,
)}</ul>
`;
}

function durationSection(entities: readonly StatusEntity[]): Markup | null {
  const rows = entities.flatMap(({ entity, runs }) => {
    const all = total(runs.flatMap(({ durations }) => (durations === null ? [] : [durations])));
    if (all === undefined) return [];
    return [[entity, formatCount(all.batches), durationOf(all.totalMs / all.batches), durationOf(all.slowestMs)]];
  });
  if (rows.length === 0) return null;
  const columns: Column[] = [
    { title: 'Entity' },
    { title: 'Batches', kind: 'number' },
    { title: 'On average', kind: 'number' },
    { title: 'Slowest', kind: 'number' },
  ];
  const caption =
    'Over the last runs of each entity: the time that the attempts of a batch took together, without the waits between them.';
  return section('durations', 'Batch durations', table(caption, columns, rows));
}

function errorSection(entities: readonly StatusEntity[], view: View): Markup {
  const rows = entities
    .flatMap(({ entity, errors }) => errors.map((error) => ({ entity, ...error })))
    .sort((a, b) => (b.at ?? '').localeCompare(a.at ?? ''))
    .map(({ entity, at, text, httpStatus, remedy }) => [
      entity,
      view.time(at),
      withStatus(text, httpStatus),
      remedy ?? '–',
    ]);
  const columns: Column[] = [
    { title: 'Entity' },
    { title: 'Last seen' },
    { title: 'Error', kind: 'long' },
    { title: 'What to do', kind: 'long' },
  ];
  return section(
    'errors',
    'Recent errors',
    rows.length === 0
      ? html`<p>None.</p>
`
      : table('The newest first, each error of an entity once.', columns, rows),
  );
}

function deadLetterSection(entities: readonly StatusEntity[], view: View): Markup {
  const rows = entities.flatMap(({ entity, deadLetterReasons }) =>
    deadLetterReasons.map(({ reason, httpStatus, rows, lastFailedAt, exampleKey }) => [
      entity,
      formatCount(rows),
      withStatus(reason, httpStatus),
      view.time(lastFailedAt),
      html`<code>${exampleKey}</code>`,
    ]),
  );
  const columns: Column[] = [
    { title: 'Entity' },
    { title: 'Rows', kind: 'number' },
    { title: 'Reason', kind: 'long' },
    { title: 'Last tried' },
    { title: 'For instance', kind: 'long' },
  ];
  const caption = 'Rows that cannot be sent, the most frequent reasons of each entity first.';
  return section(
    'dead-letters',
    'Dead letters by reason',
    rows.length === 0
      ? html`<p>None.</p>
`
      : html`${table(caption, columns, rows)}<p class="words"><code>tamhr-sync failures list</code> shows all of them; later runs try them again.</p>
`,
  );
}

function unknownSection(entities: readonly StatusEntity[], view: View): Markup | null {
  const rows = entities.flatMap(({ entity, unresolved }) => {
    const listed = unresolved
      .slice(0, BATCHES_LISTED)
      .map(({ batchId, rows, createdAt, runsTried, error, httpStatus }): HtmlValue[] => [
        entity,
        html`<code>${batchId}</code>`,
        formatCount(rows),
        view.time(createdAt),
        formatCount(runsTried),
        error === null ? 'cut off' : withStatus(error, httpStatus),
      ]);
    const more = unresolved.length - listed.length;
    return more > 0 ? [...listed, [entity, `${formatCount(more)} more`, '', '', '', '']] : listed;
  });
  if (rows.length === 0) return null;
  const columns: Column[] = [
    { title: 'Entity' },
    { title: 'Batch', kind: 'long' },
    { title: 'Rows', kind: 'number' },
    { title: 'Since' },
    { title: 'Runs', kind: 'number' },
    { title: 'Why', kind: 'long' },
  ];
  const caption =
    'The receiver may have taken them. The next run sends the same bytes again first, under the same Idempotency-Key.';
  return section('unknown', 'Batches without a known outcome', table(caption, columns, rows));
}

function durationOf(durationMs: number | null): string {
  return durationMs === null ? '?' : formatDuration(durationMs);
}
