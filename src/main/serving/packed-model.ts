// A model with its kernels in a small memory of its own: computes a tile of rows at a time on the calling thread, without an
// engine.

import type { Kernels } from '../../kernels/kernels.js';
import { HEAP_BASE, INPUTS_FLOAT32, INPUTS_SCALED_FLOAT32 } from '../../kernels/layout.js';
import { compileKernels, instantiateKernels, type Numerics } from '../../kernels/load.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import {
  packStrips,
  parametersInStripsLength,
  stripsLength,
  type TileScratch,
  tileScratch,
} from '../../kernels/strips.js';
import { Arena, type ArenaScope, MAX_ARENA_BYTES } from '../memory/arena.js';
import { scalingBytes, writeScaling } from '../models/inputs.js';
import type { LinearModel } from '../models/linear-model.js';
import { aligned } from '../plans/parts.js';
import { planTile } from '../plans/tiles.js';

export class PackedModel {
  readonly features: number;
  readonly classes: number;
  /** The most rows of a tile. */
  readonly tileRows: number;
  /** [tileRows × features]: where the rows of a tile are put, unscaled. */
  readonly rows: Float32Array;
  readonly #predictions: Int32Array;
  readonly #probabilities: Float32Array;
  readonly #kernels: Kernels;
  readonly #weights: Ptr;
  readonly #bias: Ptr;
  readonly #rowsPtr: Ptr;
  readonly #predictionsPtr: Ptr;
  /** 0: none. */
  readonly #scaling: Ptr;
  readonly #tile: TileScratch;
  readonly #arena: Arena;
  readonly #scope: ArenaScope;

  /** Copies the model's parameters. */
  constructor(model: LinearModel, numerics: Numerics) {
    const { features, classes, featureScaling } = model;
    const plan = planTile(model);
    const bytes = {
      parameters: 4 * parametersInStripsLength(model),
      scaling: scalingBytes(model),
      rows: 4 * plan.rows * features,
      predictions: 4 * plan.rows,
    };
    const sizes = [plan.scratchBytes, ...Object.values(bytes)];
    const all = sizes.reduce((sum, size) => sum + aligned(size), HEAP_BASE);
    const arena = new Arena(Math.min(MAX_ARENA_BYTES, all));
    const scope = arena.scope();
    this.#arena = arena;
    this.#scope = scope;
    this.#kernels = instantiateKernels(compileKernels(numerics), arena.memory);
    this.features = features;
    this.classes = classes;

    this.#weights = scope.allocate(bytes.parameters, 'the model’s parameters');
    this.#bias = offsetBy(this.#weights, 4 * stripsLength(model));
    const parameters = arena.view('float32', this.#weights, bytes.parameters / 4);
    packStrips(parameters, model.weights, model.bias, model);
    this.#scaling = NULL_PTR;
    if (featureScaling !== undefined) {
      this.#scaling = scope.allocate(bytes.scaling, 'the feature scaling');
      writeScaling(arena.view('float32', this.#scaling, bytes.scaling / 4), features, featureScaling);
    }

    this.tileRows = plan.rows;
    this.#rowsPtr = scope.allocate(bytes.rows, 'a tile of rows');
    this.rows = arena.view('float32', this.#rowsPtr, plan.rows * features);
    this.#predictionsPtr = scope.allocate(bytes.predictions, 'the classes of a tile');
    this.#predictions = arena.view('int32', this.#predictionsPtr, plan.rows);
    this.#tile = tileScratch(scope.allocate(plan.scratchBytes, 'scratch memory for tiles'), plan.rows, model);
    this.#probabilities = arena.view('float32', this.#tile.logits, plan.rows * classes);
  }

  /** The class of each of the first `count` rows, then anything; -1 for a row whose logits are not finite. */
  predictClasses(count: number): Int32Array {
    this.#forward(count);
    const { classes } = this;
    const { logits } = this.#tile;
    const to = this.#predictionsPtr;
    this.#kernels.evaluateRows(to, NULL_PTR, NULL_PTR, logits, NULL_PTR, count, classes, classes);
    return this.#predictions;
  }

  /** Likewise the probabilities, [tileRows × classes]; NaN for a row whose logits are not finite. */
  predictProbabilities(count: number): Float32Array {
    this.#forward(count);
    const { logits } = this.#tile;
    this.#kernels.softmaxRows(logits, logits, count, this.classes, this.classes);
    return this.#probabilities;
  }

  /** Nobody may use the views any more. */
  release(): void {
    this.#scope.release();
    this.#arena.retire();
  }

  #forward(count: number): void {
    const { inputs, targets, logits, sums } = this.#tile;
    const { features, classes } = this;
    const scaling = this.#scaling;
    const kernels = this.#kernels;
    const type = scaling === NULL_PTR ? INPUTS_FLOAT32 : INPUTS_SCALED_FLOAT32;
    kernels.gatherInputs(
      inputs,
      targets,
      this.#rowsPtr,
      type,
      scaling,
      NULL_PTR,
      NULL_PTR,
      0,
      count,
      features,
    );
    kernels.tileForward(logits, inputs, this.#weights, this.#bias, count, features, classes, sums);
  }
}
