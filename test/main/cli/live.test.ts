// What a terminal shows while training: the text of a fake one, whose screen is made of what is written to it.
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LiveBlock } from '#softshard/main/cli/live-block.js';
import { sparkline } from '#softshard/main/cli/live-line.js';
import { LiveProgress } from '#softshard/main/cli/live-progress.js';
import { createProgress } from '#softshard/main/cli/progress.js';
import { hasColors, wrapped } from '#softshard/main/cli/terminal.js';

const ESCAPE = '\\u001b';
const COMMAND = new RegExp(`^${ESCAPE}\\[\\??(\\d*)([A-Za-z])$`);
const PARTS = new RegExp(`${ESCAPE}\\[\\??\\d*[A-Za-z]|[^${ESCAPE}]`, 'gsu');

/** Understands what blocks write: text, line feeds, and the movements of the cursor that they use. */
class FakeTerminal {
  isTTY = true;
  rows = 24;
  written = '';
  columns: number;
  #lines = [''];
  #row = 0;
  #column = 0;

  constructor(columns = 80) {
    this.columns = columns;
  }

  write(text: string): void {
    this.written += text;
    for (const [part] of text.matchAll(PARTS)) this.#take(part);
  }

  #take(part: string): void {
    const [, count = '', command] = COMMAND.exec(part) ?? [];
    if (command === 'A') this.#row -= Number(count);
    else if (command === 'J')
      this.#lines = [...this.#lines.slice(0, this.#row), this.#line.slice(0, this.#column)];
    else if (command === 'K') this.#lines[this.#row] = this.#line.slice(0, this.#column);
    else if (part === '\r') this.#column = 0;
    else if (part === '\n') this.#feed();
    else if (command === undefined) {
      if (this.#column === this.columns) this.#feed();
      this.#lines[this.#row] = this.#line.padEnd(this.#column).slice(0, this.#column) + part;
      this.#column++;
    }
  }

  get #line(): string {
    return this.#lines[this.#row] ?? '';
  }

  #feed(): void {
    this.#row++;
    this.#column = 0;
    this.#lines[this.#row] ??= '';
  }

  get screen(): string {
    return this.#lines.join('\n');
  }
}

let now = 0;
const clock = () => (now += 150);
const colors = { NO_COLOR: process.env.NO_COLOR, FORCE_COLOR: process.env.FORCE_COLOR };
beforeEach(() => {
  now = 0;
  vi.stubEnv('NO_COLOR', '1');
  vi.stubEnv('FORCE_COLOR', undefined);
  vi.stubEnv('TERM', 'xterm');
});
afterEach(() => {
  vi.unstubAllEnvs();
  expect({ NO_COLOR: process.env.NO_COLOR, FORCE_COLOR: process.env.FORCE_COLOR }).toEqual(colors);
});

function trainSteps(terminal: FakeTerminal): LiveProgress {
  const progress = new LiveProgress(terminal, clock);
  progress.begin({ rows: 1000, epochs: 4 });
  for (let step = 1; step <= 40; step++) {
    progress.step({ step, steps: 40, loss: 2 / step });
    if (step % 10 > 0) continue;
    const epoch = step / 10;
    const validationLoss = [0.5, 0.3, 0.4, 0.45][epoch - 1]!;
    const cost = { learningRate: 0.1, durationMs: 10, rowsPerSecond: 123_456 };
    progress.epoch({ epoch, epochs: 4, loss: 1 / epoch, validationLoss, validationAccuracy: 0.9, ...cost });
  }
  return progress;
}

test('training step by step: bar, losses, the best epoch marked, in one block of four lines', () => {
  const terminal = new FakeTerminal();
  const progress = trainSteps(terminal);
  progress.stop();
  const [head, loss, validation, accuracy, ...rest] = terminal.screen.split('\n');
  expect(head).toBe('epoch 4/4  [========================] 100 %  123,456 rows/s');
  expect(loss).toMatch(/^loss {9}0\.0500 {2}\S{20,24}$/u);
  expect(validation).toMatch(/^validation {3}0\.4500 {2}\S{4} {2}best: epoch 2 \(0\.3000\)$/u);
  expect(accuracy).toMatch(/^accuracy {4}90\.00 % {2}\S{4}$/u);
  expect(rest).toEqual(['']);
});

test.each([80, 40, 20])('no line is longer than a terminal of %i columns', (columns) => {
  const terminal = new FakeTerminal(columns);
  trainSteps(terminal).stop();
  const solver = new LiveProgress(terminal, clock);
  for (const [i, gapRelative] of [0.5, 0.1, 0.01, 0.0001].entries()) {
    const at = { iteration: i, passes: 2 * i, maxPasses: 1000, objective: 10, gap: gapRelative * 10 };
    solver.solver({ ...at, loss: 1 / (i + 1), gapRelative }, 1e-4);
  }
  solver.stop();
  for (const line of stripVTControlCharacters(terminal.written).split(/[\r\n]/)) {
    expect(line.length).toBeLessThanOrEqual(columns);
  }
  expect(terminal.screen).toContain('gap    0.01 %'.slice(0, 3));
});

