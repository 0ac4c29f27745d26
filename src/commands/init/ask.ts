/** Questions on a terminal. The only home of @clack/prompts, which is loaded when something is asked. */
import { Writable } from 'node:stream';
import type { Io, TextStream } from '../context.ts';

/** Thrown when a question is not answered: Ctrl-C, Escape, or a signal. */
export class Unanswered extends Error {}

/** Says what is wrong with an answer, or nothing. */
type Check = (answer: string) => string | undefined | Promise<string | undefined>;

/** Asks a person, who must answer: every method rejects with Unanswered otherwise. */
export interface Asker {
  /** `initial` is the answer that Enter alone gives. Asks again as long as `check` finds something. */
  text(question: string, options: { readonly initial?: string; readonly check?: Check }): Promise<string>;
  /** What is typed is not shown. */
  secret(question: string, check?: Check): Promise<string>;
  choose<T extends string>(question: string, choices: readonly { value: T; label: string }[]): Promise<T>;
  confirm(question: string): Promise<boolean>;
}

/** Undefined where there is no terminal to ask on. Questions go to stderr, as results alone go to stdout. */
export async function terminalAsker(io: Io, signal: AbortSignal): Promise<Asker | undefined> {
  if (io.stdin === undefined || !io.stderr.isTTY) return undefined;
  const input = io.stdin();
  if (!input.isTTY) return undefined;
  const prompts = await import('@clack/prompts');
  const common = { input, output: terminal(io.stderr), signal };
  const answered = <T>(answer: T | symbol): T => {
    if (prompts.isCancel(answer)) throw new Unanswered();
    return answer as T;
  };
  const checked = async (
    ask: () => Promise<string | symbol | undefined>,
    check: Check | undefined,
  ): Promise<string> => {
    for (;;) {
      const answer = (answered(await ask()) ?? '').trim();
      const problem = answer === '' ? 'An answer is needed.' : await check?.(answer);
      if (problem === undefined) return answer;
      io.stderr.write(`${problem}\n`);
    }
  };
  return {
    text: (message, { initial, check }) =>
      checked(
        () =>
          prompts.text({
            ...common,
            message,
            ...(initial !== undefined && { placeholder: initial, defaultValue: initial }),
          }),
        check,
      ),
    secret: (message, check) => checked(() => prompts.password({ ...common, message }), check),
    choose: async <T extends string>(message: string, choices: readonly { value: T; label: string }[]) =>
      answered(
        await prompts.select<string>({
          ...common,
          message,
          options: choices.map(({ value, label }) => ({ value, label })),
        }),
      ) as T,
    confirm: async (message) => answered<boolean>(await prompts.confirm({ ...common, message })),
  };
}

/** A text stream as the library wants one. */
function terminal(stream: TextStream): Writable {
  const writable = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      stream.write(String(chunk));
      done();
    },
  });
  return Object.defineProperties(writable, {
    isTTY: { value: true },
    columns: { get: () => stream.columns || 80 },
  });
}
