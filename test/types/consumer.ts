// What users write, compiled against the declarations that are published, in the strictest settings. Nothing runs it.
import type * as softshard from 'softshard';
import { Engine, hostMemory, readFeatures, SoftmaxClassifier, SoftshardError } from 'softshard';
import { type LossOptions as ReferenceLossOptions, softmax } from 'softshard/reference';

/** The optional properties of options, each of which may be undefined as well. */
type Undefined<Options> = {
  [Name in keyof Options as Options extends Required<Pick<Options, Name>> ? never : Name]?:
    | Options[Name]
    | undefined;
};
type Takes<Options> = Undefined<Options> extends Partial<Options> ? true : false;
type Each<_ extends readonly true[]> = true;

/** exactOptionalPropertyTypes tells an option that is undefined from one that is left out; softshard does not. */
export type EveryOptionMayBeUndefined = Each<
  [
    Takes<softshard.AxisOptions>,
    Takes<softshard.BinaryCrossEntropyOptions>,
    Takes<softshard.ClassifierOptions>,
    Takes<softshard.CrossEntropyOptions>,
    Takes<softshard.CsvOptions>,
    Takes<softshard.DistillationOptions>,
    Takes<softshard.EngineOptions>,
    Takes<softshard.ErrorDetails>,
    Takes<softshard.EvaluateOptions>,
    Takes<softshard.FitLossOptions>,
    Takes<softshard.FitOptions>,
    Takes<softshard.GradientOptions>,
    Takes<softshard.KlDivergenceOptions>,
    Takes<softshard.LinearCrossEntropyOptions>,
    Takes<softshard.LinearInto>,
    Takes<softshard.LossOptions>,
    Takes<softshard.MergeOptions>,
    Takes<softshard.MetricsAddOptions>,
    Takes<softshard.MetricsOptions>,
    Takes<softshard.NllLossOptions>,
    Takes<softshard.NpyWriterOptions>,
    Takes<softshard.OpenNpyOptions>,
    Takes<softshard.PartOptions>,
    Takes<softshard.PredictOptions>,
    Takes<softshard.PredictProbabilitiesOptions>,
    Takes<softshard.ProbabilityCrossEntropyOptions>,
    Takes<softshard.ReadOptions>,
    Takes<softshard.RowGradientOptions>,
    Takes<softshard.RowLossOptions>,
    Takes<softshard.SoftmaxOptions>,
    Takes<softshard.RowOptions>,
    Takes<softshard.RowTargetOptions>,
    Takes<softshard.SaveOptions>,
    Takes<softshard.SquaredErrorOptions>,
    Takes<softshard.ValidationRows>,
    Takes<softshard.WriteOptions>,
    Takes<ReferenceLossOptions>,
  ]
>;

export async function use(path: string, signal: AbortSignal | undefined): Promise<number> {
  const engine = await Engine.create({ threads: undefined, blas: undefined });
  try {
    const logits: softshard.Matrix = engine.matrix(2, 3);
    logits.data.set(softmax([0, 1, 2]));
    const { data } = await engine.softmax(logits, { signal });
    const { loss } = await engine.crossEntropy(logits, Uint8Array.of(0, 2), { signal, weight: undefined });
    const { matrix } = await readFeatures(hostMemory, path, { signal, labelColumn: undefined });
    const classifier = new SoftmaxClassifier(engine, { features: 3, classes: 2, classNames: undefined });
    const { epochs } = await classifier.fit(matrix, Buffer.from([0, 1]), { signal, onStep: undefined });
    logits.free();
    return data[0]! + loss + epochs.length;
  } catch (error) {
    if (error instanceof SoftshardError && error.code === 'ERR_FORMAT') return error.row ?? -1;
    throw error;
  } finally {
    await engine.close();
  }
}
