// The arrays of a training run that have a row for each row of the inputs, in the form that the workers take: they lie in
// the arena as a whole, or some of their rows are brought there at a time.
import type { Ptr } from '../../../kernels/ptr.js';
import { gatherRows } from '../../dispatch/gather-rows.js';
import type { ArrayRows } from '../../dispatch/operands.js';
import type { Resources } from '../../dispatch/resources.js';
import type { Arena, ArenaScope } from '../../memory/arena.js';
import { isArrayOf } from '../../memory/arrays.js';
import { elementBytes } from '../../memory/element-types.js';
import { type Inputs, type InputsFormat, placeFormat, UNSCALED } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import { usesBlas } from '../../models/product-backend.js';
import type { RowTargets } from '../../models/row-targets.js';
import { scaleRows } from '../../models/scaling.js';
import type { TrainingPlan } from '../../plans/training.js';

export interface RunArray {
  readonly what: string;
  readonly bytesARow: number;
  /** Where all rows lie in the arena already. */
  readonly ptr: Ptr | undefined;
  /** What must not be given back while rows are to be copied. */
  readonly source: Ptr | undefined;
  /** Copies all rows to that address of the arena. */
  copyAll(ptr: Ptr): void;
  /** Copies the rows with these numbers to that address of the arena. */
  gather(ptr: Ptr, rowNumbers: Uint32Array): void;
}

/** Those that are undefined are not needed. */
export interface RunArrays {
  readonly inputs: RunArray;
  /** Int32. */
  readonly targets: RunArray;
  /** Float32. */
  readonly sampleWeight: RunArray | undefined;
  readonly softTargets: RunArray | undefined;
  readonly mask: RunArray | undefined;
}

/** Where their rows are; 0 for those that are not needed. */
export type RunPtrs = Readonly<Record<keyof RunArrays, Ptr>>;

/** The bytes of so many rows of each array, 0 for those that are not needed. */
export function bytesOfRows(arrays: RunArrays, rows: number): Record<keyof RunArrays, number> {
  const bytes = (array: RunArray | undefined) => (array === undefined ? 0 : array.bytesARow * rows);
  const { inputs, targets, sampleWeight, softTargets, mask } = arrays;
  return {
    inputs: bytes(inputs),
    targets: bytes(targets),
    sampleWeight: bytes(sampleWeight),
    softTargets: bytes(softTargets),
    mask: bytes(mask),
  };
}

export const ARRAY_NAMES: readonly (keyof RunArrays)[] = [
  'inputs',
  'targets',
  'sampleWeight',
  'softTargets',
  'mask',
];

/** `plain`: only inputs and targets are needed. */
export function runArrays(
  resources: Resources,
  model: LinearModel,
  inputs: Inputs,
  targets: RowTargets,
  plan: TrainingPlan,
  plain: boolean,
): RunArrays {
  const { arena } = resources;
  const { elements } = inputs;
  const areAsTaken = isArrayOf('float32', elements) && model.featureScaling === undefined;
  const isScaledBefore = !areAsTaken && takesRowsInPlace(resources, model, plan);
  const type = isArrayOf('uint8', elements) ? 'uint8' : 'float32';
  const { softTargets, mask } = targets;
  // Always a copy: nobody can change it between its check and a step that reads it.
  const sampleWeight = targets.sampleWeight && Float32Array.from(targets.sampleWeight);
  return {
    inputs: isScaledBefore
      ? new Scaled(arena, inputs, model)
      : new Copied(arena, 'inputs', { ...inputs, type }),
    targets: new Copied(arena, 'targets', { ...column, elements: targets.classes, type: 'int32' }),
    sampleWeight:
      plain || sampleWeight === undefined
        ? undefined
        : new Copied(arena, 'sampleWeight', { ...column, elements: sampleWeight }),
    softTargets: plain || softTargets === undefined ? undefined : new Copied(arena, 'targets', softTargets),
    mask: plain || mask === undefined ? undefined : new Copied(arena, 'mask', mask),
  };
}

const column = { columns: 1, ptr: undefined } as const;

/** What tells the kernels how the arrays' inputs are kept. */
export function placeRunFormat(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  inputs: Inputs,
  plan: TrainingPlan,
): InputsFormat {
  return takesRowsInPlace(resources, model, plan) ? UNSCALED : placeFormat(resources, scope, inputs, model);
}

/** By tiles kernels reach rows where they lie, as float32 that is scaled. */
const takesRowsInPlace = (resources: Resources, model: LinearModel, { by }: TrainingPlan): boolean =>
  by === 'parameter-sharded' && !usesBlas(resources, model);

class Copied implements RunArray {
  readonly what: string;
  readonly bytesARow: number;
  readonly ptr: Ptr | undefined;
  readonly #arena: Arena;
  readonly #array: Required<Omit<ArrayRows, 'ptr'>>;

  constructor(arena: Arena, what: string, { elements, columns, type = 'float32', ptr }: ArrayRows) {
    this.what = what;
    this.bytesARow = columns * elementBytes(type);
    this.ptr = ptr;
    this.#arena = arena;
    this.#array = { elements, columns, type };
  }

  get source(): Ptr | undefined {
    return this.ptr;
  }

  copyAll(ptr: Ptr): void {
    const { elements, type } = this.#array;
    this.#arena.view(type, ptr, elements.length).set(elements);
  }

  gather(ptr: Ptr, rowNumbers: Uint32Array): void {
    const { elements, columns, type } = this.#array;
    const gathered = this.#arena.view(type, ptr, rowNumbers.length * columns);
    gatherRows(this.what, gathered, elements, columns, rowNumbers);
  }
}

/** Inputs that become float32 scaled by the model: always a copy. */
class Scaled implements RunArray {
  readonly what = 'inputs';
  readonly bytesARow: number;
  readonly ptr = undefined;
  readonly source: Ptr | undefined;
  readonly #arena: Arena;
  readonly #elements: Inputs['elements'];
  readonly #model: LinearModel;

  constructor(arena: Arena, { elements, ptr }: Inputs, model: LinearModel) {
    this.bytesARow = model.features * Float32Array.BYTES_PER_ELEMENT;
    this.source = ptr;
    this.#arena = arena;
    this.#elements = elements;
    this.#model = model;
  }

  copyAll(ptr: Ptr): void {
    this.#scale(this.#arena.view('float32', ptr, this.#elements.length), this.#elements);
  }

  gather(ptr: Ptr, rowNumbers: Uint32Array): void {
    const { features } = this.#model;
    const scaled = this.#arena.view('float32', ptr, rowNumbers.length * features);
    const rows = isArrayOf('uint8', this.#elements) ? new Uint8Array(scaled.length) : scaled;
    gatherRows(this.what, rows, this.#elements, features, rowNumbers);
    this.#scale(scaled, rows);
  }

  #scale(scaled: Float32Array, values: Float32Array | Uint8Array): void {
    const { features, featureScaling = { shift: 0, scale: 1 } } = this.#model;
    scaleRows(scaled, values, features, featureScaling);
  }
}
