// How the calling thread gets help with a tiny job: by words in shared memory alone, since a message would take longer
// than the job. Workers on watch look at the offer over and over; the calling thread makes offers, and takes part itself.
import { HELP_PTR } from '../../kernels/layout.js';
import type { GangTask } from './gang.js';
import type { CrossEntropyTask, RowMapTask } from './rows.js';

/** A job that words can describe: see isSharedJob. */
export type SharedJob = Omit<RowMapTask, keyof GangTask> | Omit<CrossEntropyTask, keyof GangTask>;

/** Puts a worker on watch; its member 0 is the calling thread. */
export interface WatchTask extends GangTask {
  readonly kind: 'watch';
}

/** Indices into the words at HELP_PTR; words that both sides look at all the time have cache lines of their own. */
export const HelpWord = {
  /** Number of the offer: odd while it is open. */
  offer: 0,
  /** Not 0: nobody needs to watch any longer. */
  dismissed: 1,
  /** The job that is offered: its kind, … */
  kind: 16,
  rows: 17,
  columns: 18,
  shardRows: 19,
  logits: 20,
  /** Of cross-entropy gradLogits. */
  output: 21,
  losses: 22,
  lossSums: 23,
  targets: 24,
  /** A float64. */
  scale: 26,
  /** Workers that look at the job or work on it: until they have left, it has not ended. */
  inside: 32,
  /** Workers that have looked for a part of it. */
  helped: 33,
  /** 1 + the row of an invalid target that one of them met. */
  invalidRow: 34,
  /** Not 0: one of them threw, or left a part undone. */
  failed: 35,
  /** Workers on watch that sleep until the offer is notified. */
  asleep: 36,
  /** Watches that have ended. */
  ended: 37,
} as const;

const HELP_WORDS = 48;
const KINDS = ['softmax', 'logSoftmax', 'logSumExp', 'crossEntropy'] as const;

export function helpWords(buffer: SharedArrayBuffer): Int32Array {
  return new Int32Array(buffer, HELP_PTR, HELP_WORDS);
}

export const isOpen = (offer: number): boolean => offer % 2 !== 0;

/** Ignored rows need views, for which a worker's own buffer may be too short: such jobs are not shared. */
export function isSharedJob(job: { readonly kind: string; readonly ignore?: unknown }): job is SharedJob {
  return KINDS.some((kind) => kind === job.kind) && job.ignore === undefined;
}

const scaleOf = ({ buffer, byteOffset }: Int32Array): Float64Array =>
  new Float64Array(buffer, byteOffset + HelpWord.scale * Int32Array.BYTES_PER_ELEMENT, 1);

export function writeJob(words: Int32Array, job: SharedJob): void {
  words[HelpWord.kind] = KINDS.indexOf(job.kind);
  words[HelpWord.rows] = job.rows;
  words[HelpWord.columns] = job.columns;
  words[HelpWord.shardRows] = job.shardRows;
  words[HelpWord.logits] = job.logits;
  if (job.kind === 'crossEntropy') {
    words[HelpWord.output] = job.gradLogits;
    words[HelpWord.losses] = job.losses;
    words[HelpWord.lossSums] = job.lossSums;
    words[HelpWord.targets] = job.targets;
    scaleOf(words)[0] = job.scale;
  } else {
    words[HelpWord.output] = job.output;
  }
}

export function readJob(words: Int32Array): SharedJob {
  const at = (word: number): number => words[word]! >>> 0;
  const kind = KINDS[at(HelpWord.kind)]!;
  const shape = {
    rows: at(HelpWord.rows),
    columns: at(HelpWord.columns),
    shardRows: at(HelpWord.shardRows),
    logits: at(HelpWord.logits),
  };
  const output = at(HelpWord.output);
  if (kind !== 'crossEntropy') return { kind, ...shape, output };
  return {
    kind,
    ...shape,
    gradLogits: output,
    losses: at(HelpWord.losses),
    lossSums: at(HelpWord.lossSums),
    targets: at(HelpWord.targets),
    scale: scaleOf(words)[0]!,
    ignore: undefined,
    buffer: words.buffer as SharedArrayBuffer,
  };
}