test('a note stands above the block, which is drawn again below it', () => {
  const terminal = new FakeTerminal();
  const progress = trainSteps(terminal);
  progress.note('stopping after the running step; a second signal ends at once');
  progress.step({ step: 41, steps: 80, loss: 1 });
  const [note, head] = terminal.screen.split('\n');
  expect(note).toBe('stopping after the running step; a second signal ends at once');
  expect(head).toContain('epoch');
  progress.stop();
});

test('a block is drawn in its place after the terminal has become narrower', () => {
  const terminal = new FakeTerminal(80);
  const block = new LiveBlock(terminal);
  block.draw(['a'.repeat(70), 'b']);
  terminal.columns = 40;
  block.draw(['c']);
  // The first line has become two rows: three rows up to the second one's end is two.
  expect(terminal.written).toContain('\x1b[2A');
  block.erase();
  expect(terminal.written.endsWith('\x1b[?25h')).toBe(true);
});

test('models of a sweep are ranked in place, the rest counted; at the end the table goes', () => {
  const terminal = new FakeTerminal();
  const progress = new LiveProgress(terminal, clock);
  for (let ended = 1; ended < 30; ended++) {
    progress.ranked({
      total: 30,
      ended,
      tableOf: (most) => ({
        lines: ['  C  loss', ...Array(Math.min(most, ended)).fill('1  0.1')],
        rest: Math.max(0, ended - most),
      }),
    });
  }
  const lines = terminal.screen.split('\n');
  expect(lines[0]).toBe('  C  loss');
  expect(lines).toHaveLength(13);
  expect(lines.at(-2)).toBe('and 19 more');
  expect(lines.at(-1)).toMatch(/^29 of 30 models {2}\[=+ \] {2}ETA \d/);
  progress.stop();
  expect(terminal.screen.trim()).toBe('');
});

test('--quiet shows warnings alone, and no terminal shows lines', async () => {
  const terminal = new FakeTerminal();
  const quiet = await createProgress({ quiet: true }, terminal);
  quiet.note('no');
  quiet.warn('yes');
  expect(terminal.written).toBe('yes\n');
  const file = Object.assign(new FakeTerminal(), { isTTY: false });
  const lines = await createProgress({}, file);
  lines.epoch({ epoch: 1, epochs: 2, loss: 0.5, learningRate: 0.1, durationMs: 1, rowsPerSecond: 1000 });
  expect(file.written).toBe('epoch 1/2  loss 0.5000  1,000 rows/s\n');
});

test('colours are those of a terminal, unless NO_COLOR or FORCE_COLOR say otherwise', () => {
  const terminal = { isTTY: true };
  expect(hasColors(terminal, { TERM: 'xterm' })).toBe(true);
  expect(hasColors(terminal, { TERM: 'dumb' })).toBe(false);
  expect(hasColors({}, {})).toBe(false);
  expect(hasColors(terminal, { NO_COLOR: '1' })).toBe(false);
  expect(hasColors(terminal, { NO_COLOR: '' })).toBe(true);
  expect(hasColors({}, { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(true);
  expect(hasColors(terminal, { FORCE_COLOR: '0' })).toBe(false);
  const colored = new FakeTerminal();
  vi.stubEnv('NO_COLOR', '');
  trainSteps(colored).stop();
  expect(colored.written).toContain('\x1b[36m');
});

test('a sparkline rises and falls with its values, on a log scale too, and in ASCII', () => {
  expect(sparkline([1, 2, 3, 4], 8)).toBe('▁▃▆█');
  expect(sparkline([1, 10, 100], 3, { isLog: true })).toBe('▁▅█');
  expect(sparkline([1, Number.NaN, 2], 3)).toBe('▁ █');
  expect(sparkline([5, 5], 4)).toBe('▁▁');
  expect(sparkline([0, 1], 4, { isUnicode: false })).toBe('_#');
  expect(sparkline([...Array(1000).keys()], 10)).toHaveLength(10);
  expect(sparkline([], 10)).toBe('');
});

test('text is wrapped at spaces, later lines indented; long words stay whole', () => {
  expect(wrapped('one two three', 8)).toBe('one two\nthree');
  expect(wrapped('a bb cc', 4, 2)).toBe('a bb\n  cc');
  expect(wrapped('/a/very/long/path', 5)).toBe('/a/very/long/path');
});
