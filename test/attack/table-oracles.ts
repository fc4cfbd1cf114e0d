// What files of named columns hold, by the libraries of their formats: what our readers accept has to agree with it.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { half } from './file-oracles.js';
import type { TableFormat } from './table-files.js';

/** The values of a column, row by row; undefined where the library refuses the file. */
export async function columnOf(
  format: TableFormat,
  bytes: Buffer,
  name: string,
): Promise<readonly unknown[] | undefined> {
  try {
    return await READERS[format](bytes, name);
  } catch {
    // The libraries stumble over damage that ours does not meet, in columns or statistics that it does not read.
    return undefined;
  }
}

type Reader = (bytes: Buffer, name: string) => Promise<readonly unknown[]>;

const fromParquet: Reader = async (bytes, name) => {
  const { parquetReadObjects } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const file = Uint8Array.from(bytes).buffer;
  const rows = await parquetReadObjects({ file, compressors, columns: [name] });
  const cells = rows.map((row) => listOf(row[name]));
  // It believes the count of nulls in a page's header: where that is damaged, it has values missing, which are no nulls.
  if (cells.some((cell) => cell === undefined || (Array.isArray(cell) && cell.includes(undefined)))) {
    throw new Error('hyparquet has lost values');
  }
  return cells;
};

/** hyparquet knows lists by their converted type, of which the logical type has taken the place: others are structs to it. */
function listOf(cell: unknown): unknown {
  const list: unknown = (cell as { list?: unknown } | null | undefined)?.list;
  return Array.isArray(list) ? list.map((item) => item?.element ?? null) : cell;
}

/** apache-arrow does not check lengths, and may never come to an end: it works in a thread that can be ended. */
const ARROW_THREAD = `
const { parentPort } = require('node:worker_threads');
const { tableFromIPC } = require('apache-arrow');
parentPort.on('message', ({ bytes, name }) => {
  try {
    const column = tableFromIPC(bytes).getChild(name);
    parentPort.postMessage(Array.from(column, (cell) => (cell?.toArray ? [...cell] : cell)));
  } catch {
    parentPort.postMessage(undefined);
  }
});`;
const ARROW_MS = 1000;
let arrowThread: Worker | undefined;

/** Answers come in no order but that of the questions: one at a time. */
let lastAnswer: Promise<unknown> = Promise.resolve();
const fromArrow: Reader = (bytes, name) => {
  const answer = lastAnswer.then(() => askArrow(bytes, name));
  lastAnswer = answer.catch(() => {});
  return answer;
};

const askArrow: Reader = async (bytes, name) => {
  arrowThread ??= new Worker(ARROW_THREAD, { eval: true });
  const thread = arrowThread;
  thread.unref();
  thread.postMessage({ bytes: Uint8Array.from(bytes), name });
  try {
    const [cells] = await once(thread, 'message', { signal: AbortSignal.timeout(ARROW_MS) });
    return cells as readonly unknown[];
  } catch (error) {
    arrowThread = undefined;
    await thread.terminate();
    throw error;
  }
};

const fromLines: Reader = async (bytes, name) => {
  const lines = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split('\n');
  const records = lines.filter((line) => /[^ \t\r]/.test(line)).map((line) => JSON.parse(line));
  return records.map((record) => (Object.hasOwn(record, name) ? record[name] : null));
};

const READERS: Readonly<Record<TableFormat, Reader>> = {
  parquet: fromParquet,
  arrow: fromArrow,
  jsonl: fromLines,
};

/** The numbers of a value that a library gives; NaN where one is missing. */
export function numbersOf(value: unknown, width: number): number[] {
  if (value === null || value === undefined) return Array<number>(width).fill(Number.NaN);
  if (value instanceof Uint8Array && value.length === 4 * width) {
    return [...new Float32Array(Uint8Array.from(value).buffer)];
  }
  if (value instanceof Uint8Array && value.length === 2 * width) {
    return Array.from({ length: width }, (_, i) => half(Buffer.from(value), 2 * i, true));
  }
  if (typeof value !== 'object') return [Number(value)];
  return Array.from(value as Iterable<unknown>, (item) => (item === null ? Number.NaN : Number(item)));
}
