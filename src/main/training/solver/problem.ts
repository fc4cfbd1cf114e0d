// The rows of a full-batch training in the arena: inputs, targets, and what each head weighs rows by.
import { LOSS_CALL_BYTES } from '../../../kernels/loss-layout.js';
import { NULL_PTR, type Ptr } from '../../../kernels/ptr.js';
import type { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import { copyRows } from '../../dispatch/row-source.js';
import { placeNumbers } from '../../losses/loss-call.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { ColumnStatistics } from '../../models/column-statistics.js';
import { writeLossBlock } from '../../models/evaluation-loss.js';
import type { Inputs } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { RowTargets } from '../../models/row-targets.js';
import { usesBlas } from '../../plans/tiles.js';
import { planFullBatch } from '../../plans/training.js';
import { type FitLoss, isConvex } from '../fit-loss.js';
import { placeJob } from '../training-memory.js';
import { placeBatchRows } from './batch-rows.js';
import { scaledMeans, scaledVariances } from './column-statistics.js';
import { Head } from './head.js';
import type { ObjectiveTerms } from './objective.js';
import { type HeadRows, Passes } from './passes.js';
import { rowShare } from './row-share.js';

export interface ProblemTerms {
  readonly resources: Resources;
  readonly scope: ArenaScope;
  /** Its shape and its feature scaling count. */
  readonly model: LinearModel;
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly loss: FitLoss;
  /** Numbers of the rows that count, ascending: none of them ignored, or without weight. */
  readonly rows: Uint32Array;
  /** How many heads have memory at a time. */
  readonly heads: number;
  /** There is no other than one. */
  readonly hasOneHead?: boolean;
  /** Pieces of memory that must stay free, in bytes. */
  readonly reserve: readonly number[];
  readonly signal: Cancellation | undefined;
}

export class Problem {
  readonly passes: Passes;
  /** [rows]: what each row's loss is multiplied by, but for class weights of shares (soft targets, smoothing). */
  readonly rowWeights: Float64Array;
  readonly #terms: ProblemTerms;
  /** [rows]: how much the target shares of the row sum to, class weights included. */
  readonly #shares: Float64Array;
  readonly #needsOptions: boolean;
  readonly #softTargets: Ptr;
  readonly #mask: Ptr;
  readonly #targets: Ptr;

  /** Takes memory of the scope: all but that of heads. */
  constructor(terms: ProblemTerms) {
    const { resources, scope, model, inputs, targets, loss, rows, heads, reserve, signal } = terms;
    const { hasOneHead = false } = terms;
    const { arena } = resources;
    const { features, classes } = model;
    const { softTargets, mask, sampleWeight } = targets;
    this.#terms = terms;
    const plan = planFullBatch({ rows: rows.length, features, classes, blas: usesBlas(resources, model) });
    this.#needsOptions =
      softTargets !== undefined ||
      mask !== undefined ||
      loss.labelSmoothing > 0 ||
      loss.temperature !== 1 ||
      !isConvex(loss);
    const job = placeJob(resources, scope, model, plan, this.#needsOptions);
    const share = rowShare(plan, rows.length, resources.transport);
    const own = rows.subarray(share.rows.begin, share.rows.end);
    this.#targets = scope.allocate(own.length * 4, 'targets');
    copyRows('targets', arena.view('int32', this.#targets, own.length), targets.classes, 1, own);
    this.#softTargets = NULL_PTR;
    this.#mask = NULL_PTR;
    if (softTargets !== undefined) {
      this.#softTargets = scope.allocate(own.length * classes * 4, 'soft targets');
      const view = arena.view('float32', this.#softTargets, own.length * classes);
      copyRows('targets', view, softTargets.elements, classes, own);
    }
    if (mask !== undefined) {
      this.#mask = scope.allocate(own.length * classes, 'the mask');
      copyRows('mask', arena.view('uint8', this.#mask, own.length * classes), mask.elements, classes, own);
    }
    this.#shares = sharesOf(terms, loss);
    this.rowWeights = Float64Array.from(rows, (row) => sampleWeight?.[row] ?? 1);
    const headBytes = Head.bytesOf({ plan, job, share });
    const ofHeads = Array<readonly number[]>(heads)
      .fill([...headBytes, ...Problem.rowBytes(own.length, classes)])
      .flat();
    const { steps } = share;
    const batch = placeBatchRows({ resources, scope, model, inputs, rows: own, plan, steps, job }, [
      ...ofHeads,
      ...reserve,
    ]);
    this.passes = new Passes({
      resources,
      model,
      plan,
      job,
      share,
      rows: batch,
      targets: this.#targets,
      temperature: loss.temperature,
      isConvex: isConvex(loss),
      hasOneHead,
      signal,
    });
  }

  /** Of a head as in placeRows: see ObjectiveTerms. */
  sums(
    parts?: ArrayLike<number>,
    loss: FitLoss = this.#terms.loss,
  ): Pick<ObjectiveTerms, 'weightSum' | 'mostWeight' | 'targetSums' | 'isEven'> {
    const targetSums = new Float64Array(this.#terms.model.classes);
    const shares = this.#sharesOf(loss);
    let isEven = true;
    let mostWeight = 0;
    for (const [row, weight] of this.rowWeights.entries()) {
      const part = weight * (parts?.[row] ?? 1);
      addTarget(this.#terms, loss, this.#terms.rows[row]!, part, targetSums);
      mostWeight = Math.max(mostWeight, part * shares[row]!);
      if (part * shares[row]! !== this.rowWeights[0]! * (parts?.[0] ?? 1) * shares[0]!) isEven = false;
    }
    return { weightSum: sumOf(targetSums), mostWeight, targetSums, isEven };
  }

  /** Of a head as in placeRows, with the rows as the model's feature scaling makes them. */
  objectiveTerms(
    statistics: ColumnStatistics,
    parts?: ArrayLike<number>,
    loss: FitLoss = this.#terms.loss,
  ): ObjectiveTerms {
    const { model, targets } = this.#terms;
    const { features, classes, featureScaling } = model;
    return {
      features,
      classes,
      means: scaledMeans(statistics, featureScaling),
      scales: undefined,
      variances: scaledVariances(statistics, featureScaling),
      isConvex: isConvex(loss) && targets.mask === undefined,
      ...this.sums(parts, loss),
      temperature: loss.temperature,
    };
  }

  /**
   * Row weights of a head in memory of the scope: those of the rows, each times its entry of `parts` [rows]. Its loss may differ
   * from that of the problem in class weights.
   */
  placeRows(scope: ArenaScope, parts?: ArrayLike<number>, loss: FitLoss = this.#terms.loss): HeadRows {
    const { resources, targets } = this.#terms;
    const { arena } = resources;
    const shares = this.#sharesOf(loss);
    const weighs = parts !== undefined || targets.sampleWeight !== undefined || loss.weight !== undefined;
    const curvatures = this.rowWeights.map((weight, row) => weight * (parts?.[row] ?? 1) * shares[row]!);
    const scaled = curvatures.map((curvature) => curvature / loss.temperature ** 2);
    const curvaturesPtr = placeNumbers(arena, scope, 'curvatures', this.#own(scaled));
    if (!this.#needsOptions) {
      const rowWeights = weighs
        ? placeNumbers(arena, scope, 'the weights of the rows', this.#own(curvatures))
        : NULL_PTR;
      return { rowWeights, curvatures: curvaturesPtr, loss: undefined };
    }
    const call = scope.allocate(LOSS_CALL_BYTES, 'a loss call');
    const sampleWeight = this.rowWeights.map((weight, row) => weight * (parts?.[row] ?? 1));
    writeLossBlock(
      arena,
      call,
      { ...loss, reduction: 'sum' },
      {
        weight: placeNumbers(arena, scope, 'weight', loss.weight),
        targets: this.#softTargets === NULL_PTR ? this.#targets : NULL_PTR,
        sampleWeight: placeNumbers(arena, scope, 'the weights of the rows', this.#own(sampleWeight)),
        losses: NULL_PTR,
      },
    );
    const scratchOffset = this.passes.setup.plan.tile.scratchBytes;
    const options = { call, softTargets: this.#softTargets, mask: this.#mask, scratchOffset };
    return { rowWeights: NULL_PTR, curvatures: curvaturesPtr, loss: options };
  }

  /** The most pieces of memory that a head and its placeRows take, in bytes. */
  get headBytes(): readonly number[] {
    const { setup } = this.passes;
    const { begin, end } = setup.share.rows;
    return [...Head.bytesOf(setup), ...Problem.rowBytes(end - begin, setup.model.classes)];
  }

  /** Those of placeRows. */
  static rowBytes(rows: number, classes: number): readonly number[] {
    return [rows * 4, rows * 4, LOSS_CALL_BYTES, classes * 4];
  }

  /** Of one entry a row, those of this process. */
  #own(values: Float64Array): Float64Array {
    const { begin, end } = this.passes.setup.share.rows;
    return values.subarray(begin, end);
  }

  #sharesOf(loss: FitLoss): Float64Array {
    return loss.weight === this.#terms.loss.weight ? this.#shares : sharesOf(this.#terms, loss);
  }
}

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

/** Of each row Σ_c weight_c · q_c, with the shares q of its target after smoothing. */
function sharesOf(terms: ProblemTerms, loss: FitLoss): Float64Array {
  const target = new Float64Array(terms.model.classes);
  return Float64Array.from(terms.rows, (row) => {
    target.fill(0);
    addTarget(terms, loss, row, 1, target);
    return sumOf(target);
  });
}

/** sums [classes] += part · weight_c · q_c of the row. */
function addTarget(
  { targets }: ProblemTerms,
  loss: FitLoss,
  row: number,
  part: number,
  sums: Float64Array,
): void {
  const { weight, labelSmoothing } = loss;
  const { softTargets, mask } = targets;
  const target = targets.classes[row]!;
  if (softTargets === undefined && labelSmoothing === 0) {
    sums[target]! += part * (weight?.[target] ?? 1);
    return;
  }
  const classes = sums.length;
  const isKept = (column: number) => mask === undefined || mask.elements[row * classes + column] !== 0;
  let kept = 0;
  for (let column = 0; column < classes; column++) if (isKept(column)) kept++;
  for (let column = 0; column < classes; column++) {
    if (!isKept(column)) continue;
    const hard = column === target ? 1 : 0;
    const share = softTargets === undefined ? hard : Number(softTargets.elements[row * classes + column]);
    const smoothed = (1 - labelSmoothing) * share + labelSmoothing / kept;
    sums[column]! += part * (weight?.[column] ?? 1) * smoothed;
  }
}
