// softshard's side of linear-cross-entropy.ts: the loss over a linear layer with all gradients.

import type { Engine, Matrix, Vector } from '#softshard/main/index.js';
import { fillTargets } from '../cases/values.js';
import { type OpenEngine, serveOurs, timeCalls } from './ours.js';

interface Layer {
  readonly engine: Engine;
  readonly inputs: Matrix;
  readonly weights: Matrix;
  readonly bias: Vector<'float32'>;
  readonly targets: Vector<'int32'>;
  readonly into: {
    readonly gradInputs: Matrix;
    readonly gradWeights: Matrix;
    readonly gradBias: Vector<'float32'>;
  };
}

/** Weyl's sequence in [-scale, scale): easy to make in any language. */
function fillWeyl(values: Float32Array, scale: number): void {
  for (let index = 0; index < values.length; index++) {
    values[index] = (((Math.imul(index, 0x9e3779b1) >>> 0) / 2 ** 32) * 2 - 1) * scale;
  }
}

interface LayerShape {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
}

function createLayer(engine: Engine, { rows, features, classes }: LayerShape): Layer {
  const layer: Layer = {
    engine,
    inputs: engine.matrix(rows, features),
    weights: engine.matrix(features, classes),
    bias: engine.vector('float32', classes),
    targets: engine.vector('int32', rows),
    into: {
      gradInputs: engine.matrix(rows, features),
      gradWeights: engine.matrix(features, classes),
      gradBias: engine.vector('float32', classes),
    },
  };
  fillWeyl(layer.inputs.data, 1);
  fillWeyl(layer.weights.data, 0.1);
  fillWeyl(layer.bias.data, 1);
  fillTargets(layer.targets.data, classes);
  return layer;
}

const compute = ({ engine, inputs, weights, bias, targets, into }: Layer) =>
  engine.linearCrossEntropy(inputs, weights, bias, targets, { into });

/** Flat indices of elements of the gradients. */
export type Elements = Readonly<Record<'gradInputs' | 'gradWeights' | 'gradBias', number[]>>;

await serveOurs((open: OpenEngine) => {
  let layer: Layer | undefined;
  return {
    async prepare({ threads, ...shape }: LayerShape & { threads: number }) {
      layer = createLayer(await open(threads), shape);
      return undefined;
    },
    async check({ elements }: { elements: Elements }) {
      const { loss } = await compute(layer!);
      const values = Object.entries(elements).map(([name, indices]) => {
        const { data } = layer!.into[name as keyof Elements];
        return [name, indices.map((index) => data[index]!)];
      });
      return { loss, ...Object.fromEntries(values) };
    },
    async run() {
      return timeCalls(1, () => compute(layer!));
    },
  };
});
