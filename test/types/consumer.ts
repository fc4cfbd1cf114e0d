// What users write, compiled against the declarations that are published, in the strictest settings. Nothing runs it.
import type * as softshard from 'softshard';
import { Engine, hostMemory, Predictor, readFeatures, SoftmaxClassifier, SoftshardError } from 'softshard';
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
    Takes<softshard.Losses.AxisOptions>,
    Takes<softshard.MpiOptions>,
    Takes<softshard.Losses.BinaryCrossEntropyOptions>,
    Takes<softshard.Training.AllGatherRowsOptions>,
    Takes<softshard.Training.CalibrateOptions>,
    Takes<softshard.Training.CheckpointOptions>,
    Takes<softshard.Training.ClassifierOptions>,
    Takes<softshard.Losses.CrossEntropyOptions>,
    Takes<softshard.Files.CsvOptions>,
    Takes<softshard.Files.CsvTextOptions>,
    Takes<softshard.Files.CsvWriteOptions>,
    Takes<softshard.Losses.DistillationOptions>,
    Takes<softshard.Serving.ExportOnnxOptions>,
    Takes<softshard.Serving.ImportOptions>,
    Takes<softshard.EngineOptions>,
    Takes<softshard.ErrorDetails>,
    Takes<softshard.Training.EarlyStoppingOptions>,
    Takes<softshard.Training.EvaluateOptions>,
    Takes<softshard.Training.FitLossOptions>,
    Takes<softshard.Training.FitOptions>,
    Takes<softshard.Jobs.JobOptions>,
    Takes<softshard.Losses.GradientOptions>,
    Takes<softshard.Losses.KlDivergenceOptions>,
    Takes<softshard.Losses.LinearCrossEntropyOptions>,
    Takes<softshard.Losses.LinearInto>,
    Takes<softshard.Serving.LoadPredictorOptions>,
    Takes<softshard.Losses.LossOptions>,
    Takes<softshard.Losses.MergeOptions>,
    Takes<softshard.Metrics.MetricsAddOptions>,
    Takes<softshard.Metrics.MetricsOptions>,
    Takes<softshard.Losses.NllLossOptions>,
    Takes<softshard.Files.NpyWriterOptions>,
    Takes<softshard.Files.OpenFeaturesOptions>,
    Takes<softshard.Files.OpenNpyOptions>,
    Takes<softshard.Losses.PartOptions>,
    Takes<softshard.Training.FitManyOptions>,
    Takes<softshard.Training.HeadOptions>,
    Takes<softshard.Training.OptimizerOptions>,
    Takes<softshard.Training.PartialFitOptions>,
    Takes<softshard.Serving.PredictBatchOptions>,
    Takes<softshard.Training.PredictOptions>,
    Takes<softshard.Training.PredictLabelsOptions>,
    Takes<softshard.Training.RecordOptions>,
    Takes<softshard.Serving.PredictorOptions>,
    Takes<softshard.Training.PredictProbabilitiesOptions>,
    Takes<softshard.Losses.ProbabilityCrossEntropyOptions>,
    Takes<softshard.Files.ReadOptions>,
    Takes<softshard.Losses.RowGradientOptions>,
    Takes<softshard.Losses.RowLossOptions>,
    Takes<softshard.Losses.SoftmaxOptions>,
    Takes<softshard.Losses.RowOptions>,
    Takes<softshard.Training.ResumeOptions>,
    Takes<softshard.Training.RowTargetOptions>,
    Takes<softshard.Training.SaveOptions>,
    Takes<softshard.Training.ScheduleOptions>,
    Takes<softshard.Training.SolverOptions>,
    Takes<softshard.Losses.SquaredErrorOptions>,
    Takes<softshard.Training.EarlyStoppingOptions>,
    Takes<softshard.Training.FitManyOptions>,
    Takes<softshard.Training.HeadOptions>,
    Takes<softshard.Training.OptimizerOptions>,
    Takes<softshard.Training.PartialFitOptions>,
    Takes<softshard.Training.ScheduleOptions>,
    Takes<softshard.Training.SolverOptions>,
    Takes<softshard.Training.ValidationRows>,
    Takes<softshard.Files.WriteOptions>,
    Takes<softshard.Files.LossOfFilesOptions>,
    Takes<softshard.Files.SoftmaxOfFileOptions>,
    Takes<softshard.Files.TableWriteOptions>,
    Takes<softshard.Training.SplitOptions>,
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
    const { gradLogits } = await engine.crossEntropyGradient(logits, [0, 2]);
    await useTypes(engine, logits, gradLogits);
    logits.free();
    return data[0]! + loss + epochs.length;
  } catch (error) {
    if (error instanceof SoftshardError && error.code === 'ERR_FORMAT') return error.row ?? -1;
    throw error;
  } finally {
    await engine.close();
  }
}

