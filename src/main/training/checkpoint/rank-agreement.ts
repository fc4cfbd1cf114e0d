// What ranks that train together decide together: whether to stop, and when a checkpoint is due. Time and signals are not the same on
// all of them, so each says what it wishes at points that all come to, and all do the same from there on.
import { SoftshardError } from '../../../errors.js';
import { type ToldError, tellOf } from '../../distributed/queued-transport.js';
import {
  agreeToEnd,
  allGatherValues,
  checkAlike,
  checkSame,
  withOthers,
} from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';
import type { LinearModel } from '../../models/linear-model.js';
import { textOf } from './conditions.js';

/** What a part of a training has come to. */
export interface MetPart {
  readonly key: string;
  /** Its steps since ranks met last. */
  readonly steps: number;
  /** The same bits on all ranks, or one of them computes something else. */
  readonly figure: number;
}

interface Wish {
  /** Why this rank is to stop. */
  readonly stop: ToldError | undefined;
  readonly isDue: boolean;
  /** Figures by part. */
  readonly figures: Readonly<Record<string, number>>;
  /** How many steps each part should take until ranks meet again. */
  readonly steps: Readonly<Record<string, number>>;
}

export interface Agreed {
  /** Of this rank, or else of the first that wishes to stop. */
  readonly stop: { readonly reason: unknown } | undefined;
  readonly isDue: boolean;
  readonly stepsOf: (key: string) => number;
}

/** Between two points, where steps are short: what stopping may take. */
const MEETING_MS = 500;
/** By how much more steps may be taken than since the last point: the first ones take longer. */
const MOST_GROWTH = 8;

const REMEDY =
  'they compute different bits: start the same version of Node and softshard on all hosts, with --numerics portable (options.numerics) where their CPUs differ';

export class RankAgreement {
  readonly #transport: Transport;
  #metMs = performance.now();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Rejects with ERR_DISTRIBUTED where parts differ. `stop`: the reason, if this rank wishes to. */
  async meet(
    parts: readonly MetPart[],
    stop: { readonly reason: unknown } | undefined,
    isDue: boolean,
  ): Promise<Agreed> {
    const elapsedMs = performance.now() - this.#metMs;
    const own: Wish = {
      stop: stop && tellOf(stop.reason),
      isDue,
      figures: Object.fromEntries(parts.map(({ key, figure }) => [key, figure])),
      steps: Object.fromEntries(parts.map(({ key, steps }) => [key, stepsFor(steps, elapsedMs)])),
    };
    const wishes = await allGatherValues(this.#transport, own);
    this.#metMs = performance.now();
    if (wishes.some((wish) => typeof wish.figures !== 'object')) {
      throw new SoftshardError(
        'ERR_DISTRIBUTED',
        `ranks have come to different places of training: ${REMEDY}`,
      );
    }
    checkAlike(
      'the objective or loss of training',
      wishes.map(({ figures }) => figures),
      REMEDY,
    );
    const [first] = wishes;
    return {
      stop: this.#stopOf(wishes, stop),
      // By the clock of rank 0, which keeps it.
      isDue: first!.isDue,
      stepsOf: (key) => first!.steps[key] ?? 1,
    };
  }

  #stopOf(wishes: readonly Wish[], own: Agreed['stop']): Agreed['stop'] {
    const rank = wishes.findIndex(({ stop }) => stop !== undefined);
    if (rank < 0) return undefined;
    const reason = own === undefined ? new OtherRankStop(rank, wishes[rank]!.stop!) : own.reason;
    agreeToEnd(this.#transport, reason);
    return { reason };
  }
}

/** All ranks have agreed to stop, as one was asked to. */
class OtherRankStop extends SoftshardError {
  readonly rank: number;
  readonly details: ToldError['details'];
  constructor(rank: number, { message, details }: ToldError) {
    super('ERR_DISTRIBUTED', `rank ${rank}: ${message}`);
    this.rank = rank;
    this.details = details;
  }
}

let hasWarned = false;

/** Once. */
export function warnOfSteps(given: Transport | undefined): void {
  const transport = withOthers(given);
  if (transport === undefined || transport.rank > 0 || hasWarned) return;
  hasWarned = true;
  process.emitWarning(
    "steps (solver 'sgd' or 'adamw') are computed by each rank, with the same bits and no gain: the full-batch solvers 'lbfgs' and 'newton-cg' share the rows",
    { type: 'SoftshardWarning', code: 'WARN_RANKS' },
  );
}

/** At the end: whatever comes of training is the same on all ranks. */
export async function checkResult(
  what: string,
  given: Transport | undefined,
  model: Pick<LinearModel, 'weights' | 'bias'> | undefined,
): Promise<void> {
  const transport = withOthers(given);
  if (transport !== undefined) await checkSame(transport, what, parameterFacts(model), REMEDY);
}

export const parameterFacts = (model: Pick<LinearModel, 'weights' | 'bias'> | undefined) =>
  model === undefined ? {} : { weights: textOf(model.weights), bias: textOf(model.bias) };

const stepsFor = (steps: number, elapsedMs: number): number =>
  Math.max(1, Math.floor(steps * Math.min(MOST_GROWTH, MEETING_MS / elapsedMs)));
