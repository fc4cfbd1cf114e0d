// softshard softmax: the softmax or log-softmax of an array in a .npy file, as another one.

import { resolve } from 'node:path';
import { createNpyWriter, type Files } from '../index.js';
import type { EngineFlags, ReportFlags } from './command-options.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { shapeOf, withNpyFiles } from './npy-inputs.js';
import { counted, duration, printBeside, printJson } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import {
  BYTES,
  entriesOf,
  passWindows,
  planWindows,
  type RowsShape,
  windowBytes,
  workOf,
} from './row-windows.js';
import { runFacts, type Session, withSession } from './session.js';
import { shownPath } from './shown-paths.js';

export interface SoftmaxFlags extends EngineFlags, ReportFlags {
  input: string;
  output: string;
  log?: true;
  axis: number;
}

export const softmax = (flags: SoftmaxFlags): Promise<void> =>
  withPipedInputs(flags, ['input'], softmaxOfFile);

async function softmaxOfFile(flags: SoftmaxFlags): Promise<void> {
  const { input, output } = flags;
  const atMostBytes = windowBytes();
  await checkInputs([input]);
  const targets = await checkOutputs({ '--output': output }, [input], flags.json);
  await withSession(flags, (session) =>
    withNpyFiles(session.signal, async (open) => {
      const file = await open(input);
      const shape = shapeOf(file, flags.axis, 'logits');
      const begin = performance.now();
      await softmaxOf(file, shape, session, flags, atMostBytes);
      const durationMs = performance.now() - begin;
      const { rows, classes, dims, axis, type } = shape;
      const to = resolve(output);
      if (!flags.json) {
        const sentence = `Wrote the ${flags.log ? 'log-softmax' : 'softmax'} of ${counted(rows, 'row')} to ${to}`;
        const onStandardError = targets.some(isStandardOutput);
        return printBeside(`${sentence} in ${duration(durationMs)}\n`, onStandardError, flags.quiet);
      }
      const shown = { rows, classes, dims, axis, type, log: flags.log ?? false };
      const facts = runFacts(session.engine, rows, durationMs);
      return printJson({ ...shown, ...facts, input: shownPath(resolve(input)), output: to });
    }),
  );
}

async function softmaxOf(
  file: Files.NpyFile,
  shape: RowsShape,
  { engine, progress, signal }: Session,
  { output, log }: SoftmaxFlags,
  atMostBytes: number,
): Promise<void> {
  const { type, dims, outer, classes, inner } = shape;
  const entry = classes * inner;
  const plan = planWindows(shape, BYTES[type], engine, atMostBytes);
  const operation = log ? 'log-softmax' : 'softmax';
  const writer = await createNpyWriter(output, { type, dims, signal });
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
        await (log ? engine.logSoftmax(logits, options) : engine.softmax(logits, options));
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
