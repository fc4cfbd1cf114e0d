// What a terminal can show: its width, and whether it has colours.

import { styleText } from 'node:util';

/** Lines are never longer, so that they stay readable, and whole where a log is pasted. */
export const MOST_COLUMNS = 80;

interface Stream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** How many characters a line may have. */
export const columnsOf = ({ columns }: Stream): number =>
  columns === undefined || columns <= 0 ? MOST_COLUMNS : Math.min(columns, MOST_COLUMNS);

/** Live blocks need one that moves its cursor. */
export const isLive = ({ isTTY }: Stream, { TERM }: NodeJS.ProcessEnv = process.env): boolean =>
  isTTY === true && TERM !== 'dumb';

/** https://no-color.org, and FORCE_COLOR as Node.js reads it. */
export function hasColors(stream: Stream, env: NodeJS.ProcessEnv = process.env): boolean {
  const { FORCE_COLOR, NO_COLOR, NODE_DISABLE_COLORS } = env;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  if (NO_COLOR || NODE_DISABLE_COLORS) return false;
  return isLive(stream, env);
}

export type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

/** Node would look at standard output, which may be a file where standard error is a terminal. */
export const painterOf = (isColored: boolean): Paint =>
  isColored ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;

/** Breaks lines at spaces; a word that is longer than a line stays whole. Later lines begin with `indent` spaces. */
export function wrapped(text: string, columns = MOST_COLUMNS, indent = 0): string {
  return text
    .split('\n')
    .map((line) => wrappedLine(line, columns, ' '.repeat(indent)))
    .join('\n');
}

/** On a terminal broken into lines; whole in files and pipes, which are searched by lines. */
export const sentence = (text: string, stream: Stream): string =>
  stream.isTTY ? wrapped(text, columnsOf(stream), 2) : text;

function wrappedLine(text: string, columns: number, indent: string): string {
  if (text.length <= columns) return text;
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length > columns && line.trim() !== '') {
      lines.push(line);
      line = indent + word;
    } else line = longer;
  }
  return [...lines, line].join('\n');
}
