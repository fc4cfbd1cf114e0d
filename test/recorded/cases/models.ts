// A model with given weights: predictions, evaluation, and its file.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readModelFile, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import type { Case, Place, Values } from '../case.js';
import { Inputs } from '../inputs.js';
import { ALL_AT_ONCE, MORE_OPTIONS, OPTION_GROUPS, type OptionGroup } from './cross-entropy-options.js';
import { reportValues } from './metrics.js';
import { type Problem, type ProblemShape, problemName, problemOf } from './problems.js';

function modelOf({ engine }: Place, { features, classes }: ProblemShape, { featureScaling }: Problem) {
  const classifier = new SoftmaxClassifier(engine, {
    features,
    classes,
    ...(featureScaling && { featureScaling }),
  });
  const inputs = new Inputs(71);
  classifier.weights.set(inputs.float32(features * classes, 1));
  classifier.bias.set(inputs.float32(classes, 1));
  return classifier;
}

async function evaluated(
  place: Place,
  shape: ProblemShape,
  options: Training.EvaluateOptions = {},
): Promise<Values> {
  const problem = problemOf(place, shape);
  const evaluation = await modelOf(place, shape, problem).evaluate(problem.inputs, problem.targets, {
    ...(problem.options as Training.EvaluateOptions),
    ...options,
  });
  return { ...reportValues(evaluation), weightSum: evaluation.weightSum };
}

function predictCase(shape: ProblemShape): Case {
  return {
    name: `predict, predictProbabilities, evaluate: ${problemName(shape)}`,
    run: async (place) => {
      const problem = problemOf(place, shape);
      const model = modelOf(place, shape, problem);
      return {
        predictions: await model.predict(problem.inputs),
        probabilities: place.take(await model.predictProbabilities(problem.inputs)),
        ...(await evaluated(place, shape)),
      };
    },
  };
}

const predictions: readonly Case[] = [
  ...[1, 2, 7, 8, 9, 17, 65].map((features) => ({ rows: 30, features, classes: 4 })),
  ...[2, 3, 5, 6, 8, 11, 16, 17, 41, 130].map((classes) => ({ rows: 10, features: 5, classes })),
  // Tiles have 64 rows, shards 192.
  ...[1, 63, 64, 65, 191, 192, 193].map((rows) => ({ rows, features: 3, classes: 2 })),
  { rows: 40, features: 1041, classes: 3 },
  { rows: 30, features: 3, classes: 1100 },
  { rows: 66, features: 9, classes: 4, type: 'uint8' as const, scaling: 'features' as const },
  { rows: 66, features: 16, classes: 4, type: 'uint8' as const },
].map(predictCase);

/** In little memory several windows; too much for the calling thread alone. */
const large: readonly Case[] = [
  { rows: 1600, features: 120, classes: 7 },
  { rows: 1600, features: 300, classes: 3, type: 'uint8' as const },
].map(predictCase);

const GROUPS: Readonly<Record<string, OptionGroup>> = Object.fromEntries(
  Object.entries({ ...OPTION_GROUPS, ...MORE_OPTIONS }).filter(
    ([name]) => !['reduction sum', 'reduction none', 'gradScale', 'statistics'].includes(name),
  ),
);

function evaluateCase(what: string, groups: readonly OptionGroup[], shape: ProblemShape): Case {
  return {
    name: `evaluate: ${what}, ${problemName(shape)}`,
    run: (place) => evaluated(place, { ...shape, groups }),
  };
}

const evaluations: readonly Case[] = [
  ...Object.entries(GROUPS).map(([what, group]) =>
    evaluateCase(what, [group], { rows: 39, features: 4, classes: 6 }),
  ),
  evaluateCase(
    'all options',
    ALL_AT_ONCE.flatMap((name) => GROUPS[name] ?? []),
    { rows: 1300, features: 50, classes: 9 },
  ),
];

/** A safetensors file, its header without the version of softshard, which is not the models' own. */
function fileValues(bytes: Buffer): Values {
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, end)) as { __metadata__: Record<string, string> };
  const { softshardVersion: _, ...metadata } = header.__metadata__;
  return {
    'multiple of 8 bytes': end % 8 === 0 ? 1 : 0,
    header: JSON.stringify({ ...header, __metadata__: metadata }),
    tensors: Uint8Array.from(bytes.subarray(end)),
  };
}

function fileCase(what: string, options: Partial<ConstructorParameters<typeof SoftmaxClassifier>[1]>): Case {
  return {
    name: `save and readModelFile: ${what}`,
    run: async ({ engine, folder }) => {
      const [features, classes] = [5, 3];
      const model = new SoftmaxClassifier(engine, { features, classes, ...options });
      const inputs = new Inputs(72);
      model.weights.set(inputs.float32(features * classes, 1));
      model.bias.set(inputs.float32(classes, 1));
      const path = join(folder(), 'model.safetensors');
      await model.save(path, { trainingOptions: { epochs: 3, learningRate: 0.1, schedule: 'cosine' } });
      const { weights, bias, classNames, featureScaling, trainingOptions } = await readModelFile(path);
      return {
        ...fileValues(readFileSync(path)),
        weights,
        bias,
        rest: JSON.stringify({ classNames, featureScaling, trainingOptions }),
      };
    },
  };
}

const files: readonly Case[] = [
  fileCase('weights alone', {}),
  fileCase('class names', { classNames: ['setosa', 'versicolor', 'Ωmega'] }),
  fileCase('scaling by numbers', { featureScaling: { shift: 127.5, scale: 1 / 255 } }),
  fileCase('scaling by feature', {
    classNames: ['a', 'b', 'c'],
    featureScaling: { shift: [1, 2, 3, 4, 5], scale: Float32Array.of(0.5, 0.25, 1, 2, 3) },
  }),
];

export const modelCases: readonly Case[] = [...predictions, ...large, ...evaluations, ...files];
