// Tiny jobs are done by the calling thread. Where they follow each other closely, as in a loop, workers stay awake between
// them and help: they are called to watch once, and then look for jobs in shared memory.
import { setImmediate, setTimeout } from 'node:timers/promises';
import { SoftshardError } from '../errors.js';
import {
  type GangJob,
  HelpWord,
  isSharedJob,
  type SharedJob,
  type WatchTask,
  type WorkerResult,
  writeJob,
} from '../workers/protocol.js';

/** Jobs that begin so soon after another ended follow it closely; shorter than a worker stays awake (AWAKE_MS). */
const CLOSE_MS = 0.05;

/** Workers are called to help after so many that did: a gang that comes next has to wait until they are back. */
const CLOSE_JOBS = 8;

/** Some 100 µs of looking at helpers that finish their last shard; longer only where one has lost its processor. */
const LOOKS = 20_000;

/**
 * After so many jobs without help that was called for, the event loop gets a turn: where callers wait for nothing but such
 * jobs it has none, and Piscina does not hear of workers that are free again.
 */
const MOST_WITHOUT_HELP = 32;

type Results = readonly WorkerResult[];

export class Helpers {
  readonly #words: Int32Array;
  readonly #most: number;
  readonly #send: (task: WatchTask) => Promise<void>;
  /** Watches that workers were sent on; those that have ended count themselves in the words. */
  #sent = 0;
  /** When all of the last have ended, or are lost. */
  #settled: Promise<void> = Promise.resolve();
  /** Why one of them was lost. */
  #failure: unknown;
  #lastEnd = Number.NEGATIVE_INFINITY;
  /** Jobs in a row that followed the one before closely. */
  #closeJobs = 0;
  /** Jobs in a row that nobody helped with though somebody was called. */
  #withoutHelp = 0;

  /** `most` workers at a time; `send` rejects where the worker is lost. */
  constructor(words: Int32Array, most: number, send: (task: WatchTask) => Promise<void>) {
    this.#words = words;
    this.#most = most;
    this.#send = send;
  }

  /**
   * Gives the results of all who did a part of the job: compute(), which does all that nobody else has claimed, and helpers.
   * Nobody works on it any longer then, nor where it throws: what compute() throws, or the reason why a helper is lost.
   */
  run(job: GangJob, compute: () => WorkerResult): Results | Promise<Results> {
    if (this.#most === 0 || !isSharedJob(job) || job.rows <= job.shardRows) return [compute()];
    this.#closeJobs = performance.now() - this.#lastEnd < CLOSE_MS ? this.#closeJobs + 1 : 0;
    if (this.#closeJobs >= CLOSE_JOBS && !this.#isWatched())
      this.#call(Math.ceil(job.rows / job.shardRows) - 1);
    try {
      return this.#isWatched() ? this.#share(job, compute) : [compute()];
    } finally {
      this.#lastEnd = performance.now();
    }
  }

  /** Lets those on watch go back to where they get tasks. */
  dismiss(): void {
    this.#closeJobs = 0;
    if (!this.#isWatched()) return;
    Atomics.store(this.#words, HelpWord.dismissed, 1);
    // Another number, on which nobody falls asleep; even, so that nothing is offered.
    Atomics.add(this.#words, HelpWord.offer, 2);
    Atomics.notify(this.#words, HelpWord.offer);
  }

  #isWatched(): boolean {
    return Atomics.load(this.#words, HelpWord.ended) !== this.#sent;
  }

  #call(shareable: number): void {
    const helpers = Math.min(this.#most, shareable);
    const sent = (this.#sent + helpers) | 0;
    this.#sent = sent;
    this.#failure = undefined;
    Atomics.store(this.#words, HelpWord.dismissed, 0);
    const watches = Array.from({ length: helpers }, (_, index) =>
      this.#send({ kind: 'watch', member: index + 1, members: helpers + 1 }),
    );
    this.#settled = Promise.allSettled(watches).then((results) => this.#onSettled(sent, results));
  }

  /** A worker that was lost may not have counted itself, nor left the job that it was inside of. */
  #onSettled(sent: number, results: readonly PromiseSettledResult<void>[]): void {
    const lost = results.find((result) => result.status === 'rejected');
    if (lost === undefined || sent !== this.#sent) return;
    this.#failure = lost.reason;
    const words = this.#words;
    if (Atomics.exchange(words, HelpWord.inside, 0) !== 0) Atomics.store(words, HelpWord.failed, 1);
    Atomics.store(words, HelpWord.asleep, 0);
    Atomics.store(words, HelpWord.ended, sent);
  }

  #share(job: SharedJob, compute: () => WorkerResult): Results | Promise<Results> {
    const words = this.#words;
    writeJob(words, job);
    words[HelpWord.helped] = 0;
    words[HelpWord.invalidRow] = 0;
    words[HelpWord.failed] = 0;
    Atomics.add(words, HelpWord.offer, 1);
    if (this.#closeJobs > 0 && Atomics.load(words, HelpWord.asleep) > 0)
      Atomics.notify(words, HelpWord.offer);
    let own: WorkerResult | undefined;
    let failure: unknown;
    try {
      own = compute();
    } catch (error) {
      failure = error;
    }
    Atomics.add(words, HelpWord.offer, 1);
    const results = (): Results | Promise<Results> => {
      if (own === undefined) throw failure;
      return this.#resultsWith(own);
    };
    for (let look = 0; look < LOOKS; look++) {
      if (this.#haveLeft()) return results();
    }
    return this.#untilLeft().then(results);
  }

  #haveLeft(): boolean {
    return Atomics.load(this.#words, HelpWord.inside) === 0;
  }

  async #untilLeft(): Promise<void> {
    while (!this.#haveLeft()) await setTimeout(1);
  }

  #resultsWith(own: WorkerResult): Results | Promise<Results> {
    const words = this.#words;
    if (words[HelpWord.failed] !== 0) {
      this.dismiss();
      return this.#settled.then(() => Promise.reject(this.#failure ?? endedError()));
    }
    const results: WorkerResult[] = [own];
    for (let helper = 0; helper < words[HelpWord.helped]!; helper++) results.push({ state: 'done' });
    const invalid = words[HelpWord.invalidRow]!;
    if (invalid !== 0) results.push({ state: 'invalidTarget', row: invalid - 1 });
    this.#withoutHelp = results.length > 1 ? 0 : this.#withoutHelp + 1;
    if (this.#withoutHelp < MOST_WITHOUT_HELP) return results;
    this.#withoutHelp = 0;
    return setImmediate(results);
  }
}

const endedError = (): SoftshardError =>
  new SoftshardError(
    'ERR_WORKER',
    'worker threads were ended while one of them helped: the call is lost, new threads take their place; call again',
  );
