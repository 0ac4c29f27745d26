/** What `help` tells of topics that belong to no single command, as text for people. */
import { EXIT_CODES } from '../sync/exit-codes.ts';
import { type Paint, painter } from './colour.ts';
import { widthOf, wrap } from './terminal-text.ts';

/** How the text is to look. */
export interface HelpTextOptions {
  /** The terminal's width, 80 where absent. */
  readonly columns?: number;
  readonly colour: boolean;
}

/** A key of the configuration; `value` and `fallback` may hold backticks, which are left out. */
export interface HelpKey {
  readonly key: string;
  readonly value: string;
  readonly fallback: string;
  readonly meaning: string;
}

/** The topics with what each tells. */
export const HELP_TOPICS = {
  'exit-codes': 'what each exit code means, and which one counts where several apply',
  configuration: 'the configuration file and all its keys; with a KEY only this one and those below it',
  secrets: 'how connection strings, passwords and API keys get into the configuration',
  topics: 'this list',
} as const;

/** One of them. */
export type HelpTopic = keyof typeof HELP_TOPICS;

interface View {
  readonly width: number;
  readonly paint: Paint;
}

/**
 * The text of a topic, ending with a line break; no line is longer than the terminal. `keys` are those of the configuration
 * that are to be told of; `isWholeFile`: that is all of them, and something on the file stands before them.
 */
export function topicText(
  topic: HelpTopic,
  keys: readonly HelpKey[],
  isWholeFile: boolean,
  { columns, colour }: HelpTextOptions,
): string {
  const view: View = { width: widthOf(columns), paint: painter(colour) };
  const lines = {
    topics: () => topicList(view),
    'exit-codes': () => exitCodes(view),
    secrets: () => paragraphs(SECRETS, view),
    configuration: () => [...(isWholeFile ? [...paragraphs(CONFIGURATION, view), ''] : []), ...keyList(keys, view)],
  }[topic]();
  return `${lines.join('\n')}\n`;
}

function topicList({ width, paint }: View): string[] {
  return Object.entries(HELP_TOPICS).flatMap(([name, what]) => [
    paint('bold', `tamhr-sync help ${name}${name === 'configuration' ? ' [KEY]' : ''}`),
    ...wrap(what, width, '    '),
  ]);
}

function exitCodes({ width, paint }: View): string[] {
  return [
    paint('bold', 'Exit codes'),
    ...Object.entries(EXIT_CODES).flatMap(([code, meaning]) => wrap(meaning, width, `  ${code.padStart(3)}  `)),
    '',
    ...wrap('Where several apply, the first in this order counts: 70, 78, 64, 69, 130 and 143, 75, 2, 1.', width),
    '',
    ...wrap(
      'Commands that look something up or compare end with 1 where what was asked for is not there, or differs; the README says of each what its codes mean.',
      width,
    ),
  ];
}

/** Text and, where a paragraph is indented, lines that stay as they are. */
function paragraphs(texts: readonly string[], { width }: View): string[] {
  return texts.flatMap((text, index) => [
    ...(index === 0 ? [] : ['']),
    ...(text.startsWith('  ') ? text.split('\n') : wrap(text, width)),
  ]);
}

function keyList(keys: readonly HelpKey[], { width, paint }: View): string[] {
  return keys.flatMap(({ key, value, fallback, meaning }) => {
    const absent = fallback.startsWith('`') ? `default: ${fallback}` : fallback;
    const form = [value, ...(absent === '' ? [] : [absent])].join('; ').replaceAll('`', '');
    return [
      ...wrap(key, width).map((line) => paint('bold', line)),
      ...wrap(`(${form})`, width, '    '),
      ...(meaning === '' ? [] : wrap(meaning.replaceAll('`', ''), width, '    ')),
    ];
  });
}

const CONFIGURATION = [
  'The configuration is the file that --config names or, without it, sync.config.json, .yaml or .yml in the working directory. Paths in it are relative to the file.',
  'tamhr-sync config validate tells all its problems, config print shows it with defaults filled in and secrets masked, config schema prints its JSON Schema for editors. A smallest one:',
  [
    '  {',
    '    "connections": { "hr": "${env:HR_CONNECTION}" },',
    '    "log": { "connection": "hr" },',
    '    "entities": [',
    '      {',
    '        "name": "Users",',
    '        "source": {',
    '          "connection": "hr",',
    '          "table": "dbo.Users",',
    '          "key": "Id"',
    '        },',
    '        "destination": {',
    '          "url": "https://api.example/users"',
    '        }',
    '      }',
    '    ]',
    '  }',
  ].join('\n'),
  'Its keys, with what each may hold. NAME stands for a name of your own, [] for each of several:',
];

const SECRETS = [
  'Keep secrets out of the configuration: a reference anywhere in one of its strings stands for them.',
  [
    '  ${env:NAME}   a line of the secrets file, else a variable',
    '                of the environment',
    "  ${file:PATH}  a file's content without its last line break",
    '  $${           a plain ${',
  ].join('\n'),
  'The secrets file is .env beside the configuration, or the file that --secrets names. It holds NAME=value lines. Empty lines and lines that begin with # do not count; quotes around a value and an export before the name are left out.',
  ['  # /etc/tamhr-sync/.env', '  HR_CONNECTION=Server=db;Database=HR;User Id=sync;…', '  API_KEY=…'].join('\n'),
  "Let only the job's user read it (chmod 600 .env). Secrets that stand in the configuration itself work, with a warning where others can read the file.",
  'What is known to be secret is replaced by *** wherever it would be printed, logged or stored in the log database.',
];
