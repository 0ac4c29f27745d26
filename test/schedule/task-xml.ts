/** Reads Task Scheduler XML: its elements, whether they keep the schema's rules, and the instants of its triggers. */

/** An element with its text, or with its children. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Element[];
  readonly text: string;
}

/** Parses a document of elements and text; throws Error where it is not well formed. */
export function parseXml(xml: string): Element {
  const tokens = xml.replace(/^<\?xml version="1\.0" encoding="UTF-16"\?>\r\n/, '').match(/<[^>]+>|[^<]+/g) ?? [];
  const root: Element & { children: Element[] } = { name: '', attributes: {}, children: [], text: '' };
  const open = [root as { name: string; attributes: Record<string, string>; children: Element[]; text: string }];
  for (const token of tokens) {
    const parent = open.at(-1);
    if (parent === undefined) throw new Error(`after the end: ${token}`);
    const [, closing = '', name = '', attributes = '', empty = ''] =
      /^<(\/?)(\w+)((?:\s+\w+="[^"<]*")*)\s*(\/?)>$/.exec(token) ?? [];
    if (!token.startsWith('<')) parent.text += unescaped(token).trim();
    else if (name === '') throw new Error(`no element: ${token}`);
    else if (closing) {
      if (open.pop()?.name !== name) throw new Error(`${token} closes another element`);
    } else {
      const pairs = [...attributes.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [
        key,
        unescaped(value),
      ]);
      const element = { name, attributes: Object.fromEntries(pairs), children: [], text: '' };
      parent.children.push(element);
      if (!empty) open.push(element);
    }
  }
  const [document, ...further] = root.children;
  if (open.length !== 1 || document === undefined || further.length > 0) throw new Error('not one document');
  return document;
}

function unescaped(text: string): string {
  if (/&(?!(amp|lt|gt|quot);)/.test(text)) throw new Error(`not escaped: ${text}`);
  const plain = text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"');
  return plain.replaceAll('&amp;', '&');
}

/** What an element may hold: children by order (`sequence`) or in any (`all`), or text of a pattern. */
interface Rule {
  readonly attributes?: readonly string[];
  readonly sequence?: readonly (readonly string[])[];
  readonly all?: readonly string[];
  readonly many?: readonly string[];
  readonly required?: readonly string[];
  readonly text?: RegExp;
}

const BOOLEAN = /^(true|false)$/;
const DURATION = /^P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?$/;
const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const WEEKDAYS = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split(' ');
const SCHEDULES = ['ScheduleByDay', 'ScheduleByWeek', 'ScheduleByMonth', 'ScheduleByMonthDayOfWeek'];

/**
 * The rules for what we write, from https://learn.microsoft.com/openspecs/windows_protocols/ms-tsch/0d6383e4-de92-43e7-b0bb-a60cfa36379f
 * (taskType, triggerBaseType, calendarTriggerType, settingsType, principalType, execType and below).
 */
const RULES: Readonly<Record<string, Rule>> = {
  Task: {
    attributes: ['version', 'xmlns'],
    all: ['RegistrationInfo', 'Triggers', 'Settings', 'Data', 'Principals', 'Actions'],
    required: ['Actions'],
  },
  RegistrationInfo: {
    all: ['URI', 'SecurityDescriptor', 'Source', 'Date', 'Author', 'Version', 'Description', 'Documentation'],
  },
  Description: { text: /./ },
  Triggers: { many: ['CalendarTrigger'] },
  CalendarTrigger: {
    attributes: ['id'],
    sequence: [
      ['Enabled'],
      ['StartBoundary'],
      ['EndBoundary'],
      ['Repetition'],
      ['ExecutionTimeLimit'],
      ['RandomDelay'],
      SCHEDULES,
    ],
    // A calendar trigger without a start is refused when the task is registered.
    required: ['StartBoundary'],
  },
  // Without an offset: local time.
  StartBoundary: { text: /^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:00$/ },
  ScheduleByDay: { all: ['DaysInterval'] },
  DaysInterval: { text: /^([1-9]|[1-9]\d|[12]\d\d|3[0-5]\d|36[0-5])$/ },
  ScheduleByWeek: { all: ['WeeksInterval', 'DaysOfWeek'] },
  WeeksInterval: { text: /^([1-9]|[1-4]\d|5[0-2])$/ },
  ScheduleByMonth: { all: ['DaysOfMonth', 'Months'] },
  ScheduleByMonthDayOfWeek: { all: ['Weeks', 'DaysOfWeek', 'Months'], required: ['DaysOfWeek'] },
  DaysOfMonth: { many: ['Day'] },
  Day: { text: /^([1-9]|[12]\d|3[01]|Last)$/ },
  Weeks: { many: ['Week'] },
  Week: { text: /^([1-4]|Last)$/ },
  DaysOfWeek: { all: WEEKDAYS },
  Months: { all: MONTHS },
  ...Object.fromEntries([...WEEKDAYS, ...MONTHS].map((name) => [name, { text: /^$/ }])),
  Principals: { many: ['Principal'] },
  Principal: {
    attributes: ['id'],
    all: ['UserId', 'LogonType', 'GroupId', 'DisplayName', 'RunLevel'],
  },
  UserId: { text: /./ },
  LogonType: { text: /^(S4U|Password|InteractiveToken)$/ },
  RunLevel: { text: /^(LeastPrivilege|HighestAvailable)$/ },
  Settings: {
    all: [
      ...['AllowStartOnDemand', 'RestartOnFailure', 'MultipleInstancesPolicy', 'DisallowStartIfOnBatteries'],
      ...['StopIfGoingOnBatteries', 'AllowHardTerminate', 'StartWhenAvailable', 'NetworkProfileName'],
      ...['RunOnlyIfNetworkAvailable', 'WakeToRun', 'Enabled', 'Hidden', 'DeleteExpiredTaskAfter', 'IdleSettings'],
      ...['NetworkSettings', 'ExecutionTimeLimit', 'Priority', 'RunOnlyIfIdle'],
    ],
  },
  MultipleInstancesPolicy: { text: /^(Parallel|Queue|IgnoreNew|StopExisting)$/ },
  DisallowStartIfOnBatteries: { text: BOOLEAN },
  StopIfGoingOnBatteries: { text: BOOLEAN },
  StartWhenAvailable: { text: BOOLEAN },
  ExecutionTimeLimit: { text: DURATION },
  Actions: { attributes: ['Context'], many: ['Exec'] },
  Exec: { attributes: ['id'], all: ['Command', 'Arguments', 'WorkingDirectory'], required: ['Command'] },
  Command: { text: /./ },
  Arguments: { text: /./ },
};

/** What of a task breaks the schema's rules; empty where nothing does. */
export function brokenRules(element: Element): string[] {
  const rule = RULES[element.name];
  if (rule === undefined) return [`${element.name} is not known`];
  const names = element.children.map(({ name }) => name);
  const problems = Object.keys(element.attributes)
    .filter((name) => !rule.attributes?.includes(name))
    .map((name) => `${element.name}: attribute ${name}`);
  if (rule.text !== undefined) {
    if (names.length > 0 || !rule.text.test(element.text)) problems.push(`${element.name}: ${element.text}`);
  } else if (element.text !== '') problems.push(`${element.name}: text ${element.text}`);
  if (rule.all && (new Set(names).size !== names.length || names.some((name) => !rule.all?.includes(name)))) {
    problems.push(`${element.name}: ${names}`);
  }
  if (rule.many && (names.length === 0 || names.some((name) => !rule.many?.includes(name)))) {
    problems.push(`${element.name}: ${names}`);
  }
  if (rule.sequence) {
    const places = names.map((name) => rule.sequence?.findIndex((choice) => choice.includes(name)) ?? -1);
    if (places.some((place, index) => place < 0 || place <= (places[index - 1] ?? -1))) {
      problems.push(`${element.name}: order ${names}`);
    }
    if (!rule.sequence.at(-1)?.some((name) => names.includes(name))) problems.push(`${element.name}: no schedule`);
  }
  for (const name of rule.required ?? []) if (!names.includes(name)) problems.push(`${element.name}: no ${name}`);
  return [...problems, ...element.children.flatMap(brokenRules)];
}

/** The child of this name; throws Error where there is none. */
export function child(element: Element, ...path: string[]): Element {
  return path.reduce((parent, name) => {
    const found = parent.children.find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`${parent.name} has no ${name}`);
    return found;
  }, element);
}

