// Engine options that are off, tried on the threads that suit best: which of them makes something faster here.
import { findBlas } from '../../kernels/blas/library.js';
import { supportsWideSimd } from '../../kernels/wide-simd.js';
import { Engine } from '../engine.js';
import { ratioOf } from './compare.js';
import type { CheckedScalingOptions } from './options.js';
import type { PlannedWorkload } from './plan.js';
import type { ScalingRecommendation, TriedOption, WorkloadScaling } from './result.js';
import { quartiles } from './statistics.js';
import { type Budget, type Contest, timeContests } from './workload-scaling.js';

interface Variant {
  readonly option: TriedOption['option'];
  readonly engine: Engine;
}

/** A BLAS computes products of so many classes and more. */
const BLAS_CLASSES = 64;
/** What lies within is no change. */
const SAME = 1.06;

/** Those that this machine has, and `base` has not. */
export async function createVariants(
  base: Engine,
  options: CheckedScalingOptions['engine'],
): Promise<Variant[]> {
  const { threads, numerics } = base;
  const variants: Variant[] = [];
  if (!base.wideSimd && supportsWideSimd()) {
    const engine = await Engine.create({ ...options, threads, numerics, wideSimd: true });
    // On a processor without AVX2 it goes on without.
    if (engine.wideSimd) variants.push({ option: 'wideSimd', engine });
    else await engine.close();
  }
  if (base.blas === undefined && options.blas === undefined && 'library' in findBlas()) {
    const engine = await Engine.create({ ...options, threads, numerics, blas: true });
    if (engine.blas !== undefined) variants.push({ option: 'blas', engine });
    else await engine.close();
  }
  return variants;
}

/** How many times as fast the workload is with each of them. */
export async function tryVariants(
  workload: PlannedWorkload,
  base: Engine,
  variants: readonly Variant[],
  budget: Budget,
): Promise<TriedOption[]> {
  const isProduct = (workload.classes ?? 0) >= BLAS_CLASSES;
  const tried = variants.filter(({ option }) => option !== 'blas' || isProduct);
  if (tried.length === 0) return [];
  const contests = [base, ...tried.map(({ engine }) => engine)].map(
    (engine): Contest => ({ engine, rows: workload.rows }),
  );
  const { timings } = await timeContests(workload, contests, budget);
  const [before, ...after] = timings.map(({ samplesMs }) => quartiles(samplesMs));
  return tried.map(({ option }, index) => ({ option, ...ratioOf(before!, after[index]!) }));
}

/** The threads of the workload that uses most; options that help some and harm none. */
export function recommend(workloads: readonly WorkloadScaling[], cores: number): ScalingRecommendation {
  const threads = Math.max(...workloads.map(({ verdict }) => verdict.threads));
  const tried = workloads.flatMap((workload) => workload.tried);
  const of = (option: TriedOption['option']) => tried.filter((one) => one.option === option);
  const helps = (option: TriedOption['option']): boolean =>
    of(option).some(({ low }) => low > SAME) && !of(option).some(({ high }) => high * SAME < 1);
  const isDefault = threads === cores ? ', the default' : '';
  const texts = [
    `${threads} ${threads === 1 ? 'thread' : 'threads'}${isDefault}`,
    ...optionText('wide SIMD', of('wideSimd'), helps('wideSimd')),
    ...optionText('BLAS', of('blas'), helps('blas')),
  ];
  return { threads, wideSimd: helps('wideSimd'), blas: helps('blas'), text: `${texts.join('; ')}.` };
}

function optionText(name: string, tried: readonly TriedOption[], helps: boolean): string[] {
  if (tried.length === 0) return [];
  const ratios = tried.map(({ ratio }) => ratio);
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
  const times = least === most ? least : `${least} to ${most}`;
  return [`${helps ? 'with' : 'without'} ${name} (${times} times as fast with it)`];
}
