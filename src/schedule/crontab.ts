/** The job as lines of a crontab, and the block that holds them there. cron(8), crontab(5): no zones, no catching up. */
import { minutesAhead } from './clocks.ts';
import { cronFields, dayFields } from './cron-fields.ts';
import { InexactSchedule } from './inexact.ts';
import { checkWords, commandWords, type ScheduledJob, secondStarts, WRITTEN_BY } from './job.ts';
import { moveStarts, readExpression } from './starts.ts';

/** Debian's cron refuses longer commands (MAX_COMMAND in its cron.h). */
const MOST_COMMAND_BYTES = 998;

const END = '# tamhr-sync end';

/**
 * The block of crontab lines that starts the job at the schedule's times by the machine's clock, markers included.
 * Throws InexactSchedule where that is not possible exactly.
 */
export function crontabBlock(job: ScheduledJob, now: Date): string {
  checkWords(job, 'cron');
  const expression = readExpression(job.schedule.cron);
  const minutes = minutesAhead(job.schedule.timeZone, job.machineZone, now);
  // What needs no conversion keeps its first two fields: from their * cron tells how to treat nights when clocks change.
  const lines =
    minutes === 0
      ? [`${expression.minuteField} ${expression.hourField} ${dayFields(expression.days)}`]
      : moveStarts(expression, minutes).flatMap(cronFields);
  const second = secondStarts(expression, minutes).flatMap(cronFields);
  const { cron, timeZone } = job.schedule;
  return [
    beginLine(job.config),
    `# ${WRITTEN_BY}: ${cron} in ${timeZone}, by the clock of ${job.machineZone}. What cron mails is the summary.`,
    ...lines.map((line) => `${line} ${command(job, false)}`),
    ...(second.length === 0 ? [] : ['# Sends batches again whose outcome was unknown, and nothing else.']),
    ...second.map((line) => `${line} ${command(job, true)}`),
    END,
    '',
  ].join('\n');
}

/**
 * A crontab's text with the block of this configuration replaced, appended, or, where `block` is empty, taken out. Everything
 * else stays as it is. Throws InexactSchedule where a block has no end.
 */
export function withBlock(crontab: string, config: string, block: string): string {
  const lines = crontab === '' ? [] : (crontab.endsWith('\n') ? crontab : `${crontab}\n`).split(/(?<=\n)/);
  const kept: string[] = [];
  let place: number | undefined;
  for (let index = 0; index < lines.length; index++) {
    if (lines[index]?.trimEnd() !== beginLine(config)) {
      kept.push(lines[index] ?? '');
      continue;
    }
    const length = lines.slice(index + 1).findIndex((line) => /^# tamhr-sync (begin |end\s*$)/.test(line));
    if (length < 0 || lines[index + 1 + length]?.trimEnd() !== END) {
      throw new InexactSchedule(
        `The crontab has a line "${beginLine(config)}" without "${END}" after it.`,
        'Remove that line and those that belong to it with crontab -e.',
      );
    }
    place ??= kept.length;
    index += 1 + length;
  }
  kept.splice(place ?? kept.length, 0, block);
  // A crontab that is not changed keeps even a missing last line break.
  return kept.join('') === lines.join('') ? crontab : kept.join('');
}

function beginLine(config: string): string {
  return `# tamhr-sync begin ${config}`;
}

function command(job: ScheduledJob, second: boolean): string {
  const redirection = job.log === undefined ? '' : ` 2>>${quoted(job.log)}`;
  // crontab(5): a % that is not escaped ends the command.
  const text = `${commandWords(job, second).map(quoted).join(' ')}${redirection}`.replaceAll('%', '\\%');
  if (Buffer.byteLength(text) > MOST_COMMAND_BYTES) {
    throw new InexactSchedule(
      `The command is longer than the ${MOST_COMMAND_BYTES} bytes that cron takes.`,
      'Put the configuration into a folder with a shorter path, or name fewer entities.',
    );
  }
  return text;
}

/** For sh. */
function quoted(word: string): string {
  return /^[\w@:,./+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
