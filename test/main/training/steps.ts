// Training steps sent straight to a pool, as solvers send them: the insides of an engine, with modules of a test in its
// threads, and problems placed in its arena.
import { type BlasLibrary, loadSgemm, withoutBlas } from '#softshard/kernels/blas/library.js';
import { compileKernels, instantiateKernels, type Numerics } from '#softshard/kernels/load.js';
import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import { Cancellation } from '#softshard/main/cancellation.js';
import { WorkerPool } from '#softshard/main/dispatch/pool.js';
import type { Resources } from '#softshard/main/dispatch/resources.js';
import { SoftshardError } from '#softshard/main/index.js';
import { Arena, type ArenaScope } from '#softshard/main/memory/arena.js';
import { CallMemory } from '#softshard/main/memory/call-memory.js';
import { UNSCALED } from '#softshard/main/models/inputs.js';
import { usesBlas } from '#softshard/main/plans/tiles.js';
import { planTraining, type TrainingPlan } from '#softshard/main/plans/training.js';
import { placeHead, placeJob, takeVector } from '#softshard/main/training/training-memory.js';
import { SEAT_BYTES, type TrainLoss, type UpdateTerms } from '#softshard/workers/protocol.js';
import { randomValues } from '../../kernels/workbench.js';
import type { Problem } from './workbench.js';

export interface Insides extends AsyncDisposable {
  readonly resources: Resources;
  readonly scope: ArenaScope;
}

export function createInsides(
  threads: number,
  numerics: Numerics,
  {
    extensions = [],
    blas,
    arenaBytes = 2 ** 28,
  }: { extensions?: readonly string[]; blas?: BlasLibrary | undefined; arenaBytes?: number } = {},
): Insides {
  const arena = new Arena(arenaBytes);
  const { memory } = arena;
  const module = compileKernels(numerics);
  const kernels = instantiateKernels(module, memory);
  const seats = arena.allocate((threads + 1) * SEAT_BYTES, 'seats');
  const setup = { memory, module, numerics, blas: blas?.path, extensions };
  const pool = new WorkerPool(
    threads,
    seats,
    setup,
    kernels,
    blas ? loadSgemm(blas.path, memory) : withoutBlas,
  );
  const callMemory = new CallMemory(arena);
  return {
    resources: { arena, seats, callMemory, pool, closing: new Cancellation(), kernels, blas },
    scope: arena.scope(),
    [Symbol.asyncDispose]: () => pool.close(new SoftshardError('ERR_CLOSED', 'closed')),
  };
}

export interface Steps {
  readonly batchSize: number;
  readonly steps: number;
  /** The settings of the loss, which may take memory of the scope. */
  loss(insides: Insides, targets: Ptr, plan: TrainingPlan): TrainLoss;
  readonly update: Omit<UpdateTerms, 'state' | 'allSteps'> | undefined;
}

/** Small parameters to begin with. */
export const startOf = ({ features, classes }: Problem) => ({
  weights: randomValues(features * classes, 0.1, 77),
  bias: randomValues(classes, 0.1, 78),
});

/** Takes the steps from startOf(problem) over the rows in order. Gives what they leave in the arena. */
export async function takeSteps(
  insides: Insides,
  problem: Problem,
  { batchSize, steps, loss, update }: Steps,
) {
  const { resources, scope } = insides;
  const { arena, pool } = resources;
  const { rows, features, classes } = problem;
  const model = { features, classes, featureScaling: undefined, ...startOf(problem) };
  const plan = planTraining({ rows, batchSize, features, classes, blas: usesBlas(resources, model) });
  const residentEpochs = Math.ceil(steps / plan.stepsAnEpoch);
  const job = placeJob(resources, scope, model, plan, true);
  const head = placeHead(resources, scope, job, model, {
    steps: residentEpochs * plan.stepsAnEpoch,
    update: update && { ...update, allSteps: steps },
  });
  const inputs = scope.allocate(rows * features * 4, 'inputs');
  arena.view('float32', inputs, rows * features).set(problem.inputs);
  const targets = scope.allocate(rows * 4, 'targets');
  arena.view('int32', targets, rows).set(problem.targets);
  const indices = scope.allocate(residentEpochs * rows * 4, 'order');
  const order = arena.view('uint32', indices, residentEpochs * rows);
  for (let i = 0; i < order.length; i++) order[i] = i % rows;
  const task = {
    ...job,
    ...UNSCALED,
    inputs,
    targets,
    indices,
    heads: [{ ...head, loss: loss(insides, targets, plan), stepWeights: NULL_PTR }],
    stepBegin: 0,
    stepEnd: steps,
    stepsBefore: 0,
    buffer: arena.memory.buffer,
  };
  const results = await pool.run(task, { members: pool.threads });
  const take = (vector: Ptr) => {
    const into = { weights: new Float32Array(features * classes), bias: new Float32Array(classes) };
    takeVector(resources, job, model, vector, into, 'float32');
    return into;
  };
  return {
    plan,
    job,
    head,
    results,
    losses: arena.view('float64', head.stepLosses, steps).slice(),
    gradient: take(head.gradient),
    parameters: take(head.weights),
  };
}
