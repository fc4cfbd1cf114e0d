// What passes on several ranks say, in a sentence.
import type { ScalingPoint, ScalingVerdict } from '../result.js';

const GOOD_EFFICIENCY = 0.7;
/** Of the least time: within it, fewer ranks are the better choice. */
const AS_FAST = 1.05;

export interface RankCauses {
  /** Ranks that find work in a pass. */
  readonly branches: number;
  /** Of a pass on all ranks: calls between them and waiting for each other, by the model. */
  readonly networkShare: number;
  /** See RankFigures. */
  readonly load: number;
  /** Threads of all ranks are more than the CPUs of their machines. */
  readonly isOversubscribed: boolean;
}

/** `points`: strong scaling, by rising ranks; `threads` and `scalesTo` of the verdict count ranks. */
export function rankVerdict(points: readonly ScalingPoint[], causes: RankCauses): ScalingVerdict {
  const least = Math.min(...points.map(({ medianMs }) => medianMs));
  const best = points.find(({ medianMs }) => medianMs <= AS_FAST * least)!;
  const good = points.filter(({ efficiency }) => efficiency >= GOOD_EFFICIENCY).at(-1) ?? points[0]!;
  const last = points.at(-1)!;
  const isScaling = good.ranks > 1;
  const scaling = isScaling
    ? `Scales to ${ranksText(good.ranks)} at ${percent(good.efficiency)}`
    : `Scales poorly: ${last.speedup.toFixed(2)} times as fast on ${ranksText(last.ranks)}`;
  const bound = causes.networkShare >= 0.5 ? 'network' : 'neither';
  return {
    bound,
    boundFrom: undefined,
    scalesTo: good.ranks,
    efficiency: good.efficiency,
    threads: best.ranks,
    text: `${scaling}; ${causeOf(last, causes)}.`,
  };
}

function causeOf(
  { ranks }: ScalingPoint,
  { branches, networkShare, load, isOversubscribed }: RankCauses,
): string {
  if (branches < ranks) {
    return `the rows have ${branches} ${branches === 1 ? 'branch' : 'branches'} of 32 MiB and more, so ${ranks - branches} of ${ranks} ranks have no work`;
  }
  if (isOversubscribed) return 'the ranks have more threads than their machines have CPUs';
  const shared =
    load > 1.1 ? `; kernels take ${load.toFixed(2)} times as long while all ranks work, each for itself` : '';
  return `calls between ranks and waiting for each other take ${percent(networkShare)} of a pass${shared}`;
}

const ranksText = (ranks: number): string => `${ranks} ${ranks === 1 ? 'rank' : 'ranks'}`;

const percent = (share: number): string => `${Math.round(100 * share)} %`;
