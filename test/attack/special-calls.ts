// Calls for the attack by cancelling: readers of files, and those whose state after a cancel is promised.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  readCsv,
  readFeatures,
  readLabels,
  readMatrix,
  SoftmaxClassifier,
  writeNpy,
} from '#softshard/main/index.js';
import { expectThat } from './attack.js';
import { digestOf, valuesAt } from './call-data.js';
import type { Call } from './calls.js';
import type { Random } from './random.js';

const ROWS = 1500;
const FEATURES = 100;

/** Files of some 10 ms and more. */
export async function writeFiles(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const values = valuesAt(3, ROWS * FEATURES);
  await writeNpy(join(folder, 'x.npy'), { dims: [ROWS, FEATURES], data: values });
  await writeNpy(join(folder, 'x64.npy'), { dims: [ROWS, FEATURES], data: Float64Array.from(values) });
  const header = Buffer.alloc(12);
  header.set([0, 0, 0x08, 2]);
  header.writeUInt32BE(ROWS, 4);
  header.writeUInt32BE(FEATURES, 8);
  const bytes = Uint8Array.from(values, (value) => (value + 4) * 32);
  writeFileSync(join(folder, 'x.idx.gz'), gzipSync(Buffer.concat([header, bytes])));
  const lines = Array.from({ length: ROWS }, (_, row) => {
    const cells = values.subarray(row * FEATURES, (row + 1) * FEATURES);
    return `${Array.from(cells, (value) => value.toFixed(4)).join(',')},class ${row % 7}\n`;
  });
  writeFileSync(join(folder, 'x.csv'), lines.join(''));
  writeFileSync(join(folder, 'y.txt.gz'), gzipSync(lines.map((_, row) => `class ${row % 7}\n`).join('')));
}

export function readerCall(random: Random, folder: string): Call {
  const calls: readonly Call[] = [
    ...['x.npy', 'x64.npy', 'x.idx.gz'].map(
      (name): Call => ({
        what: `readMatrix ${name}`,
        run: (engine, _, signal) => readMatrix(engine, join(folder, name), signal),
      }),
    ),
    {
      what: 'readFeatures x.idx.gz',
      run: (engine, _, signal) => readFeatures(engine, join(folder, 'x.idx.gz'), signal),
    },
    {
      what: 'readCsv x.csv',
      run: (engine, _, signal) => readCsv(engine, join(folder, 'x.csv'), { labelColumn: -1, ...signal }),
    },
    { what: 'readLabels y.txt.gz', run: (_, __, signal) => readLabels(join(folder, 'y.txt.gz'), signal) },
  ];
  return random.of(calls);
}

/** After a cancel a classifier has the weights after a whole step. */
export function steppedFit(random: Random): Call {
  const [rows, features, classes] = [
    random.between(100, 5000),
    random.between(1, 100),
    random.between(2, 40),
  ];
  const inputs = valuesAt(random.below(1e5), rows * features);
  const targets = Int32Array.from({ length: rows }, (_, row) => row % classes);
  const epochs = random.between(3, 40);
  // What the weights are after each step, from the first run, which nobody cancels.
  const states = new Set<string>();
  return {
    what: `fit of ${epochs} steps ${rows} × ${features} × ${classes}`,
    run: async (engine, _, signal) => {
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      const state = () => digestOf([classifier.weights, classifier.bias]);
      const isFirst = states.size === 0;
      if (isFirst) states.add(state());
      const note = isFirst ? { onEpochEnd: () => void states.add(state()) } : {};
      const options = { columns: features, epochs, batchSize: 'full', learningRate: 0.02 } as const;
      try {
        await classifier.fit(inputs, targets, { ...options, ...note, ...signal });
      } catch (error) {
        expectThat(states.has(state()), 'the weights after a cancel are those after no step');
        throw error;
      }
      return state();
    },
  };
}

/** A batch is counted as a whole or not at all. */
export function countedTwice(random: Random): Call {
  const [rows, classes] = [random.between(100, 30_000), random.between(2, 40)];
  const logits = {
    type: 'float32',
    dims: [rows, classes],
    data: valuesAt(random.below(1e5), rows * classes),
  } as const;
  const targets = Int32Array.from({ length: rows }, (_, row) => row % classes);
  return {
    what: `metrics of two batches ${rows} × ${classes}`,
    run: async (engine, _, signal) => {
      const metrics = engine.metrics({ classes });
      await metrics.add(logits, targets);
      const before = JSON.stringify(metrics);
      try {
        await metrics.add(logits, targets, signal);
      } catch (error) {
        expectThat(JSON.stringify(metrics) === before, 'a batch is counted though it was cancelled');
        throw error;
      }
      return metrics.toJSON();
    },
  };
}
