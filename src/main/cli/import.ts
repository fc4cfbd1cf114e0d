// softshard import: a model of another program as a model file.

import { basename, resolve } from 'node:path';
import { hashFiles, importSklearn, SoftmaxClassifier } from '../index.js';
import type { EngineFlags, ReportFlags } from './command-options.js';
import { checkInputs, chooseOutput, isStandardOutput, type OutFlags } from './files.js';
import { counted, printBeside, printJson } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import { withSession } from './session.js';
import { shownPath } from './shown-paths.js';

export interface ImportFlags extends EngineFlags, ReportFlags, OutFlags {
  sklearn: string;
}

export const importModel = (flags: ImportFlags): Promise<void> =>
  withPipedInputs(flags, ['sklearn'], importFromFile);

async function importFromFile(flags: ImportFlags): Promise<void> {
  const { sklearn, json, quiet } = flags;
  await checkInputs([sklearn], flags);
  const output = await chooseOutput(flags, 'model.safetensors', [sklearn]);
  // Parameters are only copied.
  await withSession({ ...flags, threads: 1 }, async ({ engine, signal }) => {
    const classifier = SoftmaxClassifier.fromModel(engine, await importSklearn(sklearn, { signal }));
    const source = { file: basename(shownPath(sklearn)), ...(await hashFiles(sklearn, { signal })) };
    await classifier.save(output.path, { trainingOptions: { importedFrom: source }, signal });
    const { features, classes, classNames } = classifier;
    const model = resolve(output.path);
    if (json) return printJson({ features, classes, classNames: classNames ?? null, model });
    const text = `${counted(features, 'feature')}, ${counted(classes, 'class', 'classes')}. The model is in ${model}\n`;
    await printBeside(text, isStandardOutput(output.target), quiet);
  });
}
