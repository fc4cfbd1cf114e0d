// A model as an ONNX file: [Sub →] Gemm → Softmax, and ArgMax for the label; or ai.onnx.ml's LinearClassifier, whose labels may
// be strings. Source of field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

import { SoftshardError } from '../../../errors.js';
import { FLOAT32_BYTES } from '../../../kernels/layout.js';
import { checkBoolean, checkOptionNames, checkPath, checkSignal } from '../../checks.js';
import { type WriteOptions, writeFileAtomically } from '../../outputs/write-atomically.js';
import { version } from '../../version.js';
import { checkModel, type PredictorModel } from '../checked-model.js';
import type { LinearModel } from '../linear-model.js';
import { perFeature, shifts } from './folded-scaling.js';
import { indicesOf, int64Bytes, type Labels, labelsOf } from './labels.js';
import { MAX_MESSAGE_BYTES, Message } from './protobuf.js';

export interface ExportOnnxOptions extends WriteOptions {
  /** One LinearClassifier of ai.onnx.ml, whose label is the class name; default false: standard operators alone. */
  ml?: boolean | undefined;
}

/**
 * What every version of ONNX Runtime from 1.15 on reads, and most other runtimes: operators as of ONNX 1.8, the file format of
 * 1.10. Raised when an operator needs it.
 */
const IR_VERSION = 8;
const OPSET_VERSION = 13;
const ML_OPSET_VERSION = 1;
const ML_DOMAIN = 'ai.onnx.ml';

const FLOAT = 1;
const INT64 = 7;
const STRING = 8;
/** Of attributes, in another numbering. */
const ATTRIBUTE = { int: 2, string: 3, floats: 6, ints: 7, strings: 8 } as const;

type CheckedModel = LinearModel & PredictorModel;

/**
 * Writes a model to an ONNX file, atomically. Input `inputs` float32 [rows × features], unscaled; outputs `label` [rows] and
 * `probabilities` float32 [rows × classes]. The label is the name of the class as int64 where all names are whole numbers, else its
 * index, or with `ml` its name. Throws ERR_FORMAT beyond protobuf's 2 GiB, ERR_FILE, and as Predictor for a model that is none;
 * rejects with signal.reason when aborted.
 */
export async function exportOnnx(
  model: PredictorModel,
  path: string,
  options: ExportOnnxOptions = {},
): Promise<void> {
  checkOptionNames('options', options, ['ml', 'signal']);
  checkPath(path);
  const signal = checkSignal('options.signal', options.signal);
  const given = checkModel(model);
  const checked = { ...given, bias: given.bias.slice() };
  const bytes = checked.weights.byteLength;
  if (bytes > MAX_MESSAGE_BYTES) throw tooLarge(path, bytes);
  const message = modelMessage(checked, checkBoolean('options.ml', options.ml ?? false));
  if (message.byteLength > MAX_MESSAGE_BYTES) throw tooLarge(path, message.byteLength);
  await writeFileAtomically(path, (write) => message.writeTo(write), signal);
}

function tooLarge(path: string, bytes: number): SoftshardError {
  const message = `${path}: an ONNX file has at most ${MAX_MESSAGE_BYTES} bytes, and this model takes ${bytes}: leave features or classes out, or read the model file itself (safetensors)`;
  return new SoftshardError('ERR_FORMAT', message, { argument: 'model', value: bytes });
}

function modelMessage(model: CheckedModel, ml: boolean): Message {
  const message = new Message()
    .integer(1, IR_VERSION)
    .string(2, 'softshard')
    .string(3, version)
    .message(7, graphOf(model, ml))
    .message(8, new Message().string(1, '').integer(2, OPSET_VERSION));
  if (ml) message.message(8, new Message().string(1, ML_DOMAIN).integer(2, ML_OPSET_VERSION));
  for (const [key, value] of Object.entries(metadataOf(model))) {
    message.message(14, new Message().string(1, key).string(2, value));
  }
  return message;
}

/** For programs; strings only, with JSON in them as in a model file. */
const metadataOf = ({ classNames, featureNames, temperature = 1 }: CheckedModel) => ({
  ...(classNames && { classNames: JSON.stringify(classNames) }),
  ...(featureNames && { featureNames: JSON.stringify(featureNames) }),
  ...(temperature !== 1 && { temperature: String(temperature) }),
});

function graphOf(model: CheckedModel, ml: boolean): Message {
  const { features, classes, classNames, featureScaling } = model;
  const labels = labelsOf(classNames, classes);
  const graph = new Message();
  let rows = 'inputs';
  if (featureScaling !== undefined && shifts(featureScaling)) {
    // A node of its own: folded into the bias it would cost digits wherever a mean is larger than the deviation.
    graph.message(1, node('Sub', [rows, 'shift'], ['shifted']));
    graph.message(5, tensor('shift', [features], perFeature(featureScaling.shift, features)));
    rows = 'shifted';
  }
  const weights = scaledWeights(model);
  if (ml) addClassifier(graph, model, rows, weights, labels);
  else addProduct(graph, model, rows, weights, labels);
  return graph
    .string(2, 'softmax_classifier')
    .message(11, valueInfo('inputs', FLOAT, features))
    .message(12, valueInfo('label', ml && labels.kind === 'names' ? STRING : INT64))
    .message(12, valueInfo('probabilities', FLOAT, classes));
}

