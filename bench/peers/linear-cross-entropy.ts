// Cross-entropy over a linear layer with all gradients, the head of a language model: softshard, which never holds the
// logits, against PyTorch, which does, in turns on the same values.
import { NUMERICS, supportsNumerics } from '#softshard/kernels/load.js';
import { Engine, type Matrix, type Vector } from '#softshard/main/index.js';
import { checkClose, fillTargets, sampleRows } from '../cases/values.js';
import type { PeerCase } from './fashion-mnist.js';
import type { PeerOptions } from './options.js';
import { PythonPeer } from './python-peer.js';
import { type Contender, takeTurns } from './turns.js';

const ROWS = 4096;
const FEATURES = 768;
const CLASSES = 32768;
/** A turn takes seconds. */
const MOST_ROUNDS = 3;
/** Elements of each gradient that are compared. */
const ELEMENTS_CHECKED = 500;

/** Weyl's sequence in [-scale, scale): easy to make in any language. */
function fillWeyl(values: Float32Array, scale: number): void {
  for (let index = 0; index < values.length; index++) {
    values[index] = (((Math.imul(index, 0x9e3779b1) >>> 0) / 2 ** 32) * 2 - 1) * scale;
  }
}

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

export async function compareLinearCrossEntropy(options: PeerOptions): Promise<PeerCase> {
  const peer = await PythonPeer.start(options.python, 'linear-cross-entropy-torch.py');
  const most = Math.max(...options.threads);
  const engines = await Promise.all(
    NUMERICS.filter(supportsNumerics).map((numerics) => Engine.create({ numerics, threads: most })),
  );
  try {
    process.stderr.write(`linear cross-entropy, ${ROWS} × ${FEATURES} × ${CLASSES}\n`);
    await peer.ask({ do: 'prepare', rows: ROWS, features: FEATURES, classes: CLASSES });
    const layers = engines.map(createLayer);
    await checkLayers(peer, layers);
    const ours = layers.map(
      (layer): Contender => ({
        name: `softshard ${layer.engine.numerics}`,
        threads: most,
        isPeer: false,
        turn: async () => {
          const begin = performance.now();
          await compute(layer);
          return { ms: performance.now() - begin };
        },
      }),
    );
    const theirs: Contender = {
      name: 'PyTorch',
      threads: most,
      isPeer: true,
      turn: () => peer.ask<{ ms: number }>({ do: 'run', threads: most }),
    };
    const name = `linear cross-entropy + gradients, ${ROWS} × ${FEATURES} × ${CLASSES}`;
    const rows = await takeTurns(name, [...ours, theirs], Math.min(MOST_ROUNDS, options.rounds));
    const remark = `Loss and ${ELEMENTS_CHECKED} elements of each gradient agree within 10⁻⁴ (relative to the largest).`;
    return { rows, remarks: [remark], version: peer.version };
  } finally {
    await Promise.all([peer.close(), ...engines.map((engine) => engine.close())]);
  }
}

function createLayer(engine: Engine): Layer {
  const layer: Layer = {
    engine,
    inputs: engine.matrix(ROWS, FEATURES),
    weights: engine.matrix(FEATURES, CLASSES),
    bias: engine.vector(CLASSES, 'float32'),
    targets: engine.vector(ROWS, 'int32'),
    into: {
      gradInputs: engine.matrix(ROWS, FEATURES),
      gradWeights: engine.matrix(FEATURES, CLASSES),
      gradBias: engine.vector(CLASSES, 'float32'),
    },
  };
  fillWeyl(layer.inputs.data, 1);
  fillWeyl(layer.weights.data, 0.1);
  fillWeyl(layer.bias.data, 1);
  fillTargets(layer.targets.data, CLASSES);
  return layer;
}

const compute = ({ engine, inputs, weights, bias, targets, into }: Layer) =>
  engine.linearCrossEntropy(inputs, weights, bias, targets, { into });

async function checkLayers(peer: PythonPeer, layers: readonly Layer[]): Promise<void> {
  const at = {
    gradInputs: sampleRows(ROWS * FEATURES, ELEMENTS_CHECKED),
    gradWeights: sampleRows(FEATURES * CLASSES, ELEMENTS_CHECKED),
    gradBias: sampleRows(CLASSES, ELEMENTS_CHECKED),
  };
  type Reply = { readonly loss: number } & Record<keyof typeof at, number[]>;
  const expected = await peer.ask<Reply>({
    do: 'check',
    inputs_at: at.gradInputs,
    weights_at: at.gradWeights,
    bias_at: at.gradBias,
  });
  for (const layer of layers) {
    const { loss } = await compute(layer);
    const what = `${layer.engine.numerics}:`;
    checkClose(`${what} loss`, [loss], [expected.loss], { relative: 1e-5, absolute: 0 });
    for (const name of ['gradInputs', 'gradWeights', 'gradBias'] as const) {
      const got = at[name].map((index) => layer.into[name].data[index]!);
      const largest = Math.max(...expected[name].map(Math.abs));
      checkClose(`${what} ${name}`, got, expected[name], { relative: 0, absolute: 1e-4 * largest });
    }
  }
}
