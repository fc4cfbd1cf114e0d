// softshard softmax: the softmax or log-softmax of an array in a .npy file, as another one or as a table.

import { resolve } from 'node:path';
import { type Files, softmaxOfFile } from '../index.js';
import type { EngineFlags, ReportFlags } from './command-options.js';
import { partBytes, workOf } from './file-parts.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { counted, duration, printBeside, printJson } from './output.js';
import { type OutputFormat, outputFormat } from './output-format.js';
import { withPipedInputs } from './piped-inputs.js';
import { runFacts, type Session, withSession } from './session.js';
import { shownPath } from './shown-paths.js';

export interface SoftmaxFlags extends EngineFlags, ReportFlags {
  input: string;
  output: string;
  format?: OutputFormat;
  log?: true;
  axis: number;
}

export const softmax = (flags: SoftmaxFlags): Promise<void> =>
  withPipedInputs(flags, ['input'], softmaxOfInput);

async function softmaxOfInput(flags: SoftmaxFlags): Promise<void> {
  const { input, output } = flags;
  const sizes = partBytes();
  await checkInputs([input], flags);
  const targets = await checkOutputs({ '--output': output, '--trace': flags.trace }, [input], flags.json);
  const format = outputFormat(flags, targets[0], 'npy');
  await withSession(flags, async (session) => {
    const begin = performance.now();
    const { parts: _, ...about } = await softmaxWith(session, flags, { ...sizes, format });
    const durationMs = performance.now() - begin;
    const to = resolve(output);
    if (!flags.json) {
      const sentence = `Wrote the ${operationOf(flags)} of ${counted(about.rows, 'row')} to ${to}`;
      const onStandardError = targets.some(isStandardOutput);
      return printBeside(`${sentence} in ${duration(durationMs)}\n`, onStandardError, flags.quiet);
    }
    const facts = runFacts(session.engine, about.rows, durationMs);
    return printJson({ ...about, log: flags.log ?? false, ...facts, input: shownPath(input), output: to });
  });
}

const operationOf = ({ log }: SoftmaxFlags): string => (log ? 'log-softmax' : 'softmax');

async function softmaxWith(
  { engine, progress, signal }: Session,
  flags: SoftmaxFlags,
  own: Pick<Files.SoftmaxOfFileOptions, 'partBytes' | 'format'>,
): Promise<Files.AboutSoftmax> {
  const { input, output, log, axis } = flags;
  const operation = operationOf(flags);
  let advance: ((fraction: number) => void) | undefined;
  try {
    return await softmaxOfFile(engine, {
      input,
      output,
      log: log ?? false,
      axis,
      ...own,
      onStart: (about) => {
        progress.note(workOf(operation, about, engine));
        advance = progress.working(operation);
      },
      onProgress: (fraction) => advance?.(fraction),
      signal,
    });
  } finally {
    progress.stop();
  }
}