type Float64 = softshard.Tensor<'float64'>;

/** Results are as precise as what they are of. */
async function useTypes(
  engine: Engine,
  logits: softshard.Matrix,
  gradient: softshard.Tensor<'float32'>,
): Promise<readonly (softshard.Matrix | softshard.Tensor<'float32'> | Float64)[]> {
  const doubles = new Float64Array(6);
  const columns = 3;
  const ofMatrix: softshard.Matrix = await engine.softmax(logits);
  const ofTensor: softshard.ArenaTensor<'float64'> = await engine.softmax(engine.tensor('float64', [2, 3]));
  const ofArray: Float64 = await engine.logSoftmax(doubles, { columns });
  const given: softshard.Matrix = await engine.softmax(gradient, { into: logits, signal: undefined });
  const bare: softshard.Tensor<'float32'> = await engine.softmax(logits, { into: new Float32Array(6) });
  const sums: Float64 = await engine.logSumExp(doubles, { columns });
  const options: softshard.Losses.CrossEntropyOptions & softshard.Losses.RowGradientOptions = { columns };
  const { gradLogits }: { gradLogits: Float64 } = await engine.crossEntropyGradient(doubles, [0, 2], options);
  const squares = await engine.meanSquaredErrorGradient(doubles, [0, 2], { columns, gradScale: undefined });
  const gradPredictions: Float64 = squares.gradPredictions;
  return [ofMatrix, ofTensor, ofArray, given, bare, sums, gradLogits, gradPredictions];
}

/** Rows that are fetched, by the bare name, by that of a type, by either type and from a class. */
export async function useSources(classifier: SoftmaxClassifier): Promise<void> {
  const size = { rows: 2, features: 3 };
  const bare: softshard.Training.FeatureSource = {
    ...size,
    type: 'float32',
    gather: (_, into) => void into.fill(1),
  };
  const floats: softshard.Training.FeatureSource<'float32'> = {
    ...size,
    type: 'float32',
    async gather(rowNumbers, into) {
      into.set(Float32Array.from(rowNumbers));
    },
  };
  class Bytes implements softshard.Training.FeatureSource<'uint8'> {
    readonly rows = 2;
    readonly features = 3;
    readonly type = 'uint8';
    gather(_: Uint32Array, into: Uint8Array): void {
      into.fill(1);
    }
  }
  const ofType = <Type extends softshard.Training.FeatureType>(
    type: Type,
  ): softshard.Training.FeatureSource<Type> => ({
    ...size,
    type,
    gather() {},
  });
  for (const source of [bare, floats, new Bytes(), ofType('uint8')]) {
    await classifier.fit(source, [0, 1], { validation: { inputs: source, targets: [0, 1] } });
    await classifier.evaluate(source, [0, 1]);
  }
  await classifier.predict(bare);
  await classifier.predictProbabilities(floats);
}

/** A server's predictions, of rows as they come. */
export async function serve(path: string, signal: AbortSignal | undefined): Promise<readonly number[]> {
  using predictor = await Predictor.load(path, { onInvalidInput: 'ignore', engine: undefined });
  const rows: readonly softshard.Serving.Row[] = [[1, 2, 3], new Uint8Array(3), Float64Array.of(1, 2, 3)];
  const classes: Int32Array = await predictor.predictBatch(rows, { signal });
  const { data }: softshard.Tensor<'float32'> = await predictor.predictBatchProbabilities(
    Float32Array.of(1, 2, 3),
  );
  const probabilities: Float32Array = predictor.predictProbabilities([1, 2, 3], data);
  const name: string | undefined = predictor.className(predictor.predict(Buffer.from([1, 2, 3])));
  return [...classes, ...probabilities, name?.length ?? -1];
}

/** The tensors of onnxruntime and of Transformers.js, as their declarations have them. */
interface OnnxElements {
  float32: Float32Array;
  uint8: Uint8Array;
  int64: BigInt64Array;
  string: string[];
  bool: Uint8Array;
  float16: Uint16Array;
  float64: Float64Array;
}
interface OnnxTensor {
  readonly dims: readonly number[];
  readonly type: keyof OnnxElements;
  readonly data: OnnxElements[keyof OnnxElements];
  readonly location: 'none' | 'cpu' | 'gpu-buffer';
  getData(releaseData?: boolean): Promise<OnnxElements[keyof OnnxElements]>;
}
interface Int64Tensor extends OnnxTensor {
  readonly type: 'int64';
  readonly data: BigInt64Array;
}
declare class TransformersTensor {
  set dims(value: number[]);
  get dims(): number[];
  get type(): keyof OnnxElements;
  get data(): Float32Array | BigInt64Array | Uint8Array | unknown[];
  tolist(): unknown[];
}

