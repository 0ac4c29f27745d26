/** `status` for people: tables where the terminal is wide, stacked blocks where it is narrow; no line is longer than it. */

import type { RunCounts } from '../sync/history.ts';
import { type Paint, painter, type Style } from './colour.ts';
import { formatCount, formatDuration, formatQuantity, timeFormatter, withStatus } from './format.ts';
import { sparkline } from './sparkline.ts';
import {
  lastSuccessOf,
  type StatusDocument,
  type StatusEntity,
  type StatusRun,
  type StatusWarning,
} from './status-json.ts';
import { cut, printable, type TableCell, type TableColumn, table, widthOf, wrap } from './terminal-text.ts';

/** From this width on an entity is a line of a table. */
const TABLE_WIDTH = 130;

/** Width of the block's labels, with the space around them. */
const LABEL_WIDTH = 16;

/** How the text is to look. */
export interface StatusTextOptions {
  /** The terminal's width, 80 where absent. */
  readonly columns?: number;
  readonly colour: boolean;
  /** Whether small bars can be shown; otherwise the trend is told in numbers. */
  readonly utf8: boolean;
}

/** The whole report, ending with a line break. Times are in the schedule's zone, with their offset. */
export function statusText(document: StatusDocument, { columns, colour, utf8 }: StatusTextOptions): string {
  const view: View = {
    width: widthOf(columns),
    paint: painter(colour),
    utf8,
    time: timeFormatter(document.schedule?.timeZone ?? 'UTC'),
  };
  const sections = [
    heading(document, view),
    warningLines(document.warnings, view),
    entityLines(document.entities, view),
    deadLetterLines(document.entities, view),
    runLines(document.runs, view),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

interface View {
  readonly width: number;
  readonly paint: Paint;
  readonly utf8: boolean;
  readonly time: (iso: string) => string;
}

function heading({ generatedAt, schedule }: StatusDocument, { width, time }: View): string[] {
  const now = `Status at ${time(generatedAt)}${schedule === null ? '' : ` (${schedule.timeZone})`}`;
  if (schedule === null)
    return [cut(now, width), ...wrap('No schedule is configured: nothing is ever overdue.', width)];
  const next = schedule.nextDueAt === null ? 'never' : time(schedule.nextDueAt);
  return [cut(printable(now), width), cut(printable(`Next run due ${next} (cron ${schedule.cron})`), width)];
}

function warningLines(warnings: readonly StatusWarning[], { width, paint }: View): string[] {
  const alarms = warnings.filter(({ level }) => level === 'alarm');
  const others = warnings.filter(({ level }) => level === 'warning');
  const lines = (list: readonly StatusWarning[], first: string, style: Style) =>
    list.flatMap(({ entity, message }) =>
      wrap(printable(entity === null ? message : `${entity}: ${message}`), width, first).map((line) =>
        paint(style, line),
      ),
    );
  return [...lines(alarms, 'ALARM  ', ['bold', 'red']), ...lines(others, 'warning  ', 'yellow')];
}

function entityLines(entities: readonly StatusEntity[], view: View): string[] {
  if (view.width < TABLE_WIDTH) return entities.flatMap((entity, index) => entityBlock(entity, index > 0, view));
  const deletedBy = ({ lastRun }: StatusEntity) => lastRun?.counts.rowsDeleted ?? 0;
  const hasDeletions = entities.some((entity) => deletedBy(entity) > 0);
  const hasTrend = view.utf8 && entities.some((entity) => rowsPerRun(entity).length > 1);
  const columns: TableColumn[] = [
    { title: 'Entity', min: 12 },
    { title: 'Last run' },
    { title: 'Took', align: 'right', drop: 3 },
    { title: 'Outcome' },
    { title: 'Sent', align: 'right' },
    ...(hasDeletions ? [{ title: 'Deleted', align: 'right', drop: 6 } as const] : []),
    { title: 'In all', align: 'right', drop: 5 },
    ...(hasTrend ? [{ title: 'Trend', drop: 4 } as const] : []),
    { title: 'Batches', drop: 2 },
    { title: 'Last success' },
    { title: 'Last error', min: 16, drop: 1 },
  ];
  const rows = entities.map((entity): TableCell[] => {
    const { lastRun } = entity;
    return [
      printable(entity.entity),
      timeOr(lastRun?.startedAt, 'never', view),
      lastRun === null ? '' : durationOf(lastRun.durationMs),
      outcomeCell(entity),
      lastRun === null ? '' : formatCount(lastRun.counts.rowsAccepted),
      ...(hasDeletions ? [formatCount(deletedBy(entity))] : []),
      formatCount(entity.trackedRows),
      ...(hasTrend ? [sparkline(rowsPerRun(entity))] : []),
      lastRun === null ? '' : batchesOf(lastRun.counts),
      successCell(entity, view),
      errorOf(entity, view),
    ];
  });
  return table(columns, rows, view.width, view.paint);
}

function entityBlock(entity: StatusEntity, spaced: boolean, view: View): string[] {
  const { lastRun, trackedRows } = entity;
  const { width, paint } = view;
  const room = width - LABEL_WIDTH;
  const label = (text: string) => `  ${text}`.padEnd(LABEL_WIDTH);
  const line = (name: string, cell: TableCell) => {
    const text = cut(typeof cell === 'string' ? cell : cell.text, room);
    return `${label(name)}${typeof cell === 'string' ? text : paint(cell.style, text)}`;
  };
  const run =
    lastRun === null
      ? [line('last run', 'never')]
      : [
          line('last run', `${timeOr(lastRun.startedAt, '?', view)}, took ${durationOf(lastRun.durationMs)}`),
          line('outcome', outcomeCell(entity)),
        ];
  const { rowsAccepted = 0, rowsDeleted = 0 } = lastRun?.counts ?? {};
  const deletions = rowsDeleted === 0 ? '' : ` (${formatCount(rowsDeleted)} deleted)`;
  const sent = `${formatQuantity(rowsAccepted, 'row')}${deletions}`;
  return [
    ...(spaced ? [''] : []),
    paint('bold', cut(printable(entity.entity), width)),
    ...run,
    line(
      'sent',
      lastRun === null ? `${formatCount(trackedRows)} in all` : `${sent}, ${formatCount(trackedRows)} in all`,
    ),
    ...(lastRun === null ? [] : [line('batches', batchesOf(lastRun.counts))]),
    ...(rowsPerRun(entity).length > 1 ? [line('trend', trendOf(entity, view))] : []),
    line('last success', successCell(entity, view)),
    ...(entity.lastError === null ? [] : wrap(cut(errorOf(entity, view), 3 * room), width, label('last error'))),
  ];
}

/** Rows accepted in each of the last runs that came to the entity, oldest first. */
function rowsPerRun({ runs }: StatusEntity): number[] {
  return runs.flatMap(({ counts }) => (counts === null ? [] : [counts.rowsAccepted])).reverse();
}

function trendOf(entity: StatusEntity, { utf8 }: View): string {
  const rows = rowsPerRun(entity);
  if (!utf8) return `${rows.map(formatCount).join(', ')} rows a run`;
  return `${sparkline(rows)}  ${formatCount(Math.min(...rows))} to ${formatCount(Math.max(...rows))} rows a run`;
}

function deadLetterLines(entities: readonly StatusEntity[], view: View): string[] {
  const rows = entities.flatMap(({ entity, deadLetterReasons }) =>
    deadLetterReasons.map(({ reason, httpStatus, rows, lastFailedAt, exampleKey }) => [
      formatCount(rows),
      printable(entity),
      printable(withStatus(reason, httpStatus)),
      timeOr(lastFailedAt, '?', view),
      printable(exampleKey),
    ]),
  );
  if (rows.length === 0) return [];
  const columns: TableColumn[] = [
    { title: 'Dead letters', align: 'right' },
    { title: 'Entity', min: 8 },
    { title: 'Reason', min: 32 },
    { title: 'Last tried', drop: 2 },
    { title: 'Such as', min: 12, drop: 1 },
  ];
  return table(columns, rows, view.width, view.paint);
}

function outcomeCell({ lastRun }: StatusEntity): TableCell {
  if (lastRun === null) return '';
  const { outcome, stoppedBy, counts } = lastRun;
  const by = stoppedBy === null ? '' : ` (${stoppedBy})`;
  const refused = counts.rowsRefused > 0 ? `, ${formatCount(counts.rowsRefused)} refused` : '';
  const unknown = counts.rowsUnresolved > 0 && outcome !== 'running';
  const unresolved = unknown ? `, ${formatCount(counts.rowsUnresolved)} unknown` : '';
  const letters = counts.newDeadLetters > 0 ? `, ${formatCount(counts.newDeadLetters)} dead` : '';
  const text = `${outcome}${by}${refused}${unresolved}${letters}`;
  const leftSome = stoppedBy === 'breaker' || stoppedBy === 'deadline' || refused + unresolved !== '';
  if (outcome === 'failed' || outcome === 'aborted' || leftSome) return { text, style: 'red' };
  return outcome === 'done' ? { text, style: 'green' } : text;
}

function batchesOf({ batchesAccepted, batchesRefused, batchesUnresolved }: RunCounts): string {
  const open = batchesUnresolved > 0 ? `, ${formatCount(batchesUnresolved)} open` : '';
  return `${formatCount(batchesAccepted)} ok, ${formatCount(batchesRefused)} failed${open}`;
}

/** In red where the entity is overdue. */
function successCell(entity: StatusEntity, view: View): TableCell {
  const text = timeOr(lastSuccessOf(entity), 'never', view);
  return entity.overdue ? { text, style: 'red' } : text;
}

function errorOf({ lastError }: StatusEntity, view: View): string {
  if (lastError === null) return '';
  return printable(`${timeOr(lastError.at, '?', view)} ${withStatus(lastError.text, lastError.httpStatus)}`);
}

function runLines(runs: readonly StatusRun[], view: View): string[] {
  if (runs.length === 0) return [];
  const number = (title: string, drop?: number): TableColumn => ({
    title,
    align: 'right',
    ...(drop !== undefined && { drop }),
  });
  const isByEntity = areByEntity(runs);
  const columns: TableColumn[] = [
    { title: 'Last runs' },
    number('Took', 6),
    { title: 'End' },
    number('Sent'),
    number('Refused', 7),
    { title: 'Batches', drop: isByEntity ? 4 : 5 },
    { title: 'Host', min: 12, drop: 3 },
    { title: 'Process', align: 'right', drop: 2 },
    { title: 'Version', drop: 1 },
    { title: 'Entities', min: 12, drop: isByEntity ? 5 : 4 },
  ];
  const rows = runs.map((run): TableCell[] => {
    const { counts } = run;
    return [
      timeOr(run.startedAt, '?', view),
      durationOf(run.durationMs),
      endCell(run),
      counts === null ? '' : formatCount(counts.rowsAccepted),
      counts === null ? '' : formatCount(counts.rowsRefused),
      counts === null ? '' : batchesOf(counts),
      printable(run.host),
      String(run.processId),
      printable(run.version),
      entitiesCell(run),
    ];
  });
  return table(columns, rows, view.width, view.paint);
}

/** Whether entities run one by one: then it is the entity that tells runs apart. */
export function areByEntity(runs: readonly StatusRun[]): boolean {
  return runs.every((run) => run.arguments.includes('--entity '));
}

/** The entities that a run was started for, and its other options, as a cell. */
export function entitiesCell({ arguments: command }: StatusRun): TableCell {
  const options = command.replace(/^run ?/, '');
  const named = options.replaceAll('--entity ', '');
  return printable(named === options ? `all ${options}`.trimEnd() : named);
}

/** How a run ended, as a cell. */
export function endCell({ state, exitCode }: StatusRun): TableCell {
  if (state === 'running') return 'running';
  const text = exitCode === null ? printable(state) : `exit ${exitCode}`;
  return { text, style: exitCode === 0 ? 'green' : 'red' };
}

function timeOr(iso: string | null | undefined, otherwise: string, { time }: View): string {
  return iso === null || iso === undefined ? otherwise : time(iso);
}

function durationOf(durationMs: number | null): string {
  return durationMs === null ? '?' : formatDuration(durationMs);
}
