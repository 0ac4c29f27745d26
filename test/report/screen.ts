/** A terminal's screen in memory: what a person would see after these writes. Unknown escape sequences are an error. */
import stringWidth from 'string-width';

/** Text up to the next control, or one control: line break, carriage return, or an escape sequence. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it reads them
const TOKEN = /\x1b\[(\d*)([A-Za-z])|\n|\r|[^\x1b\n\r]+/gy;

export class Screen {
  readonly isTTY = true;
  columns: number;
  readonly #lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  /** The lines, without trailing spaces and empty lines at the end. */
  get text(): string {
    return this.#lines
      .map((line) => line.trimEnd())
      .join('\n')
      .trimEnd();
  }

  write(text: string, written?: () => void): void {
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.length) {
      const at = TOKEN.lastIndex;
      const [token, parameter, command] = TOKEN.exec(text) ?? [];
      if (token === undefined) throw new Error(`unknown control at ${JSON.stringify(text.slice(at, at + 12))}`);
      if (token === '\n') this.#move(this.#row + 1, 0);
      else if (token === '\r') this.#column = 0;
      else if (command !== undefined) this.#control(command, parameter === '' ? undefined : Number(parameter));
      else for (const character of token) this.#put(character);
    }
    written?.();
  }

  #control(command: string, parameter: number | undefined): void {
    const line = this.#lines[this.#row] ?? '';
    if (command === 'G') this.#column = (parameter ?? 1) - 1;
    else if (command === 'A') this.#move(this.#row - (parameter ?? 1), this.#column);
    else if (command === 'K' && parameter === 2) this.#lines[this.#row] = '';
    else if (command === 'K') this.#lines[this.#row] = line.slice(0, this.#column);
    else throw new Error(`unknown control ${command}`);
  }

  #put(character: string): void {
    if (this.#column + stringWidth(character) > this.columns) this.#move(this.#row + 1, 0);
    const line = (this.#lines[this.#row] ?? '').padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
    this.#column += 1;
  }

  #move(row: number, column: number): void {
    while (this.#lines.length <= row) this.#lines.push('');
    this.#row = row;
    this.#column = column;
  }
}
