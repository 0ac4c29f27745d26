/** `runs` for people: a line for each run, or one run with its entities and batches; no line is longer than the terminal. */
import { EXIT_CODES } from '../sync/exit-codes.ts';
import type { RunReference } from '../sync/run-history.ts';
import { shortIds } from '../sync/run-history.ts';
import { formatCount, formatDuration, formatQuantity, isoOf, timeFormatter, withStatus } from './format.ts';
import type { RunBatch, RunDetailDocument, RunsDocument } from './runs-json.ts';
import type { StatusRun } from './status-json.ts';
import { areByEntity, endCell, entitiesCell } from './status-text.ts';
import { summaryText } from './summary.ts';
import { printable, type TableCell, type TableColumn, table, wrap } from './terminal-text.ts';
import { type TextOptions, type View, viewOf } from './view.ts';

/** Width of the block's labels, with the space around them. */
const LABEL_WIDTH = 12;

/** A line for each run, newest first, and how many more there are; ends with a line break. */
export function runsText({ total, runs }: RunsDocument, options: TextOptions): string {
  const view = viewOf(options);
  if (runs.length === 0) return 'No run yet.\n';
  const more = total - runs.length;
  const lines = [
    ...runTable(runs, view),
    ...(more > 0 ? ['', ...wrap(`${formatCount(more)} more; --limit ${total} shows them all.`, view.width)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function runTable(runs: readonly StatusRun[], { width, paint, time }: View): string[] {
  const short = shortIds(runs.map(({ runId }) => runId));
  const number = (title: string, drop?: number): TableColumn => ({
    title,
    align: 'right',
    ...(drop !== undefined && { drop }),
  });
  const columns: TableColumn[] = [
    { title: 'Run' },
    { title: 'Started' },
    number('Took', 6),
    { title: 'End' },
    number('Sent'),
    number('Changed', 3),
    number('Deleted', 4),
    number('Refused', 7),
    number('Unknown', 8),
    number('Dead', 5),
    { title: 'Host', min: 12, drop: 1 },
    { title: 'Entities', min: 12, drop: areByEntity(runs) ? 9 : 2 },
  ];
  const rows = runs.map((run): TableCell[] => {
    const { counts } = run;
    const count = (rows: number | undefined) => (rows === undefined ? '' : formatCount(rows));
    const bad = (rows: number | undefined): TableCell =>
      rows ? { text: formatCount(rows), style: 'red' } : count(rows);
    return [
      short(run.runId),
      timeOr(run.startedAt, time),
      durationOf(run.durationMs),
      endCell(run),
      count(counts?.rowsAccepted),
      count(counts?.rowsChanged),
      count(counts?.rowsDeleted),
      bad(counts?.rowsRefused),
      bad(counts?.rowsUnresolved),
      bad(counts?.newDeadLetters),
      printable(run.host),
      entitiesCell(run),
    ];
  });
  return table(columns, rows, width, paint);
}

/** One run: what it was, how its entities ended and what to do about that, its batches; ends with a line break. */
export function runDetailText({ run, entities, batches }: RunDetailDocument, options: TextOptions): string {
  const view = viewOf(options);
  const { exitCode, startedAt, durationMs } = run;
  const ended =
    entities === null || exitCode === null
      ? ''
      : summaryText(
          { ...run, startedAt: startedAt ?? '', durationMs: durationMs ?? 0, dryRun: false, exitCode, entities },
          options.columns,
        ).trimEnd();
  const sections = [
    runBlock(run, entities === null, view).join('\n'),
    ended,
    batchLines(batches, run, view).join('\n'),
  ];
  return `${sections.filter((text) => text !== '').join('\n\n')}\n`;
}

function runBlock(run: StatusRun, withoutSummary: boolean, { width, paint, time }: View): string[] {
  const line = (name: string, text: string) => wrap(printable(text), width, `  ${name}`.padEnd(LABEL_WIDTH));
  return [
    ...wrap(`Run ${run.runId}`, width).map((part) => paint('bold', part)),
    ...line('started', `${timeOr(run.startedAt, time)}, took ${durationOf(run.durationMs)}`),
    ...line('end', endOf(run, withoutSummary)),
    ...line('host', `${run.host}, process ${run.processId}`),
    ...line('command', `${run.arguments} (version ${run.version})`),
    ...(withoutSummary && run.state !== 'running'
      ? ['', ...wrap('It wrote no summary: it was killed, or could not reach the log database at its end.', width)]
      : []),
  ];
}

/** The summary ends with the exit code's meaning itself. */
function endOf({ state, exitCode }: StatusRun, withMeaning: boolean): string {
  if (exitCode === null) return state === 'running' ? 'still running' : state;
  const meaning = EXIT_CODES[exitCode];
  return meaning === undefined || !withMeaning ? `exit ${exitCode}` : `exit ${exitCode}: ${meaning}`;
}

function batchLines({ total, listed }: RunDetailDocument['batches'], run: StatusRun, view: View): string[] {
  const { width, paint } = view;
  if (listed.length === 0) return ['It made no batch of its own.'];
  const columns: TableColumn[] = [
    // An Idempotency-Key: whoever looks for it at the receiver needs all of it.
    { title: 'Batch', min: 36, isCopied: true },
    { title: 'Entity', min: 8 },
    { title: 'State' },
    { title: 'Rows', align: 'right' },
    { title: 'Tries', align: 'right', drop: 3 },
    { title: 'HTTP', align: 'right', drop: 4 },
    { title: 'Took', align: 'right', drop: 2 },
    { title: 'Created', drop: 1 },
  ];
  const rows = listed.map((batch): TableCell[] => [
    batch.batchId,
    printable(batch.entity ?? batch.label),
    stateCell(batch, run),
    formatCount(batch.rows),
    formatCount(batch.attempts),
    batch.httpStatus === null ? '' : String(batch.httpStatus),
    batch.durationMs === null ? '' : formatDuration(batch.durationMs),
    timeOr(batch.createdAt, view.time),
  ]);
  const [head = '', ...lines] = table(columns, rows, width, paint);
  const more = total - listed.length;
  return [
    head,
    ...lines.flatMap((line, index) => [line, ...remarks(listed[index], run, width)]),
    ...(more > 0
      ? ['', ...wrap(`${formatQuantity(more, 'more batch', 'more batches')}; --limit ${total} shows them all.`, width)]
      : []),
  ];
}

function stateCell({ state, operation }: RunBatch, run: StatusRun): TableCell {
  const text = state === 'sending' ? (run.state === 'running' ? 'in flight' : 'unknown') : state;
  const what = operation === 'delete' ? `${text}, delete` : text;
  if (text === 'unknown' || state === 'refused') return { text: what, style: 'red' };
  return state === 'accepted' ? { text: what, style: 'green' } : what;
}

function remarks(batch: RunBatch | undefined, run: StatusRun, width: number): string[] {
  if (batch === undefined) return [];
  const { runId, parentId, error, httpStatus } = batch;
  const texts = [
    ...(error === null ? [] : [withStatus(error, httpStatus)]),
    ...(runId === run.runId ? [] : [`reserved by run ${runId}`]),
    ...(parentId === null ? [] : [`part of ${parentId}`]),
  ];
  return texts.flatMap((text) => wrap(printable(text), width, '    '));
}

/** Runs by id and start, a line each, as a message names them. */
export function referenceLines(runs: readonly RunReference[], timeZone: string): string {
  const time = timeFormatter(timeZone);
  return runs.map(({ runId, startedAt }) => `  ${runId}  ${timeOr(isoOf(startedAt), time)}\n`).join('');
}

function timeOr(iso: string | null, time: View['time']): string {
  return iso === null ? '?' : time(iso);
}

function durationOf(durationMs: number | null): string {
  return durationMs === null ? '?' : formatDuration(durationMs);
}
