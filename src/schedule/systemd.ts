/** The job as systemd units: systemd.timer(5), systemd.service(5), systemd.time(7). Timers name their own zone. */
import { InexactSchedule } from './inexact.ts';
import { checkWords, commandWords, type ScheduledJob, type SchedulerFile, secondStarts, WRITTEN_BY } from './job.ts';
import { type Days, hoursByMinutes, isEveryMonth, readExpression, type Starts } from './starts.ts';
import { zoneName } from './zone-name.ts';

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/**
 * NAME.service and NAME.timer, and NAME-resolve for the second start. A oneshot service never overlaps itself; a timer makes
 * up for a start that the machine was down for. Throws InexactSchedule for what OnCalendar cannot say.
 */
export function systemdUnits(job: ScheduledJob): SchedulerFile[] {
  checkWords(job, 'systemd');
  if (/["'\\]/.test(job.node)) {
    throw new InexactSchedule(
      `systemd starts no program whose path has quotes or backslashes, such as ${job.node}.`,
      'Use a Node.js that is installed in another folder.',
    );
  }
  const timeZone = zoneName(job.schedule.timeZone, 'systemd');
  const named = { ...job, schedule: { ...job.schedule, timeZone } };
  const expression = readExpression(job.schedule.cron);
  const second = secondStarts(expression, 0);
  return [
    ...units(named, [expression], false),
    // What was missed during downtime is resolved by the first start, which is made up for.
    ...(second.length === 0 ? [] : units(named, second, true)),
  ];
}

function units(job: ScheduledJob, starts: readonly Starts[], second: boolean): SchedulerFile[] {
  const name = second ? `${job.name}-resolve` : job.name;
  const { cron, timeZone } = job.schedule;
  const heading = `# ${WRITTEN_BY} --as systemd: ${cron} in ${timeZone}`;
  const what = second ? 'send batches again whose outcome was unknown' : 'send what the receiver does not have yet';
  const service = [
    heading,
    '[Unit]',
    `Description=tamhr-sync: ${what}`,
    'Wants=network-online.target',
    'After=network-online.target',
    '',
    '[Service]',
    'Type=oneshot',
    ...(job.user === undefined ? [] : [`User=${job.user}`]),
    `ExecStart=${commandWords(job, second).map(quoted).join(' ')}`,
    ...(job.log === undefined ? [] : [`StandardError=append:${job.log.replaceAll('%', '%%')}`]),
    // The first run may still be at work: no failure.
    ...(second ? ['SuccessExitStatus=75'] : []),
  ];
  const timer = [
    heading,
    '[Unit]',
    `Description=tamhr-sync: when to ${what}`,
    '',
    '[Timer]',
    ...starts.flatMap((start) => calendarEvents(start, timeZone)).map((event) => `OnCalendar=${event}`),
    ...(second ? [] : ['Persistent=true']),
    'AccuracySec=1s',
    '',
    '[Install]',
    'WantedBy=timers.target',
  ];
  return [
    { name: `${name}.service`, text: `${service.join('\n')}\n` },
    { name: `${name}.timer`, text: `${timer.join('\n')}\n` },
  ];
}

/** Several events of a timer are alternatives; an instant that meets two of them is one start. */
function calendarEvents({ days, times }: Starts, timeZone: string): string[] {
  return dateParts(days).flatMap((date) =>
    hoursByMinutes(times).map(({ hours, minutes }) => `${date} ${list(hours)}:${list(minutes)}:00 ${timeZone}`),
  );
}

function dateParts(days: Days): string[] {
  const months = isEveryMonth(days) ? '*' : list(days.months);
  const weekdays = days.weekdays?.map((day) => WEEKDAYS[day]).join(',');
  const dates = `*-${months}-${days.daysOfMonth ? list(days.daysOfMonth) : '*'}`;
  if (weekdays === undefined) return [dates];
  if (days.daysOfMonth === undefined || days.both) return [`${weekdays} ${dates}`];
  return [dates, `${weekdays} *-${months}-*`];
}

function list(numbers: readonly number[]): string {
  return numbers.map((number) => String(number).padStart(2, '0')).join(',');
}

/** systemd.service(5), "Command lines": quotes, backslashes, specifiers and variables; there are none in the program's name. */
function quoted(word: string, index: number): string {
  const plain = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%');
  const escaped = index === 0 ? plain : plain.replaceAll('$', '$$$$');
  return /[^\w@:,./+=%-]/.test(escaped) ? `"${escaped}"` : escaped;
}
