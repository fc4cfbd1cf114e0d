// The gradients of losses beyond plain cross-entropy: each option of the general loss that has code of its own, and the
// other losses.

import {
  binaryCrossEntropyWithLogitsGradient,
  crossEntropyGradientOfProbabilities,
  distillationGradient,
  generalLossGradient,
  klDivergenceGradient,
  type LossTargets,
  meanSquaredErrorGradientOfProbabilities,
  nllLossGradient,
  type LossOptions as ReferenceOptions,
} from '#softshard/kernels/reference/index.js';
import type { ArenaTensor, Engine, Losses, Matrix, Vector } from '#softshard/main/index.js';
import type { BenchCase, PreparedCase } from './case.js';
import { checkClose, fillRandom, fillTargets, sampleRows } from './values.js';

const [ROWS, COLUMNS] = [8192, 1000];
const ROWS_CHECKED = 8;

interface Operands {
  readonly logits: Matrix;
  readonly targets: Vector<'int32'>;
  /** A distribution for each row. */
  readonly probabilities: Matrix;
  /** One of eight classes is masked. */
  readonly mask: ArenaTensor<'uint8'>;
  readonly output: Matrix;
}

/** The operands of some rows, one after the other. */
interface SampledRows {
  readonly logits: Float32Array;
  readonly targets: Int32Array;
  readonly probabilities: Float32Array;
  readonly mask: Uint8Array;
}

interface Loss {
  readonly name: string;
  /** Writes the gradient of the sum to output. */
  run(engine: Engine, operands: Operands): Promise<unknown>;
  /** The gradient of the sum over the rows. */
  reference(rows: SampledRows): Float64Array;
}

const SUM = { reduction: 'sum' } as const;
const classWeights = Float32Array.from({ length: COLUMNS }, (_, column) => 0.5 + (column % 4) / 4);

/** Cross-entropy with options. */
const general = (
  name: string,
  options: Losses.CrossEntropyOptions & ReferenceOptions,
  targetsOf: 'classes' | 'probabilities' = 'classes',
  masked = false,
): Loss => ({
  name: `crossEntropyGradient, ${name}`,
  run: (engine, { logits, targets, probabilities, mask, output }) =>
    engine.crossEntropyGradient(logits, targetsOf === 'classes' ? targets : probabilities, {
      ...SUM,
      ...options,
      ...(masked && { mask }),
      into: output,
    }),
  reference({ logits, targets, probabilities, mask }) {
    const wanted: LossTargets = targetsOf === 'classes' ? targets : { softTargets: probabilities };
    const reference: ReferenceOptions = { ...options, ...(masked && { mask }) };
    return generalLossGradient(logits, wanted, targets.length, COLUMNS, { ...SUM, ...reference });
  },
});

