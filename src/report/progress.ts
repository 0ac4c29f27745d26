/** Progress bars on a terminal, one per entity, with log lines above them. The only home of cli-progress; import it lazily. */
import cliProgress, { type Params } from 'cli-progress';
import stringWidth from 'string-width';
import type { EntitySummary, RunObserver } from '../sync/ports.ts';
import { formatCount, formatDuration } from './format.ts';
import { cut, printable } from './terminal-text.ts';

/** The terminal: `columns` is read again at each drawing. */
export interface ProgressStream {
  write(text: string): void;
  readonly columns?: number | undefined;
}

/** What watches a run and draws it. */
export interface Progress {
  readonly observer: RunObserver;
  /** Writes whole lines, above the bar where there is one: what else goes to this terminal must pass here. */
  print(text: string): void;
  /** Leaves a bar that is still drawn as it stands. Call it at the end, or the process stays alive. */
  close(): void;
}

/** One entity as its bar shows it. */
interface Work {
  readonly entity: string;
  /** Rows in the source, where it was counted. */
  readonly total: number | undefined;
  readonly startedAt: number;
  read: number;
  tracked: number;
  /** Rows of batches that ended; batches of earlier runs, which are no rows of this reading, may be among them. */
  delivered: number;
  accepted: number;
  failed: number;
  end?: EntitySummary;
}

/**
 * Progress on a terminal. A bar counts the rows that are done with: tracked already, or in a batch that ended. Reading runs
 * ahead of that. Without a total there is neither bar nor ETA, only counts. When an entity ends its line stays.
 */
export function createProgress(stream: ProgressStream): Progress {
  let drawn:
    | { readonly bars: cliProgress.MultiBar; readonly bar: cliProgress.SingleBar; readonly work: Work }
    | undefined;

  function start(entity: string, total: number | undefined): void {
    stop();
    const work: Work = {
      entity,
      total,
      startedAt: Date.now(),
      read: 0,
      tracked: 0,
      delivered: 0,
      accepted: 0,
      failed: 0,
    };
    const bars = new cliProgress.MultiBar({
      // It uses write, isTTY and columns.
      stream: terminalOf(stream) as NodeJS.WritableStream,
      format: (_options, params) => progressLine(work, params, Date.now(), (stream.columns ?? 80) - 1),
      // The library would turn the terminal's own wrapping off, and a killed process would leave it so.
      linewrap: true,
      // A printed line wipes the bar.
      forceRedraw: true,
      emptyOnZero: true,
    });
    drawn = { bars, bar: bars.create(total ?? 0, 0), work };
    bars.update();
  }

  function stop(): void {
    drawn?.bars.update();
    drawn?.bars.stop();
    drawn = undefined;
  }

  /** Changes the numbers of the entity that is drawn; events of batches replayed before its first page are not its own. */
  function change(entity: string, apply: (work: Work) => void): void {
    if (drawn?.work.entity !== entity) return;
    apply(drawn.work);
    drawn.bar.update(rowsDone(drawn.work));
  }

  return {
    observer: {
      entityStarted: start,
      pageRead: (entity, read, tracked) =>
        change(entity, (work) => {
          work.read = read;
          work.tracked = tracked;
        }),
      batchEnded: (entity, { rows }, { state }) =>
        change(entity, (work) => {
          // Its halves end on their own.
          if (state === 'split') return;
          work.delivered += rows;
          work[state === 'accepted' ? 'accepted' : 'failed'] += 1;
        }),
      planned: (entity, { operation, keys }) =>
        change(entity, (work) => {
          // Rows to delete are none of those that are read.
          if (operation === 'upsert') work.delivered += keys.length;
        }),
      entityEnded(summary) {
        change(summary.entity, (work) => {
          work.end = summary;
        });
        stop();
      },
    },
    print(text) {
      const lines = text.endsWith('\n') ? text : `${text}\n`;
      if (drawn === undefined) {
        stream.write(lines);
        return;
      }
      drawn.bars.log(lines);
      drawn.bars.update();
    },
    close: stop,
  };
}

function terminalOf(stream: ProgressStream): unknown {
  return {
    isTTY: true,
    get columns() {
      return stream.columns;
    },
    write: (text: string) => stream.write(text),
  };
}

function rowsDone({ read, tracked, delivered }: Work): number {
  return Math.min(read, tracked + delivered);
}

const SMALLEST_BAR = 8;
const LARGEST_BAR = 40;

/**
 * `Users [=====-----] 3,000/10,000 rows, 1 ok, 1,500/s, ETA 5 s`, at most `width` columns: the rate, then the ETA, then
 * the bar make place where it is narrow.
 */
function progressLine(work: Work, { progress, eta }: Params, now: number, width: number): string {
  const { total, end } = work;
  const rows = end?.read ?? rowsDone(work);
  const elapsedMs = end?.durationMs ?? now - work.startedAt;
  const of = total === undefined || end !== undefined ? '' : `/${formatCount(Math.max(total, rows))}`;
  const done = [
    `${formatCount(rows)}${of} rows`,
    `${formatCount(work.accepted)} ok`,
    ...(work.failed === 0 ? [] : [`${formatCount(work.failed)} failed`]),
  ];
  const rate = `${formatCount(Math.round(rows / Math.max(0.001, elapsedMs / 1000)))}/s`;
  const time = end === undefined ? etaOf(total, rows, eta) : [end.state, formatDuration(end.durationMs)];
  const title = cut(printable(work.entity), Math.max(8, Math.floor(width / 4)));
  const variants = [[...done, rate, ...time], [...done, ...time], done].map((facts) => facts.join(', '));
  const placeBeside = (facts: string) => width - stringWidth(title) - facts.length - ' [] '.length;
  const facts = variants.find((variant) => placeBeside(variant) >= SMALLEST_BAR) ?? variants[1] ?? '';
  const size = Math.min(LARGEST_BAR, placeBeside(facts));
  if (total === undefined || size < SMALLEST_BAR) return cut(`${title} ${facts}`, width);
  const filled = Math.round(Math.min(1, end?.state === 'done' ? 1 : progress) * size);
  return `${title} [${'='.repeat(filled)}${'-'.repeat(size - filled)}] ${facts}`;
}

/** Whole seconds from the library, or `NULL` or `INF` while it does not know. */
function etaOf(total: number | undefined, rows: number, eta: unknown): string[] {
  if (total === undefined || rows === 0 || typeof eta !== 'number') return [];
  return [`ETA ${formatDuration(eta * 1000).replace('.0', '')}`];
}
