// What the figures of a workload say, in a word and in a sentence: by the roofs of this machine.
import type { ScalingBound, ScalingPoint, ScalingVerdict } from './result.js';

/** Of the bandwidth: what more threads cannot get past, noise and the call around the kernels allowed for. */
const AT_MEMORY = 0.7;
/** Of multiply-adds alone: kernels load, store and wait for results besides. */
const AT_ARITHMETIC = 0.5;
/** Beyond the roof of memory by more than noise: the arrays lie in caches. */
const IN_CACHES = 1.15;
/** What counts as used well. */
const GOOD_EFFICIENCY = 0.7;
/** Of the least time: within it, fewer threads are the better choice. */
const AS_FAST = 1.05;
/** Speed-up that is more than noise. */
const SOME_GAIN = 1.15;
/** A call that takes less on one thread is hardly worth waking others for. */
const SMALL_MS = 0.5;

/** `points`: strong scaling, by rising threads. */
export function scalingVerdict(points: readonly ScalingPoint[]): ScalingVerdict {
  const least = Math.min(...points.map(({ medianMs }) => medianMs));
  const best = points.find(({ medianMs }) => medianMs <= AS_FAST * least)!;
  const good = points.filter(({ efficiency }) => efficiency >= GOOD_EFFICIENCY).at(-1) ?? points[0]!;
  const { bound, from } = boundOf(points, best);
  const verdict = {
    bound,
    boundFrom: from,
    scalesTo: good.threads,
    efficiency: good.efficiency,
    threads: best.threads,
  };
  return { ...verdict, text: sentence(verdict, points, best) };
}

const isAtMemory = ({ memoryShare, arithmeticShare }: ScalingPoint): boolean =>
  memoryShare >= AT_MEMORY && memoryShare <= IN_CACHES && memoryShare >= arithmeticShare;

function boundOf(
  points: readonly ScalingPoint[],
  best: ScalingPoint,
): { bound: ScalingBound; from: number | undefined } {
  const last = points.at(-1)!;
  const isSmall = last.threads > 1 && best.threads === points[0]!.threads && points[0]!.medianMs < SMALL_MS;
  if (isSmall) return { bound: 'small', from: undefined };
  if (isAtMemory(last)) {
    const before = points.findLastIndex((point) => !isAtMemory(point));
    return { bound: 'memory', from: points[before + 1]!.threads };
  }
  return { bound: best.arithmeticShare >= AT_ARITHMETIC ? 'arithmetic' : 'neither', from: undefined };
}

function sentence(
  { bound, boundFrom, scalesTo, efficiency, threads }: Omit<ScalingVerdict, 'text'>,
  points: readonly ScalingPoint[],
  best: ScalingPoint,
): string {
  const [first, last] = [points[0]!, points.at(-1)!];
  if (bound === 'small') {
    return `Too small to share: a call takes ${first.medianMs.toFixed(2)} ms on ${threadsText(first.threads)}, and no less on more.`;
  }
  const scaling =
    points.length === 1
      ? `Measured on ${threadsText(first.threads)} only`
      : scalesTo > first.threads
        ? `Scales to ${threadsText(scalesTo)} at ${percent(efficiency)}`
        : `${last.speedup > SOME_GAIN ? 'Scales poorly' : 'Does not scale'}: ${last.speedup.toFixed(2)} times as fast on ${threadsText(last.threads)}`;
  const more = threads === 1 ? 'more threads' : `more than ${threads} threads`;
  const most = threads < last.threads ? `; ${more} gain nothing` : '';
  switch (bound) {
    case 'memory': {
      const from = boundFrom === first.threads ? '' : ` from ${threadsText(boundFrom!)} on`;
      return `${scaling}; memory-bound${from}: ${percent(last.memoryShare)} of the bandwidth${most}.`;
    }
    case 'arithmetic':
      return `${scaling}; bound by arithmetic: ${percent(best.arithmeticShare)} of the peak${most}.`;
    case 'network':
    case 'neither': {
      const shares = `${percent(best.arithmeticShare)} of the peak, ${memoryText(best)}`;
      return `${scaling}; at no roof: ${shares}${most}.`;
    }
    default:
      return bound satisfies never;
  }
}

const memoryText = ({ memoryShare }: ScalingPoint): string =>
  memoryShare > IN_CACHES ? 'its arrays in caches' : `${percent(memoryShare)} of the bandwidth`;

const threadsText = (threads: number): string => `${threads} ${threads === 1 ? 'thread' : 'threads'}`;

const percent = (share: number): string => `${Math.round(100 * share)} %`;
