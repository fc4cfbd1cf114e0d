// Softmax cross-entropy over a linear layer, the head of a language model, without ever holding the batch's logits.

import { SoftshardError } from '../../errors.js';
import { NULL_PTR, type Ptr } from '../../kernels/ptr.js';
import type { Targets } from '../arguments/targets.js';
import { checkBoolean, checkFunction, checkInteger, checkOptionNames } from '../checks.js';
import { runResident } from '../dispatch/residency.js';
import type { Resources } from '../dispatch/resources.js';
import type { Tensor } from '../memory/tensor.js';
import {
  type LinearLossPlan,
  type LinearLossShape,
  leastLinearLossBytes,
  planLinearLoss,
} from '../plans/linear-loss.js';
import { planStridedRows } from '../plans/rows.js';
import { usesBlas } from '../plans/tiles.js';
import type { DenseTargets } from './dense-targets.js';
import { type LinearLossCall, placeCall, readStatistics } from './linear-memory.js';
import {
  checkApart,
  checkLayer,
  type GradientName,
  type LinearInputs,
  type LinearInto,
  type LinearLayer,
  type LinearType,
  type Output,
  openOutput,
} from './linear-operands.js';
import {
  checkLossOptions,
  emptyError,
  GRADIENT_OPTION_NAMES,
  type GradientOptions,
  hasNoOptions,
  LOSS_OPTION_NAMES,
  type LossOptions,
  reduceLoss,
} from './loss-options.js';
import {
  areClassesOnly,
  checkLossTargets,
  type LossTargets,
  TARGET_OPTION_NAMES,
  type TargetOptions,
} from './loss-targets.js';
import type { Statistics } from './statistics.js';
import { sumWeights } from './weight-sum.js';

export interface LinearCrossEntropyOptions extends LossOptions, TargetOptions, GradientOptions {
  /** Which gradients to compute; default true: all. False is the loss alone; { weights: false }: frozen weights. */
  gradients?:
    | boolean
    | { inputs?: boolean | undefined; weights?: boolean | undefined; bias?: boolean | undefined }
    | undefined;
  /** Where to write gradients; each must be apart from all other arrays. */
  into?: LinearInto | undefined;
  /** Adds the gradients to the contents of `into`, which then has to name all of them. Default false. */
  accumulate?: boolean | undefined;
  /**
   * How much memory the call may take beyond inputs, weights, targets and results; default 64 MiB. It changes the speed
   * and no bit of the result (with a BLAS the last ones). The least is that of the logits of 48 rows (and of the rows as
   * float32, where inputs are of a half type); less is ERR_OPTION, which says how much.
   */
  workspaceBytes?: number | undefined;
  /** Called now and then with the fraction of the rows that is done, in (0, 1]; what it throws ends the call. */
  onProgress?: ((fraction: number) => void) | undefined;
}

export interface LinearCrossEntropyResult {
  /** lossSum / weightSum, or with reduction 'sum' lossSum. */
  readonly loss: number;
  /** Σ of the rows' losses, z-losses included. */
  readonly lossSum: number;
  /** Σ over the kept rows of sampleWeight · weight[target] (of sampleWeight with soft targets). */
  readonly weightSum: number;
  /** With the option zLoss: how much of `loss` it is. */
  readonly zLoss?: number;
  /** [rows], with reduction 'none' only. */
  readonly losses?: Float32Array;
  readonly statistics?: Statistics;
  /** The derivative of `loss` (with reduction 'none': of Σ gradOutput · losses) by each element of the inputs. */
  readonly gradInputs?: Tensor<'float32'>;
  readonly gradWeights?: Tensor<'float32'>;
  /** Only with a bias. */
  readonly gradBias?: Tensor<'float32'>;
}

const NAMES: readonly (keyof LinearCrossEntropyOptions)[] = [
  ...LOSS_OPTION_NAMES,
  ...TARGET_OPTION_NAMES,
  ...GRADIENT_OPTION_NAMES,
  'gradients',
  'into',
  'accumulate',
  'workspaceBytes',
  'onProgress',
];
const DEFAULT_WORKSPACE_BYTES = 64 * 1024 * 1024;