const LOSSES: readonly Loss[] = [
  general('label smoothing, z-loss', { labelSmoothing: 0.1, zLoss: 1e-4 }),
  general('temperature, soft cap', { temperature: 2, softcap: 30 }),
  general('focal', { focalGamma: 2 }),
  general('class weights', { weight: classWeights }),
  general('masked', {}, 'classes', true),
  general('soft targets', {}, 'probabilities'),
  {
    name: 'nllLossGradient',
    run: (engine, { logits, targets, output }) =>
      engine.nllLossGradient(logits, targets, { ...SUM, into: output }),
    reference: ({ logits, targets }) => nllLossGradient(logits, targets, targets.length, COLUMNS, SUM),
  },
  {
    name: 'klDivergenceGradient',
    run: (engine, { logits, probabilities, output }) =>
      engine.klDivergenceGradient(logits, { targetProbabilities: probabilities }, { ...SUM, into: output }),
    reference: ({ logits, targets, probabilities }) =>
      klDivergenceGradient(logits, probabilities, targets.length, COLUMNS, { ...SUM, from: 'logits' }),
  },
  {
    name: 'distillationGradient',
    // The probabilities as the teacher's logits: any numbers are logits.
    run: (engine, { logits, probabilities, targets, output }) =>
      engine.distillationGradient(logits, probabilities, targets, {
        ...SUM,
        temperature: 2,
        into: output,
      }),
    reference({ logits, probabilities, targets }) {
      const options = { temperature: 2, alpha: 0.5 };
      const rows = targets.length;
      const ofMean = distillationGradient(logits, probabilities, targets, rows, COLUMNS, options);
      return ofMean.map((element) => element * rows);
    },
  },
  {
    name: 'meanSquaredErrorGradient',
    run: (engine, { logits, probabilities, output }) =>
      engine.meanSquaredErrorGradient(logits, probabilities, { ...SUM, into: output }),
    reference({ logits, probabilities }) {
      const ofMean = meanSquaredErrorGradientOfProbabilities(logits, probabilities);
      return ofMean.map((element) => element * logits.length);
    },
  },
  {
    name: 'binaryCrossEntropyWithLogitsGradient',
    run: (engine, { logits, probabilities, output }) =>
      engine.binaryCrossEntropyWithLogitsGradient(logits, probabilities, { ...SUM, into: output }),
    reference: ({ logits, probabilities, targets }) =>
      binaryCrossEntropyWithLogitsGradient(logits, probabilities, targets.length, COLUMNS, SUM),
  },
  {
    name: 'crossEntropyOfProbabilitiesGradient',
    run: (engine, { probabilities, targets, output }) =>
      engine.crossEntropyOfProbabilitiesGradient(probabilities, targets, { ...SUM, into: output }),
    reference({ probabilities, targets }) {
      const oneHot = Float32Array.from(probabilities, (_, index) =>
        index % COLUMNS === targets[Math.floor(index / COLUMNS)] ? 1 : 0,
      );
      return crossEntropyGradientOfProbabilities(probabilities, oneHot);
    },
  },
];

export const lossCases: readonly BenchCase[] = LOSSES.map((loss) => ({
  name: loss.name,
  shape: `${ROWS} × ${COLUMNS}`,
  quick: false,
  bytes: 13 * ROWS * COLUMNS,
  work: (ROWS * COLUMNS) / 1e9,
  rateUnit: 'Ge/s',
  prepare: (engine) => prepare(engine, loss),
}));

function prepare(engine: Engine, loss: Loss): PreparedCase {
  const operands: Operands = {
    logits: engine.matrix(ROWS, COLUMNS),
    targets: engine.vector('int32', ROWS),
    probabilities: engine.matrix(ROWS, COLUMNS),
    mask: engine.tensor('uint8', [ROWS, COLUMNS]),
    output: engine.matrix(ROWS, COLUMNS),
  };
  const { logits, targets, probabilities, mask } = operands;
  fillRandom(logits.data);
  fillTargets(targets.data, COLUMNS);
  probabilities.data.set(logits.data.subarray(1));
  // Never the target itself.
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      mask.data[row * COLUMNS + column] = (column - targets.data[row]!) % 8 === 1 ? 0 : 1;
    }
  }
  return {
    async check() {
      await engine.softmax(probabilities, { into: probabilities });
      await loss.run(engine, operands);
      checkGradientRows(loss, operands);
    },
    async run() {
      await loss.run(engine, operands);
      return undefined;
    },
    free() {
      for (const array of Object.values(operands)) array.free();
    },
  };
}

function checkGradientRows(loss: Loss, { logits, targets, probabilities, mask, output }: Operands): void {
  for (const row of sampleRows(ROWS, ROWS_CHECKED)) {
    const [begin, end] = [row * COLUMNS, (row + 1) * COLUMNS];
    const expected = loss.reference({
      logits: logits.data.subarray(begin, end),
      targets: targets.data.subarray(row, row + 1),
      probabilities: probabilities.data.subarray(begin, end),
      mask: mask.data.subarray(begin, end),
    });
    // Differences of probabilities cancel: hence the absolute part.
    const tolerance = { relative: 1e-4, absolute: 1e-6 };
    checkClose(`row ${row}`, output.data.subarray(begin, end), expected, tolerance);
  }
}
