// Training and evaluation on rows that stay on disk, whose file changes, loses its name or is closed meanwhile: what comes has
// the bits that it has undisturbed, or there is a clean error; and the engine has all of its memory back.
import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, type Files, openFeatures, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { type Attack, expectThat, type Outcome, pause, type Session, within } from './attack.js';
import { digestOf, valuesAt } from './call-data.js';
import { expectCleanError } from './clean-errors.js';
import { Random } from './random.js';

const [ROWS, FEATURES, CLASSES] = [12_000, 200, 4];
const VALUES_BYTES = ROWS * FEATURES * Float32Array.BYTES_PER_ELEMENT;
/** Rows pass through the smaller one, and lie in the larger one. */
const ARENAS = [8, 32].map((mib) => mib * 1024 * 1024);
const MOST_MS = 60;
const HANGS_MS = 20_000;
const targets = Int32Array.from({ length: ROWS }, (_, row) => (row * 7) % CLASSES);

type Rows = Files.OpenFeatures;
type Work = (classifier: SoftmaxClassifier, rows: Rows) => Promise<unknown>;

const training =
  (options: Training.FitOptions): Work =>
  async (classifier, rows) => {
    const result = await classifier.fit(rows, targets, options);
    return { result, weights: classifier.weights, bias: classifier.bias };
  };

const WORKS: Readonly<Record<string, Work>> = {
  steps: training({ epochs: 2, batchSize: 128, learningRate: 0.01 }),
  'steps with validation': training({ epochs: 2, batchSize: 64, learningRate: 0.01, validationSplit: 0.2 }),
  'full batch': training({ C: 1, scale: 'none', maxPasses: 12 }),
  'chosen C': training({ maxPasses: 8 }),
  evaluation: (classifier, rows) => classifier.evaluate(rows, targets),
  prediction: (classifier, rows) => classifier.predict(rows),
};

const FULL_BATCHES = ['full batch', 'chosen C'];

type Change = (path: string, rows: Rows, random: Random) => void;
const CHANGES: Readonly<Record<string, Change>> = {
  'cut off': (path, _, random) => truncateSync(path, random.below(VALUES_BYTES)),
  emptied: (path) => truncateSync(path),
  grown: (path) => appendFileSync(path, 'more'),
  'written anew': (path, _, random) => writeFileSync(path, npyOf(random.size(ROWS), random.below(1e5))),
  'other values': (path, _, random) => writeFileSync(path, npyOf(ROWS, random.below(1e5)), { flag: 'r+' }),
  replaced: (path) => {
    writeFileSync(`${path}.new`, npyOf(ROWS, 3));
    renameSync(`${path}.new`, path);
  },
  removed: (path) => rmSync(path),
  closed: (_, rows) => void rows.close(),
};

interface Case {
  readonly threads: number;
  readonly arenaBytes: number;
  readonly work: string;
  readonly change: string;
  readonly afterMs: number;
}

function caseOf(seed: number): Case {
  const random = new Random(seed);
  const work = random.of(Object.keys(WORKS));
  return {
    threads: random.of([1, 2, 3]),
    // A step of a full batch has all of so few rows.
    arenaBytes: FULL_BATCHES.includes(work) ? ARENAS[1]! : random.of(ARENAS),
    work,
    change: random.of(Object.keys(CHANGES)),
    afterMs: random.size(MOST_MS) - 1,
  };
}

function npyOf(rows: number, offset: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${FEATURES}), }`;
  const start = Buffer.from(`\x93NUMPY\x01\0v\0${text.padEnd(117)}\n`, 'latin1');
  return Buffer.concat([start, Buffer.from(valuesAt(offset, rows * FEATURES).buffer)]);
}

class DiskTrainingSession implements Session {
  readonly #folder = mkdtempSync(join(tmpdir(), 'softshard-attack-'));
  readonly #path = join(this.#folder, 'x.npy');
  readonly #content = npyOf(ROWS, 1);
  readonly #engines = new Map<string, Engine>();
  readonly #undisturbed = new Map<string, string>();

  async attempt(seed: number): Promise<Outcome> {
    const { threads, arenaBytes, work, change, afterMs } = caseOf(seed);
    const wanted = await this.#undisturbedOf(work);
    const engine = await this.#engine(threads, arenaBytes);
    const { usedBytes } = engine.memoryUsage();
    const rows = await this.#open();
    let outcome: Outcome = 'right';
    try {
      const working = within(HANGS_MS, `${work}, ${change}`, this.#digest(engine, work, rows));
      working.catch(() => {});
      await pause(afterMs);
      CHANGES[change]!(this.#path, rows, new Random(seed));
      const got = await working;
      expectThat(got === wanted, `${work}: other bits for a file that is ${change}`);
    } catch (error) {
      expectCleanError(error, this.#path);
      expectThat(error.message.includes(this.#path), `no file is named: ${error.message}`);
      expectThat(
        ['ERR_FORMAT', 'ERR_CLOSED'].includes(error.code),
        `${error.code} for a change: ${error.message}`,
      );
      outcome = error.code;
    } finally {
      await rows.close();
    }
    const left = engine.memoryUsage().usedBytes - usedBytes;
    expectThat(left === 0, `${left} bytes are left in the arena`);
    return outcome;
  }

  async #open(): Promise<Rows> {
    rmSync(this.#path, { force: true });
    writeFileSync(this.#path, this.#content);
    // As one that was written some time ago: clocks of files tick slowly.
    utimesSync(this.#path, 1, 1);
    return openFeatures(this.#path);
  }

  async #digest(engine: Engine, work: string, rows: Rows): Promise<string> {
    const weights = valuesAt(5, FEATURES * CLASSES);
    const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
    classifier.weights.set(weights);
    return digestOf(await WORKS[work]!(classifier, rows));
  }

  async #undisturbedOf(work: string): Promise<string> {
    const known = this.#undisturbed.get(work);
    if (known !== undefined) return known;
    const rows = await this.#open();
    try {
      const digest = await this.#digest(await this.#engine(2, ARENAS[1]!), work, rows);
      this.#undisturbed.set(work, digest);
      return digest;
    } finally {
      await rows.close();
    }
  }

  async #engine(threads: number, arenaBytes: number): Promise<Engine> {
    const key = `${threads} ${arenaBytes}`;
    const engine = this.#engines.get(key) ?? (await Engine.create({ threads, arenaBytes }));
    this.#engines.set(key, engine);
    return engine;
  }

  async close(): Promise<void> {
    for (const engine of this.#engines.values()) await engine.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export const diskTraining: Attack = {
  name: 'disk-training',
  cases: 'trainings on files that change',
  longRun: 5000,
  atOnce: 1,
  brief: false,
  deadlineMs: 60_000,
  open: async () => new DiskTrainingSession(),
  inputOf: (seed) => ({ 'case.txt': JSON.stringify(caseOf(seed)) }),
};