export async function linearCrossEntropy(
  resources: Resources,
  inputs: LinearInputs,
  weights: Tensor<LinearType>,
  bias: Float32Array | Tensor<LinearType> | undefined,
  targets: Targets | DenseTargets,
  options: LinearCrossEntropyOptions,
): Promise<LinearCrossEntropyResult> {
  checkOptionNames('options', options, NAMES);
  const onProgress = checkFunction('options.onProgress', options.onProgress);
  const call = checkCall(resources, checkLayer(resources.arena, inputs, weights, bias), targets, options);
  try {
    return await compute(resources, call, onProgress);
  } catch (cause) {
    for (const output of call.outputs) output.discard();
    throw cause;
  }
}

function checkCall(
  resources: Resources,
  layer: LinearLayer,
  givenTargets: Targets | DenseTargets,
  options: LinearCrossEntropyOptions,
): LinearLossCall {
  const { rows, dims } = layer.inputs;
  const { rows: features, columns: classes } = layer.weights;
  const checked = checkLossOptions(options, rows, classes);
  checked.signal?.throwIfAborted();
  const logits = {
    dims: [...dims.slice(0, -1), classes],
    axis: dims.length - 1,
    type: 'float32',
    outer: rows,
    columns: classes,
    inner: 1,
    rows,
  } as const;
  const targets = checkLossTargets(resources, givenTargets, options, logits, checked);
  const weightSum = sumWeights(logits, planStridedRows(rows, classes, 1), targets.classes, checked);
  if (weightSum === 0 && checked.onEmpty === 'throw') throw emptyError(rows);
  const accumulate = checkBoolean('options.accumulate', options.accumulate ?? false);
  const usesPlainKernels = hasNoOptions(checked) && areClassesOnly(targets);
  const asked = askedGradients(options.gradients ?? true);
  const plan = checkPlan(
    {
      rows,
      features,
      classes,
      blas: usesBlas(resources, { classes }),
      general: !usesPlainKernels,
      hides: asked.weights && (targets.classes?.ignored ?? 0) > 0,
      halfInputs: layer.inputs.type !== 'float32',
      halfWeights: layer.weights.type !== 'float32',
      halfBias: layer.bias !== undefined && layer.bias.type !== 'float32',
    },
    options.workspaceBytes,
    resources.pool.threads,
  );
  const outputs = openOutputs(resources, layer, targets, asked, options.into, accumulate);
  return {
    layer,
    targets,
    options: checked,
    hasNoOptions: usesPlainKernels,
    weightSum,
    outputs,
    accumulate,
    plan,
    asksStatistics: options.statistics !== undefined,
  };
}

function checkPlan(shape: LinearLossShape, workspaceBytes: unknown, threads: number): LinearLossPlan {
  const argument = 'options.workspaceBytes';
  const given = workspaceBytes ?? DEFAULT_WORKSPACE_BYTES;
  const bytes = checkInteger(argument, given, 1, Number.MAX_SAFE_INTEGER);
  const plan = planLinearLoss(shape, bytes, threads);
  if (plan !== undefined) return plan;
  const message = `${argument} is ${bytes}: ${shape.features} features and ${shape.classes} classes need at least ${leastLinearLossBytes(shape)}`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value: bytes });
}

