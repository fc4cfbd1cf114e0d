// A few lines at the end of the terminal that are drawn anew in their place.

import { stripVTControlCharacters } from 'node:util';

/** What a block needs of standard error. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR_BELOW = '\r\x1b[J';

export class LiveBlock {
  readonly #terminal: Terminal;
  /** As they were drawn, the cursor at the end of the last. */
  #drawn: readonly string[] = [];
  /** So that the cursor comes back however the process ends. */
  readonly #onExit = () => void this.#terminal.write(SHOW_CURSOR);

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Lines are no longer than the terminal is wide. */
  draw(lines: readonly string[]): void {
    const isFirst = this.#drawn.length === 0;
    const { rows = 24 } = this.#terminal;
    // A block that is higher than the terminal cannot be drawn anew.
    const shown = lines.slice(0, Math.max(1, rows - 1));
    this.#terminal.write(`${isFirst ? HIDE_CURSOR : ''}${this.#back()}${shown.join('\n')}`);
    if (isFirst) process.once('exit', this.#onExit);
    this.#drawn = shown;
  }

  /** Takes the block away: what is written next stands in its place. */
  erase(): void {
    if (this.#drawn.length === 0) return;
    this.#end(`${this.#back()}${SHOW_CURSOR}`);
  }

  /** Leaves the block as it is: what is written next stands below it. */
  keep(): void {
    if (this.#drawn.length > 0) this.#end(`\n${SHOW_CURSOR}`);
  }

  #end(text: string): void {
    this.#terminal.write(text);
    this.#drawn = [];
    process.removeListener('exit', this.#onExit);
  }

  /** To the beginning of the block. A terminal that has become narrower has broken its lines. */
  #back(): string {
    if (this.#drawn.length === 0) return '';
    const { columns = 80 } = this.#terminal;
    const rowsOf = (line: string) => Math.max(1, Math.ceil(stripVTControlCharacters(line).length / columns));
    const rows = this.#drawn.reduce((sum, line) => sum + rowsOf(line), 0);
    return rows > 1 ? `\x1b[${rows - 1}A${CLEAR_BELOW}` : CLEAR_BELOW;
  }
}
