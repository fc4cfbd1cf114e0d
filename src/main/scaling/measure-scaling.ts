// How softshard's operations scale with threads on this machine: roofs, workloads, options to choose.
import { resourcesOf } from '../dispatch/resources.js';
import { Engine } from '../engine.js';
import { environmentBefore } from './environment.js';
import { type CheckedScalingOptions, checkScalingOptions, type ScalingOptions } from './options.js';
import { shapeText } from './plan.js';
import type { ScalingResult, WorkloadScaling } from './result.js';
import { measureRoofs, type Roof } from './roofs.js';
import { createVariants, recommend, tryVariants } from './try-options.js';
import { scalingWarnings } from './warnings.js';
import { type Budget, measureWorkload } from './workload-scaling.js';

/** Of the time. */
const ROOFS_SHARE = 0.1;
const TRIED_SHARE = 0.2;
const ROOF_ROUNDS = 3;
const ROOF_PATTERNS = 5;
const LEAST_ROOF_MS = 10;
const MOST_ROOF_MS = 80;
const QUICK_ROOF_BYTES = 16 * 2 ** 20;

/**
 * Measures operations and training on 1, 2, 4, … threads in engines of its own: first the roofs of this machine, then each
 * workload, checked against the float64 reference and compared bit by bit before it is timed. Throws ERR_OPTION,
 * ERR_WRONG_RESULT, and what Engine.create throws; rejects with signal.reason. docs/scaling.md.
 */
export async function measureScaling(options: ScalingOptions = {}): Promise<ScalingResult> {
  const checked = checkScalingOptions(options);
  checked.signal?.throwIfAborted();
  const begin = performance.now();
  const before = environmentBefore();
  const engines: Engine[] = [];
  try {
    const roofs = await roofsOf(checked);
    for (const threads of checked.threads) {
      engines.push(await Engine.create({ ...checked.engine, threads }));
    }
    const clock = new BudgetClock(checked, options.signal, begin);
    const measured = await measureWorkloads(checked, engines, roofs, clock);
    const workloads = checked.tryOptions ? await tryOptions(checked, engines, measured, clock) : measured;
    const { numerics, wideSimd, blas } = engines[0]!;
    const environment = { ...before, numerics, wideSimd, blas: blas?.path };
    return {
      kind: 'softshard scaling',
      environment,
      quick: checked.quick,
      durationMs: performance.now() - begin,
      threads: checked.threads,
      roofs,
      workloads,
      recommendation: recommend(workloads, environment.cores),
      warnings: scalingWarnings(workloads, environment, checked),
    };
  } finally {
    await Promise.all(engines.map((engine) => engine.close()));
  }
}

/** By an engine of its own, whose memory the later ones use again. */
async function roofsOf(checked: CheckedScalingOptions): Promise<Roof[]> {
  const { threads, engine: options, budgetMs, quick, onProgress, signal } = checked;
  onProgress({ fraction: 0, what: 'roofs of this machine' });
  const each = (budgetMs * ROOFS_SHARE) / (threads.length * ROOF_PATTERNS * ROOF_ROUNDS);
  const durationMs = Math.min(MOST_ROOF_MS, Math.max(LEAST_ROOF_MS, each));
  const engine = await Engine.create({ ...options, threads: threads.at(-1) });
  try {
    const effort = { rounds: ROOF_ROUNDS, durationMs, ...(quick && { leastBytes: QUICK_ROOF_BYTES }) };
    return await measureRoofs(resourcesOf(engine), threads, effort, signal);
  } finally {
    await engine.close();
  }
}

/** Deals what is left of the time to what is left to measure. */
class BudgetClock implements Budget {
  readonly signal: Budget['signal'];
  readonly abortSignal: AbortSignal | undefined;
  readonly #begin: number;
  #endMs = 0;
  #left = 0;

  constructor({ signal }: CheckedScalingOptions, abortSignal: AbortSignal | undefined, begin: number) {
    this.signal = signal;
    this.abortSignal = abortSignal;
    this.#begin = begin;
  }

  /** From now on so many measurements share the time until then. */
  plan(endMs: number, count: number): void {
    this.#endMs = endMs;
    this.#left = count;
  }

  msForEach(contestants: number): number {
    const leftMs = Math.max(0, this.#endMs - (performance.now() - this.#begin));
    const share = leftMs / Math.max(1, this.#left);
    this.#left -= contestants;
    return share;
  }
}

async function measureWorkloads(
  { workloads, budgetMs, tryOptions, onProgress }: CheckedScalingOptions,
  engines: readonly Engine[],
  roofs: readonly Roof[],
  clock: BudgetClock,
): Promise<WorkloadScaling[]> {
  const until = tryOptions ? 1 - TRIED_SHARE : 1;
  clock.plan(budgetMs * until, workloads.length * (2 * engines.length - 1));
  const measured: WorkloadScaling[] = [];
  for (const [index, workload] of workloads.entries()) {
    const fraction = ROOFS_SHARE + ((until - ROOFS_SHARE) * index) / workloads.length;
    onProgress({ fraction, what: `${workload.operation} ${shapeText(workload)}` });
    measured.push(await measureWorkload(workload, engines, roofs, clock));
  }
  return measured;
}

/** Adds to each workload how much faster it is with them. */
async function tryOptions(
  { workloads, engine: options, budgetMs, onProgress }: CheckedScalingOptions,
  engines: readonly Engine[],
  measured: readonly WorkloadScaling[],
  clock: BudgetClock,
): Promise<readonly WorkloadScaling[]> {
  const { threads } = recommend(measured, 0);
  const base = engines.find((engine) => engine.threads === threads)!;
  const variants = await createVariants(base, options);
  try {
    clock.plan(budgetMs, workloads.length * (variants.length + 1));
    const results: WorkloadScaling[] = [];
    for (const [index, workload] of workloads.entries()) {
      const fraction = 1 - TRIED_SHARE + (TRIED_SHARE * index) / workloads.length;
      onProgress({ fraction, what: 'options that could help' });
      results.push({ ...measured[index]!, tried: await tryVariants(workload, base, variants, clock) });
    }
    return results;
  } finally {
    await Promise.all(variants.map(({ engine }) => engine.close()));
  }
}