function openOutputs(
  { arena }: Resources,
  layer: LinearLayer,
  targets: LossTargets,
  asked: AskedGradients,
  into: LinearInto = {},
  accumulate: boolean,
): readonly Output[] {
  checkOptionNames('options.into', into, ['gradInputs', 'gradWeights', 'gradBias']);
  const likes: readonly (readonly [GradientName, boolean, LinearLayer['bias']])[] = [
    ['gradInputs', asked.inputs, layer.inputs],
    ['gradWeights', asked.weights, layer.weights],
    ['gradBias', asked.bias, layer.bias],
  ];
  const outputs: Output[] = [];
  try {
    for (const [name, isAsked, like] of likes) {
      const target = into[name];
      if (!isAsked || like === undefined) {
        if (target === undefined) continue;
        const why = isAsked ? 'there is no bias' : 'options.gradients leaves it out';
        throw intoError(name, `is given, but ${why}: leave one of them out`);
      }
      if (accumulate && target === undefined) {
        throw intoError(name, 'is missing: options.accumulate adds to it');
      }
      outputs.push(openOutput(arena, name, target, like));
    }
    const { inputs, weights, bias } = layer;
    checkApart(outputs, [
      ['inputs', inputs],
      ['weights', weights],
      ['bias', bias],
      ...targets.arrays.map(([name, elements]) => [name, { elements }] as const),
    ]);
    return outputs;
  } catch (cause) {
    for (const output of outputs) output.discard();
    throw cause;
  }
}

interface AskedGradients {
  readonly inputs: boolean;
  readonly weights: boolean;
  readonly bias: boolean;
}

function askedGradients(gradients: LinearCrossEntropyOptions['gradients']): AskedGradients {
  const argument = 'options.gradients';
  if (typeof gradients === 'boolean') return { inputs: gradients, weights: gradients, bias: gradients };
  checkOptionNames(argument, gradients, ['inputs', 'weights', 'bias']);
  const { inputs = true, weights = true, bias = true } = gradients ?? {};
  return {
    inputs: checkBoolean(`${argument}.inputs`, inputs),
    weights: checkBoolean(`${argument}.weights`, weights),
    bias: checkBoolean(`${argument}.bias`, bias),
  };
}

const intoError = (name: GradientName, what: string): SoftshardError =>
  new SoftshardError('ERR_OPTION', `options.into.${name} ${what}`, { argument: `options.into.${name}` });

/** The caller's arrays in the arena. */
const heldBy = ({ layer, targets, outputs }: LinearLossCall): (Ptr | undefined)[] => [
  layer.inputs.ptr,
  layer.weights.ptr,
  layer.bias?.ptr,
  targets.softTargets?.ptr,
  targets.mask?.ptr,
  ...outputs.map(({ batch }) => batch.ptr),
];

async function compute(
  resources: Resources,
  call: LinearLossCall,
  onProgress: LinearCrossEntropyOptions['onProgress'],
): Promise<LinearCrossEntropyResult> {
  const { arena, callMemory, pool } = resources;
  const { options, targets, outputs, weightSum } = call;
  const { chunks, chunkRows, members } = call.plan;
  return callMemory.use(heldBy(call), options.signal, async (scope) => {
    const job = placeCall(resources, scope, call);
    let reported = 0;
    await runResident(pool, chunks, (chunkBegin) => ({ ...job, chunkBegin, buffer: arena.memory.buffer }), {
      members,
      signal: options.signal,
      onSteps: (chunksDone) => {
        if (chunksDone <= reported) return;
        reported = chunksDone;
        onProgress?.(Math.min(1, (chunksDone * chunkRows) / job.rows));
      },
    });
    for (const { name, batch } of outputs) {
      if (batch.ptr !== undefined) continue;
      batch.elements.set(arena.view('float32', job[name], batch.elements.length));
    }
    const [lossSum = 0, zLossSum = 0] = arena.view('float64', job.totals, 2);
    const losses = job.losses === NULL_PTR ? undefined : arena.view('float32', job.losses, job.rows).slice();
    readStatistics(arena, job, targets.statistics);
    return {
      loss: reduceLoss(options, lossSum, weightSum),
      lossSum,
      weightSum,
      ...(options.zLoss > 0 && { zLoss: reduceLoss(options, zLossSum, weightSum) }),
      ...(losses !== undefined && { losses }),
      ...(call.asksStatistics && { statistics: targets.statistics.result() }),
      ...Object.fromEntries(outputs.map(({ name, tensor }) => [name, tensor])),
    };
  });
}
