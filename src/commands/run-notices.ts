/** Tells of a run: notifications at its start and its end, metrics at its end. Nothing that fails here changes how the run ends. */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Config } from '../config/config.ts';
import type { Log } from '../log/log.ts';
import type { Notice, RunEnd } from '../report/notice.ts';
import { SyncError } from '../sync/errors.ts';
import { exitCodeOfError } from '../sync/exit-codes.ts';
import type { Notification, PingNotification } from '../sync/notification.ts';
import type { RunSummary } from '../sync/ports.ts';
import { VERSION } from '../version.js';
import { writeWholeFile } from './whole-file.ts';

/** How the run's end is told; one of them is called, once, and does not throw. */
export interface RunNotices {
  ended(summary: RunSummary): Promise<void>;
  /** The run could not start, or ended by a bug. */
  failed(error: unknown): Promise<void>;
}

/** Where warnings go, and what the run is called. */
export interface RunNoticesOptions {
  readonly runId: string;
  readonly log: Pick<Log, 'warn'>;
  readonly redact: (text: string) => string;
  /** Cuts off what is being sent. */
  readonly signal: AbortSignal;
}

/** As much of the configuration as is needed. */
type Told = Pick<Config, 'notifications' | 'metrics' | 'schedule' | 'entities'>;

type How = Pick<RunEnd, 'exitCode' | 'summary' | 'error'>;

/** Begins to tell of a run: sends the pings of its start, which do not hold it up. */
export function openRunNotices(config: Told, options: RunNoticesOptions): RunNotices {
  const { runId, log, redact } = options;
  const startedAt = new Date();
  const { notifications } = config;
  const starts = notifications.map(async (notification) => {
    if (notification.type !== 'ping' || notification.on !== 'always') return;
    await warned(notification, ping(notification, 'start', '', options));
  });

  /** Says in the log that a notification was not sent. */
  async function warned({ type }: Notification, sending: Promise<string | undefined>): Promise<void> {
    const why = await sending.catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    if (why !== undefined) log.warn(`A notification (${type}) was not sent: ${why}`);
  }

  async function tell(how: How): Promise<void> {
    await tellAll(how).catch((error: unknown) => log.warn(`Nobody was told of the run's end: ${String(error)}`));
  }

  async function tellAll(how: How): Promise<void> {
    const end: RunEnd = {
      runId,
      host: hostname(),
      startedAt,
      durationMs: Date.now() - startedAt.getTime(),
      ...how,
    };
    await writeMetrics(config, end, log);
    await Promise.all(starts);
    const due = notifications.filter(({ on }) => on === 'always' || end.exitCode !== 0);
    if (due.length === 0) return;
    const { noticeOf } = await import('../report/notice.ts');
    const notice = noticeOf(end, config.schedule?.timeZone ?? 'UTC', redact);
    await Promise.all(
      due.map((notification) => warned(notification, send(notification, notice, end.exitCode, options))),
    );
  }

  return {
    ended: (summary) => tell({ exitCode: summary.exitCode, summary }),
    failed: (error) => tell(whyFailed(error)),
  };
}

/** What a bug's message says may be a value of a row, so it is for the log alone. */
function whyFailed(error: unknown): How {
  if (error instanceof SyncError) {
    return { exitCode: exitCodeOfError(error.code), error: { text: error.message, hint: error.hint } };
  }
  return {
    exitCode: 70,
    error: {
      text: 'The run ended by an unexpected error.',
      hint: 'Its output on stderr tells more; please report it.',
    },
  };
}

async function send(
  notification: Notification,
  notice: Notice,
  exitCode: number,
  options: RunNoticesOptions,
): Promise<string | undefined> {
  const { noticeText } = await import('../report/notice.ts');
  switch (notification.type) {
    case 'ping':
      return ping(notification, String(exitCode), noticeText(notice), options);
    case 'email': {
      const { sendEmail } = await import('../smtp/email.ts');
      return sendEmail(notification, { subject: notice.title, text: noticeText(notice) }, options.signal);
    }
    case 'webhook': {
      const { webhookMessage } = await import('../report/notice-messages.ts');
      const { sendNotification } = await import('../http/notification.ts');
      const body = webhookMessage(notice, notification.format);
      const request = { ...notification, url: new URL(notification.url), body, type: 'application/json' as const };
      return sendNotification(request, { version: VERSION, signal: options.signal, redact: options.redact });
    }
  }
}

/** `what`: `start` or an exit code. https://healthchecks.io/docs/http_api/ */
async function ping(
  notification: PingNotification,
  what: string,
  body: string,
  { runId, signal, redact }: RunNoticesOptions,
): Promise<string | undefined> {
  const { sendNotification } = await import('../http/notification.ts');
  const url = new URL(notification.url);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${what}`;
  url.searchParams.set('rid', runId);
  return sendNotification(
    { ...notification, url, body, type: 'text/plain; charset=utf-8' },
    { version: VERSION, signal, redact },
  );
}

async function writeMetrics({ metrics, entities }: Told, end: RunEnd, log: Pick<Log, 'warn'>): Promise<void> {
  if (metrics === undefined) return;
  try {
    const { metricsText } = await import('../report/metrics.ts');
    const previous = await readFile(metrics.file, 'utf8').catch(() => '');
    const names = entities.map(({ name }) => name);
    const text = metricsText(end, names, VERSION, previous);
    // It is read under other users.
    await writeWholeFile(metrics.file, 0o644, (write) => write(text), 'exactly');
  } catch (error) {
    const cause = error instanceof SyncError ? error.cause : error;
    const { code = String(cause) } = cause as NodeJS.ErrnoException;
    log.warn(`The metrics file ${metrics.file} could not be written: ${code}`);
  }
}