/** Standard operators alone. */
function addProduct(
  graph: Message,
  { features, classes, bias }: CheckedModel,
  rows: string,
  weights: Float32Array,
  labels: Labels,
): void {
  const numbers = labels.kind === 'numbers' ? labels.values : indicesOf(classes);
  const isIndex = numbers.every((number, index) => number === index);
  graph
    .message(1, node('Gemm', [rows, 'weights', 'bias'], ['logits']))
    .message(1, node('Softmax', ['logits'], ['probabilities'], [integerAttribute('axis', 1)]))
    // Of the logits: probabilities may round to a tie. Of equals the lowest class.
    .message(
      1,
      node(
        'ArgMax',
        ['logits'],
        [isIndex ? 'label' : 'index'],
        [integerAttribute('axis', 1), integerAttribute('keepdims', 0)],
      ),
    )
    .message(5, tensor('weights', [features, classes], weights))
    .message(5, tensor('bias', [classes], bias));
  if (isIndex) return;
  graph
    .message(1, node('Gather', ['labels', 'index'], ['label']))
    .message(5, rawTensor('labels', [classes], INT64, int64Bytes(numbers)));
}

function addClassifier(
  graph: Message,
  { features, classes, bias }: CheckedModel,
  rows: string,
  weights: Float32Array,
  labels: Labels,
): void {
  const coefficients = new Float32Array(weights.length);
  for (let feature = 0; feature < features; feature++) {
    for (let index = 0; index < classes; index++) {
      coefficients[index * features + feature] = weights[feature * classes + index]!;
    }
  }
  const attributes = [
    floatsAttribute('coefficients', coefficients),
    floatsAttribute('intercepts', bias),
    stringAttribute('post_transform', 'SOFTMAX'),
    labels.kind === 'names'
      ? stringsAttribute('classlabels_strings', labels.values)
      : integersAttribute('classlabels_ints', labels.values),
  ];
  graph.message(1, node('LinearClassifier', [rows], ['label', 'probabilities'], attributes, ML_DOMAIN));
}

/** weights · scale, each rounded once; a copy, as training may go on meanwhile. */
function scaledWeights({ weights, features, classes, featureScaling }: CheckedModel): Float32Array {
  if (featureScaling === undefined) return weights.slice();
  const scales = perFeature(featureScaling.scale, features);
  return weights.map((weight, i) => weight * scales[Math.floor(i / classes)]!);
}

function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly Message[] = [],
  domain?: string,
): Message {
  const message = new Message();
  for (const name of inputs) message.string(1, name);
  for (const name of outputs) message.string(2, name);
  message.string(3, operator).string(4, operator);
  for (const attribute of attributes) message.message(5, attribute);
  if (domain !== undefined) message.string(7, domain);
  return message;
}

const attribute = (name: string, type: number): Message => new Message().string(1, name).integer(20, type);

const integerAttribute = (name: string, value: number): Message =>
  attribute(name, ATTRIBUTE.int).integer(3, value);

const stringAttribute = (name: string, value: string): Message =>
  attribute(name, ATTRIBUTE.string).string(4, value);

const floatsAttribute = (name: string, values: Float32Array): Message =>
  attribute(name, ATTRIBUTE.floats).bytes(7, bytesOf(values));

function integersAttribute(name: string, values: readonly number[]): Message {
  const message = attribute(name, ATTRIBUTE.ints);
  for (const value of values) message.integer(8, value);
  return message;
}

function stringsAttribute(name: string, values: readonly string[]): Message {
  const message = attribute(name, ATTRIBUTE.strings);
  for (const value of values) message.string(9, value);
  return message;
}

const tensor = (name: string, dims: readonly number[], values: Float32Array): Message =>
  rawTensor(name, dims, FLOAT, bytesOf(values));

function rawTensor(name: string, dims: readonly number[], type: number, bytes: Uint8Array): Message {
  const message = new Message();
  for (const dim of dims) message.integer(1, dim);
  return message.integer(2, type).string(8, name).bytes(9, bytes);
}

/** Of any number of rows, [rows × columns] or [rows]. */
function valueInfo(name: string, type: number, columns?: number): Message {
  const shape = new Message().message(1, new Message().string(2, 'rows'));
  if (columns !== undefined) shape.message(1, new Message().integer(1, columns));
  const tensorType = new Message().integer(1, type).message(2, shape);
  return new Message().string(1, name).message(2, new Message().message(1, tensorType));
}

/** The host's float32 is little-endian, as WebAssembly's memory is. */
const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.length * FLOAT32_BYTES);