/** Local times (`2026-11-25T20:00`) at which the triggers of a task start it, between two days (`2026-11-25`), in order. */
export function localStarts(task: Element, from: string, to: string): string[] {
  const starts: string[] = [];
  for (let day = Date.parse(from); day < Date.parse(to); day += 86_400_000) {
    const date = new Date(day).toISOString().slice(0, 10);
    for (const trigger of child(task, 'Triggers').children) {
      const boundary = child(trigger, 'StartBoundary').text;
      const start = `${date}T${boundary.slice(11, 16)}`;
      if (start >= boundary.slice(0, 16) && holds(trigger.children.at(-1) as Element, new Date(day)))
        starts.push(start);
    }
  }
  return starts.sort();
}

function holds(schedule: Element, day: Date): boolean {
  const has = (list: string, name: string | undefined) =>
    child(schedule, list).children.some((item) => item.name === name || item.text === name);
  const weekday = WEEKDAYS[(day.getUTCDay() + 6) % 7];
  const month = MONTHS[day.getUTCMonth()];
  if (schedule.name === 'ScheduleByDay') return true;
  if (schedule.name === 'ScheduleByWeek') return has('DaysOfWeek', weekday);
  if (schedule.name === 'ScheduleByMonth') return has('Months', month) && has('DaysOfMonth', String(day.getUTCDate()));
  const isLast = new Date(day.getTime() + 7 * 86_400_000).getUTCMonth() !== day.getUTCMonth();
  const week = Math.ceil(day.getUTCDate() / 7);
  return (
    has('Months', month) &&
    has('DaysOfWeek', weekday) &&
    (has('Weeks', String(week)) || (isLast && has('Weeks', 'Last')))
  );
}
