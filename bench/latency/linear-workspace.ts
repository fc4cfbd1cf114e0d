// How much memory linearCrossEntropy takes in addition to its arguments and results, at the shape that bench:peers times.
import { Engine } from '#softshard/main/index.js';
import { LINEAR_SHAPE } from '../targets.js';

/** MiB. The call is ended after its first chunk: the workspace is taken at its beginning. */
export async function measureLinearWorkspace(): Promise<number> {
  const [rows, features, classes] = LINEAR_SHAPE.split(' × ').map(Number) as [number, number, number];
  await using engine = await Engine.create({ threads: 2 });
  const inputs = engine.matrix(rows, features);
  const weights = engine.matrix(features, classes);
  const targets = engine.vector('int32', rows);
  const into = { gradInputs: engine.matrix(rows, features), gradWeights: engine.matrix(features, classes) };
  const { usedBytes } = engine.memoryUsage();
  const stop = new AbortController();
  const options = { into, signal: stop.signal, onProgress: () => stop.abort() };
  const call = engine.linearCrossEntropy(inputs, weights, undefined, targets, options);
  await call.catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return (engine.memoryUsage().peakBytes - usedBytes) / 2 ** 20;
}
