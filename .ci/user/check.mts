import { Engine, SoftmaxClassifier, type Training } from 'softshard';
import { softmax } from 'softshard/reference';

const engine = await Engine.create({ threads: 2 });
using matrix = engine.matrix(2, 3);
const probabilities: Float32Array = (await engine.softmax(matrix)).data;
const result: Training.FitResult = await new SoftmaxClassifier(engine, { features: 3, classes: 2 }).fit(
  matrix,
  [0, 1],
);
console.log(probabilities, result.epochs.at(-1)?.loss, softmax([1, 2]));

// What may be undefined is passed on as it is.
export async function lossOf(logits: Float32Array, signal?: AbortSignal): Promise<number> {
  const { loss } = await engine.crossEntropy(logits, [0], { columns: 3, signal });
  return loss;
}
await engine.close();
