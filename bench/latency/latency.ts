// What is not throughput: starting an engine, calling it for little work, and what a training step costs beyond its
// kernels.
import { execFileSync } from 'node:child_process';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { fillRandom } from '../cases/values.js';
import { repositoryFile } from '../result-files.js';
import { median, type Summary, summarize } from '../statistics.js';

export interface Latencies {
  readonly threads: number;
  /** From Engine.create to the first result, in a new process. */
  readonly startUp: Summary;
  /** Of importing the package, before that. */
  readonly importMs: number;
  /** Calls on 64 × 1024 logits of an engine that has run before, by operation. */
  readonly oneOff: Readonly<Record<string, Summary>>;
  /** A whole step of 32 rows, 16 features, 4 classes: its kernels are hardly more than nothing. */
  readonly step: Summary;
}

const THREADS = 2;

export async function measureLatencies(quick: boolean): Promise<Latencies> {
  const starts = Array.from({ length: quick ? 1 : 9 }, startProcess);
  await using engine = await Engine.create({ threads: THREADS });
  return {
    threads: THREADS,
    startUp: summarize(starts.map(({ firstResultMs }) => firstResultMs)),
    importMs: median(starts.map(({ importMs }) => importMs)),
    oneOff: await measureOneOff(engine, quick ? 20 : 1000),
    step: await measureSteps(engine, quick ? 2 : 15),
  };
}

function startProcess(): { importMs: number; firstResultMs: number } {
  const path = repositoryFile('.bench/latency/start-up-process.js');
  return JSON.parse(execFileSync(process.execPath, [path, String(THREADS)], { encoding: 'utf8' }));
}

async function measureOneOff(engine: Engine, calls: number): Promise<Record<string, Summary>> {
  using logits = engine.matrix(64, 1024);
  fillRandom(logits.data);
  const targets = new Int32Array(64);
  const operations = {
    softmax: () => engine.softmax(logits, { into: logits }),
    logSoftmax: () => engine.logSoftmax(logits, { into: logits }),
    crossEntropy: () => engine.crossEntropy(logits, targets),
    crossEntropyGradient: () => engine.crossEntropyGradient(logits, targets, { into: logits }),
  };
  const summaries: Record<string, Summary> = {};
  for (const [name, run] of Object.entries(operations)) {
    const samples: number[] = [];
    for (let call = -calls / 2; call < calls; call++) {
      const begin = performance.now();
      await run();
      if (call >= 0) samples.push(performance.now() - begin);
    }
    summaries[name] = summarize(samples);
  }
  return summaries;
}

async function measureSteps(engine: Engine, fits: number): Promise<Summary> {
  // Two shards of 16 rows, so that two threads have work; all rows a step, so that every epoch is one.
  const [rows, features, classes, epochs] = [32, 16, 4, 2000];
  using inputs = engine.matrix(rows, features);
  fillRandom(inputs.data);
  const targets = Int32Array.from({ length: rows }, (_, row) => row % classes);
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  const samples: number[] = [];
  for (let fit = -1; fit < fits; fit++) {
    const options = { epochs, batchSize: rows, learningRate: 1e-3, momentum: 0.9, shuffle: false };
    const { epochs: reports } = await classifier.fit(inputs, targets, options);
    const stepsMs = reports.reduce((total, { durationMs }) => total + durationMs, 0);
    if (fit >= 0) samples.push(stepsMs / epochs);
  }
  return summarize(samples);
}
