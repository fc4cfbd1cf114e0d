// What engine.trace() costs: the same calls on an engine that notes spans and on one that does not, in turns. An argument
// filters by name.
import { Engine } from '#softshard/main/index.js';
import { linearWorkload } from '#softshard/main/scaling/workloads/linear.js';
import { rowWorkload } from '#softshard/main/scaling/workloads/rows.js';
import { passWorkload, stepWorkload } from '#softshard/main/scaling/workloads/training.js';
import type { Workload } from '#softshard/main/scaling/workloads/workload.js';
import { measureInTurns } from './measure.js';

const WORKLOADS: readonly Workload[] = [
  stepWorkload({ features: 784, classes: 10, batchSize: 128, rows: 8192, epochs: 1 }),
  stepWorkload({ features: 784, classes: 10, batchSize: 1024, rows: 8192, epochs: 2 }),
  stepWorkload({ features: 768, classes: 1000, batchSize: 1024, rows: 2048, epochs: 1 }),
  passWorkload({ features: 784, classes: 10, rows: 8192 }),
  linearWorkload({ rows: 256, features: 256, classes: 8192 }),
  rowWorkload('softmax', 64, 1024),
  rowWorkload('softmax', 8192, 100),
];

const engines = await Promise.all([false, true].map((trace) => Engine.create({ trace })));
try {
  for (const workload of WORKLOADS.filter(({ operation }) => operation.includes(process.argv[2] ?? ''))) {
    const prepared = engines.map((engine) => workload.prepare(engine, workload.rows));
    // Whole calls: of the time of a step alone, rounds would hold thousands.
    const contestants = prepared.map(({ run }) => ({
      run: async () => {
        await run();
        return undefined;
      },
    }));
    const effort = { rounds: 40, roundMs: 60, warmupMs: 100, warmupCalls: 2 };
    const [without, with_] = await measureInTurns(contestants, effort);
    for (const one of prepared) one.free();
    const { operation, rows, columns, features, classes } = workload;
    const shape = [rows, columns, features, classes].filter((size) => size !== undefined).join(' × ');
    const ratio = with_!.medianMs / without!.medianMs;
    console.log(
      `${operation} ${shape}: ${ratio.toFixed(4)} times as long with a trace (${without!.medianMs} ms)`,
    );
  }
} finally {
  await Promise.all(engines.map((engine) => engine.close()));
}
