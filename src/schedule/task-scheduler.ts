/**
 * The job as tasks of Windows' Task Scheduler, as XML for `schtasks /Create /XML`
 * (https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema). Times are local ones.
 */
import { clockAt, minutesAhead } from './clocks.ts';
import { InexactSchedule } from './inexact.ts';
import { checkWords, commandWords, type ScheduledJob, type SchedulerFile, secondStarts, WRITTEN_BY } from './job.ts';
import { type Days, isEveryMonth, moveStarts, readExpression, type Starts } from './starts.ts';

/** Most triggers of a task (https://learn.microsoft.com/windows/win32/taskschd/triggercollection). */
const MOST_TRIGGERS = 48;
/** The account SYSTEM, in whatever language it is called. */
const SYSTEM = 'S-1-5-18';
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
];

type Xml = readonly [name: string, content: string | readonly Xml[], attributes?: string];

/**
 * NAME.xml, and NAME-resolve.xml for the second start. A task ignores a start while it runs, and makes up for one that the
 * machine was down for. Throws InexactSchedule for what triggers cannot say.
 */
export function taskDefinitions(job: ScheduledJob, now: Date): SchedulerFile[] {
  // Inside the quotes that cmd.exe needs, " ends them and % begins a variable, with no way to escape either.
  checkWords(job, 'Task Scheduler', '"%');
  const expression = readExpression(job.schedule.cron);
  const minutes = minutesAhead(job.schedule.timeZone, job.machineZone, now);
  const second = secondStarts(expression, minutes);
  return [
    { name: `${job.name}.xml`, text: task(job, moveStarts(expression, minutes), false, now) },
    ...(second.length === 0 ? [] : [{ name: `${job.name}-resolve.xml`, text: task(job, second, true, now) }]),
  ];
}

function task(job: ScheduledJob, starts: readonly Starts[], second: boolean, now: Date): string {
  const triggers = starts.flatMap((start) => start.times.map((time) => trigger(job, start.days, time, now)));
  if (triggers.length > MOST_TRIGGERS) {
    throw new InexactSchedule(
      `The schedule starts the job at ${triggers.length} times, and a task has at most ${MOST_TRIGGERS} triggers.`,
      'Choose fewer times for schedule.cron.',
    );
  }
  const { cron, timeZone } = job.schedule;
  const account: Xml[] =
    job.user === undefined
      ? [['UserId', SYSTEM]]
      : [
          ['UserId', job.user],
          ['LogonType', 'Password'],
        ];
  const definition: Xml = [
    'Task',
    [
      [
        'RegistrationInfo',
        [['Description', `${WRITTEN_BY} --as schtasks: ${cron} in ${timeZone}, by the clock of ${job.machineZone}`]],
      ],
      ['Triggers', triggers],
      ['Principals', [['Principal', [...account, ['RunLevel', 'LeastPrivilege']], ' id="Account"']]],
      [
        'Settings',
        [
          ['MultipleInstancesPolicy', 'IgnoreNew'],
          ['DisallowStartIfOnBatteries', 'false'],
          ['StopIfGoingOnBatteries', 'false'],
          // What the second start would have resolved, the first one resolves that is made up for.
          ['StartWhenAvailable', String(!second)],
          // No limit: run.maxDurationMinutes and --deadline end a run in good order.
          ['ExecutionTimeLimit', 'PT0S'],
        ],
      ],
      ['Actions', [['Exec', action(job, second)]], ' Context="Account"'],
    ],
    ' version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"',
  ];
  return `<?xml version="1.0" encoding="UTF-16"?>\r\n${element(definition, '')}`;
}

/** cmd.exe writes the log; the task's last result is the exit code. */
function action(job: ScheduledJob, second: boolean): Xml[] {
  // Before a closing quote a backslash stands for itself only where there are two.
  // https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments
  const quoted = (word: string) => `"${word.replace(/\\+$/, '$&$&')}"`;
  const words = commandWords(job, second).map((word) => (/^[\w-]+$/.test(word) ? word : quoted(word)));
  // Two programs cannot have one file open for >> at once.
  const log = second ? job.log?.replace(/(\.[^.\\/]*)?$/, '-resolve$1') : job.log;
  const line = `${words.join(' ')}${log === undefined ? '' : ` >>"${log}" 2>&1`}`;
  return [
    ['Command', '%SystemRoot%\\System32\\cmd.exe'],
    // cmd /?: with /s only the outer quotes are taken away.
    ['Arguments', `/d /s /c "${line}"`],
  ];
}

/** No other elements of a trigger: documentation and exported tasks differ in their order. */
function trigger({ machineZone }: ScheduledJob, days: Days, time: number, now: Date): Xml {
  const clock = clockAt(machineZone, now);
  const today = Date.parse(`${clock.date}T00:00:00Z`);
  const first = new Date(today + (time > clock.minutes ? 0 : 86_400_000) + time * 60_000);
  return ['CalendarTrigger', [['StartBoundary', first.toISOString().slice(0, 19)], calendar(days)]];
}

function calendar(days: Days): Xml {
  const { daysOfMonth, weekdays } = days;
  const months: Xml = ['Months', days.months.map((month): Xml => [MONTHS[month - 1] ?? '', ''])];
  const ofWeek: Xml = ['DaysOfWeek', (weekdays ?? []).map((day): Xml => [WEEKDAYS[day] ?? '', ''])];
  if (daysOfMonth !== undefined && weekdays !== undefined) {
    throw new InexactSchedule(
      'The schedule names days of the month and weekdays, and a trigger of Task Scheduler only knows one of them.',
      'Restrict schedule.cron by one of them.',
    );
  }
  if (daysOfMonth !== undefined || (weekdays === undefined && !isEveryMonth(days))) {
    const all = daysOfMonth ?? Array.from({ length: 31 }, (_, index) => index + 1);
    return ['ScheduleByMonth', [['DaysOfMonth', all.map((day): Xml => ['Day', String(day)])], months]];
  }
  if (weekdays === undefined) return ['ScheduleByDay', [['DaysInterval', '1']]];
  if (isEveryMonth(days)) return ['ScheduleByWeek', [ofWeek, ['WeeksInterval', '1']]];
  const weeks = ['1', '2', '3', '4', 'Last'].map((week): Xml => ['Week', week]);
  return ['ScheduleByMonthDayOfWeek', [['Weeks', weeks], ofWeek, months]];
}

function element([name, content, attributes = '']: Xml, indent: string): string {
  const inner = typeof content === 'string' ? escaped(content) : content.map((child) => element(child, `${indent}  `));
  if (typeof inner === 'string') {
    return `${indent}${inner === '' ? `<${name}${attributes} />` : `<${name}${attributes}>${inner}</${name}>`}\r\n`;
  }
  return `${indent}<${name}${attributes}>\r\n${inner.join('')}${indent}</${name}>\r\n`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
