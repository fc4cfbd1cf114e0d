// The cost model's sections: its constants and how well they fit, what they say of more threads, and how cost grows.
import { type Column, markdownTable, threeDigits } from '../markdown-table.js';
import { type Constants, logLogSlope, timesOf, totalOf } from '../model/fit.js';
import { type Model, ROW_SWEEPS, type TimedStep } from '../model/measure.js';
import { halfEfficientUpTo, type Prediction, predict } from '../model/predict.js';
import { PREDICTED, type StepShape, SWEEPS, stepText, TERMS, type Term, unitsOf } from '../model/shapes.js';
import { percent } from '../results.js';
import { median } from '../statistics.js';

const MEANING: Readonly<Record<Term, string>> = {
  inputs: 'an input of the rows of the thread with most to do, brought from memory (shuffled)',
  products:
    'a multiplication with addition, both products, classes padded to whole panels where the gradient is cut into tiles',
  logits: 'a logit: softmax, loss, gradient',
  partials: 'an element of a partial gradient: cleared, and added along the tree',
  parameters: 'a parameter: its update',
  fixed: 'a step: its claims, its loss',
  barrier: 'a meeting of the threads, by log₂ of their number',
};

interface Constant {
  readonly term: Term;
  readonly us: number;
}

const CONSTANTS: readonly Column<Constant>[] = [
  { heading: 'term', align: 'left', cell: ({ term }) => term },
  { heading: 'unit', align: 'left', cell: ({ term }) => MEANING[term] },
  {
    heading: 'a unit takes',
    align: 'right',
    cell: ({ us }) => (us >= 0.1 || us === 0 ? `${threeDigits(us)} µs` : `${threeDigits(us * 1000)} ns`),
  },
];

export function constantsSection({ constants, steps }: Model): string {
  const errors = steps.map((step) => Math.abs(modelUs(step, step.threads, constants) / step.us - 1));
  const table = markdownTable(
    CONSTANTS,
    TERMS.map((term) => ({ term, us: constants[term] })),
  );
  const fit = `Of ${steps.length} measured steps the model is off by ${percent(median(errors))} in the median, ${percent(Math.max(...errors))} at most.`;
  return `${table}\n\n${fit}`;
}

const modelUs = (shape: StepShape, threads: number, constants: Constants): number =>
  totalOf(timesOf(unitsOf(shape, threads), constants));

interface Predicted {
  readonly shape: StepShape;
  readonly measured: readonly (number | undefined)[];
  readonly model: readonly Prediction[];
  readonly halfEfficient: number;
}

const AHEAD = [8, 16, 64] as const;

export function predictionsSection({ constants, steps }: Model): string {
  const measuredUs = (shape: StepShape, threads: number): number | undefined =>
    steps.find((step) => step.threads === threads && stepText(step) === stepText(shape))?.us;
  const rows = PREDICTED.map(
    (shape): Predicted => ({
      shape,
      measured: [measuredUs(shape, 1), measuredUs(shape, 2)],
      model: AHEAD.map((threads) => predict(shape, threads, constants)),
      halfEfficient: halfEfficientUpTo(shape, constants),
    }),
  );
  const micros = (us: number | undefined): string => (us === undefined ? '' : threeDigits(us));
  const columns: readonly Column<Predicted>[] = [
    { heading: 'step', align: 'left', cell: ({ shape }) => stepText(shape) },
    { heading: 'measured µs, 1 thr.', align: 'right', cell: ({ measured }) => micros(measured[0]) },
    { heading: '2 thr.', align: 'right', cell: ({ measured }) => micros(measured[1]) },
    ...AHEAD.map(
      (threads, index): Column<Predicted> => ({
        heading: `predicted × at ${threads}`,
        align: 'right',
        cell: ({ model }) => model[index]!.speedup.toFixed(1),
      }),
    ),
    {
      heading: 'half efficient up to',
      align: 'right',
      cell: ({ halfEfficient }) => (halfEfficient === 256 ? '256 or more' : String(halfEfficient)),
    },
    { heading: 'limit at 64', align: 'left', cell: ({ model }) => limitText(model.at(-1)!) },
    {
      heading: 'inputs at 64',
      align: 'right',
      cell: ({ shape, model }) => `${threeDigits(inputGb(shape) / (model.at(-1)!.us / 1e6))} GB/s`,
    },
  ];
  return markdownTable(columns, rows);
}

/** Kernels take longer than their share where shards are too few or do not divide evenly. */
const limitText = ({ limit }: Prediction): string =>
  limit === 'inputs' || limit === 'products' || limit === 'logits' ? 'shards' : limit;

const inputGb = ({ batch, features }: StepShape): number => (batch * features * 4) / 1e9;

interface Slope {
  readonly work: string;
  readonly along: string;
  readonly range: string;
  /** By thread count. */
  readonly slopes: readonly number[];
}

export function slopesSection({ steps, rowOperations }: Model): string {
  const threads = [...new Set(rowOperations.map((one) => one.threads))];
  const range = (values: readonly number[]) => `${values[0]} to ${values.at(-1)}`;
  const ofSteps = SWEEPS.map(({ along, shapes }): Slope => {
    const texts = shapes.map(stepText);
    const points = (count: number): TimedStep[] =>
      steps.filter((step) => step.threads === count && texts.includes(stepText(step)));
    const [first] = shapes as [StepShape];
    const rest = { ...first, [along]: along };
    return {
      work: `training step, ${rest.batch} × ${rest.features} × ${rest.classes}`,
      along,
      range: range(shapes.map((shape) => shape[along])),
      slopes: threads.map((count) => logLogSlope(points(count).map((step) => [step[along], step.us]))),
    };
  });
  const ofRows = (['rows', 'classes'] as const).map((along): Slope => {
    const shapes: readonly { rows: number; classes: number }[] = ROW_SWEEPS[along];
    const points = (count: number) =>
      rowOperations.filter(
        (one) =>
          one.threads === count &&
          shapes.some((shape) => shape.rows === one.rows && shape.classes === one.classes),
      );
    const rest = { ...shapes[0]!, [along]: along };
    return {
      work: `cross-entropy + gradient, ${rest.rows} × ${rest.classes}`,
      along,
      range: range(shapes.map((shape) => shape[along])),
      slopes: threads.map((count) => logLogSlope(points(count).map((one) => [one[along], one.us]))),
    };
  });
  const columns: readonly Column<Slope>[] = [
    { heading: 'work', align: 'left', cell: ({ work }) => work },
    { heading: 'from', align: 'left', cell: ({ range: text }) => text },
    ...threads.map(
      (count, index): Column<Slope> => ({
        heading: `slope, ${count} thr.`,
        align: 'right',
        cell: ({ slopes }) => slopes[index]!.toFixed(2),
      }),
    ),
  ];
  return markdownTable(columns, [...ofSteps, ...ofRows]);
}
