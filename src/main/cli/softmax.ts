// softshard softmax: the softmax or log-softmax of an array in a .npy file, as another one.

import { resolve } from 'node:path';
import { createNpyWriter, Engine, type NpyFile } from '../index.js';
import { type EngineFlags, engineOptions, type ReportFlags } from './command-options.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { interruptible } from './interruption.js';
import { shapeOf, withNpyFiles } from './npy-inputs.js';
import { counted, duration, printBeside, printJson } from './output.js';
import { createProgress } from './progress.js';
import {
  BYTES,
  entriesOf,
  passWindows,
  planWindows,
  type RowsShape,
  windowBytes,
  workOf,
} from './row-windows.js';

export interface SoftmaxFlags extends EngineFlags, ReportFlags {
  input: string;
  output: string;
  log?: true;
  axis: number;
}

export async function softmax(flags: SoftmaxFlags): Promise<void> {
  const { input, output } = flags;
  const atMostBytes = windowBytes();
  await checkInputs([input]);
  const targets = await checkOutputs({ '--output': output }, [input], flags.json);
  await interruptible((signal) =>
    withNpyFiles(signal, async (open) => {
      const file = await open(input);
      const shape = shapeOf(file, flags.axis, 'logits');
      const engine = await Engine.create(engineOptions(flags));
      const begin = performance.now();
      try {
        await softmaxOf(file, shape, { engine, flags, signal, atMostBytes });
        await report(flags, shape, engine, performance.now() - begin, targets.some(isStandardOutput));
      } finally {
        await engine.close();
      }
    }),
  );
}

interface Setting {
  readonly engine: Engine;
  readonly flags: SoftmaxFlags;
  readonly signal: AbortSignal;
  readonly atMostBytes: number;
}

async function softmaxOf(
  file: NpyFile,
  shape: RowsShape,
  { engine, flags, signal, atMostBytes }: Setting,
): Promise<void> {
  const { type, dims, outer, classes, inner } = shape;
  const entry = classes * inner;
  const plan = planWindows(shape, BYTES[type], engine, atMostBytes);
  const operation = flags.log ? 'log-softmax' : 'softmax';
  const writer = await createNpyWriter(flags.output, { type, dims, signal });
  const progress = await createProgress(flags);
  try {
    progress.note(workOf(operation, shape, plan, engine));
    const advance = progress.working(operation);
    const slots = Array.from({ length: plan.slots }, () =>
      engine.tensor(type, [plan.windowOuter, classes, inner]),
    );
    await passWindows(plan, {
      read: async ({ begin, end, slot }) => {
        await file.readElements(begin * entry, end * entry, entriesOf(slots[slot]!, end - begin).data);
      },
      compute: async ({ begin, end, slot }) => {
        const logits = entriesOf(slots[slot]!, end - begin);
        const options = { axis: 1, into: logits, signal };
        await (flags.log ? engine.logSoftmax(logits, options) : engine.softmax(logits, options));
      },
      write: async ({ begin, end, slot }) => {
        await writer.append(entriesOf(slots[slot]!, end - begin).data);
        advance(end / outer);
      },
    });
    signal.throwIfAborted();
    await writer.commit();
  } finally {
    progress.stop();
    await writer.abort();
  }
}

async function report(
  flags: SoftmaxFlags,
  { rows, classes, dims, axis, type }: RowsShape,
  engine: Engine,
  durationMs: number,
  onStandardError: boolean,
): Promise<void> {
  const output = resolve(flags.output);
  if (!flags.json) {
    const sentence = `Wrote the ${flags.log ? 'log-softmax' : 'softmax'} of ${counted(rows, 'row')} to ${output}`;
    return printBeside(`${sentence} in ${duration(durationMs)}\n`, onStandardError, flags.quiet);
  }
  return printJson({
    rows,
    classes,
    dims,
    axis,
    type,
    log: flags.log ?? false,
    threads: engine.threads,
    numerics: engine.numerics,
    node: process.versions.node,
    durationMs,
    rowsPerSecond: (1000 * rows) / durationMs,
    input: resolve(flags.input),
    output,
  });
}