interface Track {
  readonly embedding: number[];
  readonly genre: string;
}

/** Rows and labels in every form that is taken. */
export async function useForms(
  engine: Engine,
  onnx: OnnxTensor,
  int64: Int64Tensor,
  transformers: TransformersTensor,
  cursor: AsyncIterable<Track>,
  stream: ReadableStream<Track>,
): Promise<readonly string[]> {
  const classifier = new SoftmaxClassifier(engine);
  await classifier.fit(onnx, int64);
  await classifier.fit(transformers, ['a', 'b'], { C: 1 });
  await classifier.fit([transformers, transformers], new Set(['a', 'b']));
  await classifier.fit(cursor, { label: 'genre', features: 'embedding' });
  await classifier.fit(stream, { label: 'genre', validation: { inputs: cursor } });
  await classifier.fit([[1, 2], Float32Array.of(3, 4)], [true, false]);
  await classifier.fit([Float64Array.of(1)], [10n, 20n], { sampleWeight: Uint8Array.of(1) });
  await classifier.fit(Float64Array.of(1, 2), [[0.5, 0.5]], { columns: 2 });
  await classifier.evaluate(onnx, int64, { topK: 1 });
  await engine.crossEntropy(Float32Array.of(1, 2), int64, { columns: 2 });
  // @ts-expect-error: a promise has to be awaited.
  await classifier.fit(Promise.resolve([[1]]), ['a']);
  // @ts-expect-error: a path is no rows.
  await classifier.predict('rows.csv');
  return classifier.predictLabels(cursor);
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** The options say which figures a result of fit has. */
export async function useFitResults(
  classifier: SoftmaxClassifier,
  rows: Float32Array,
  labels: readonly string[],
  options: softshard.Training.FitOptions,
  solver: { readonly C?: number | undefined; readonly tol?: number },
): Promise<number> {
  const certain = await classifier.fit(rows, labels);
  const balanced = await classifier.fit(rows, labels, {
    ...solver,
    weight: 'balanced',
    validationSplit: 0.2,
  });
  const byName: softshard.Training.WeightsByClass = { rare: 5 };
  await classifier.partialFit(rows, labels, { weight: byName });
  await classifier.evaluate(rows, labels, { weight: byName });
  const penalised = await classifier.fit(rows, labels, { l2: 0, solver: 'newton-cg' });
  const steps = await classifier.fit(rows, labels, { epochs: 3 });
  const adam = await classifier.fit(rows, labels, { solver: 'adamw' });
  const any = await classifier.fit(rows, labels, options);
  if (any.objective === undefined) any.epochs.map(({ loss }) => loss);
  else any.zeroWeights.toFixed();
  // @ts-expect-error: without a penalty nothing is certain.
  penalised.gapRelative.toFixed();
  // @ts-expect-error: training by steps has no objective.
  steps.objective.toFixed();
  // @ts-expect-error: no option is called so.
  await classifier.fit(rows, labels, { epoch: 3 });
  return (
    certain.gapRelative +
    certain.C +
    certain.accuracy +
    balanced.gap +
    penalised.objective +
    penalised.l2 +
    adam.steps
  );
}

export type FitResults = Each<
  [
    Same<softshard.Training.CertainFitResult['gapRelative'], number>,
    Same<softshard.Training.FitResult['gapRelative'], number | undefined>,
    Same<softshard.Training.StepFitResult['gapRelative'], undefined>,
  ]
>;

/** What a job gives is known from its kind. */
export async function useJobs(
  { jobs }: Engine,
  classifier: SoftmaxClassifier,
  inputs: Float32Array,
): Promise<number> {
  jobs.concurrency = 2;
  const fit = jobs.submit({
    kind: 'fit',
    classifier,
    inputs,
    targets: ['a', 'b'],
    options: { epochs: 3 },
    priority: 1,
  });
  for await (const progress of fit) if (progress.kind === 'epoch') progress.report.loss.toFixed();
  const task: softshard.Jobs.Job<number> = jobs.submit({
    kind: 'task',
    run: async ({ signal }) => Number(signal.aborted),
  });
  // @ts-expect-error: a job has a signal of its own.
  jobs.submit({ kind: 'predict', classifier, inputs, options: { signal: AbortSignal.timeout(1) } });
  const [predicted = 0] = await jobs
    .submit({ kind: 'predict', classifier, inputs, signal: undefined })
    .result();
  return predicted + (await fit.result()).majority + (await task.result());
}
