// The layout of a linear model's parameters for kernels on tiles of inputs: strips of a few classes
// (stripClasses in layout.ts), each [featureGroups][its classes][FEATURE_GROUP] with zeros beyond the last
// feature; the bias [classes] follows. Also the layout of a tile's scratch memory.

import {
  FEATURE_GROUP,
  FLOAT32_BYTES,
  FORWARD_SUMS_BYTES,
  featureGroups,
  stripClasses,
  tileStride,
} from './layout.js';
import { offsetBy, type Ptr } from './ptr.js';

export interface LinearShape {
  readonly features: number;
  readonly classes: number;
}

/** Elements of the weights in strips. */
export const stripsLength = ({ features, classes }: LinearShape): number =>
  featureGroups(features) * FEATURE_GROUP * classes;

/** Elements of weights and bias in strips. */
export const parametersInStripsLength = (shape: LinearShape): number => stripsLength(shape) + shape.classes;

/** weights [features × classes] and bias [classes] into strips [parametersInStripsLength]. */
export function packStrips(
  strips: Float32Array,
  weights: Float32Array,
  bias: Float32Array,
  shape: LinearShape,
): void {
  strips.fill(0);
  const { features, classes } = shape;
  forEachClass(shape, (column, begin, step) => {
    for (let feature = 0; feature < features; feature++) {
      strips[stripIndex(begin, step, feature)] = weights[feature * classes + column]!;
    }
  });
  strips.set(bias, stripsLength(shape));
}

/** The reverse of packStrips. */
export function unpackStrips<Floats extends Float32Array | Float64Array>(
  strips: Floats,
  weights: Floats,
  bias: Floats,
  shape: LinearShape,
): void {
  const { features, classes } = shape;
  forEachClass(shape, (column, begin, step) => {
    for (let feature = 0; feature < features; feature++) {
      weights[feature * classes + column] = strips[stripIndex(begin, step, feature)]!;
    }
  });
  bias.set(strips.subarray(stripsLength(shape), parametersInStripsLength(shape)));
}

const stripIndex = (begin: number, step: number, feature: number): number =>
  begin + Math.floor(feature / FEATURE_GROUP) * step + (feature % FEATURE_GROUP);

/** Visits each class with the place of its first group of features and the distance between its groups. */
function forEachClass(
  { features, classes }: LinearShape,
  visit: (column: number, begin: number, step: number) => void,
): void {
  const paddedFeatures = featureGroups(features) * FEATURE_GROUP;
  for (let first = 0; first < classes; ) {
    const width = stripClasses(classes - first);
    for (let i = 0; i < width; i++) {
      visit(first + i, first * paddedFeatures + i * FEATURE_GROUP, width * FEATURE_GROUP);
    }
    first += width;
  }
}

/** The addresses of a tile's scratch memory. */
export interface TileScratch {
  /** Float32 [tileRows × tileStride]. */
  readonly inputs: Ptr;
  /** FORWARD_SUMS_BYTES for tileForward. */
  readonly sums: Ptr;
  /** Float32 [tileRows × classes]. */
  readonly logits: Ptr;
  /** Int32 [tileRows]. */
  readonly targets: Ptr;
  readonly end: Ptr;
}

/** `scratch` is aligned to a cache line, and so are the inputs' rows. */
export function tileScratch(scratch: Ptr, tileRows: number, { features, classes }: LinearShape): TileScratch {
  const sums = offsetBy(scratch, tileRows * tileStride(features) * FLOAT32_BYTES);
  const logits = offsetBy(sums, FORWARD_SUMS_BYTES);
  const targets = offsetBy(logits, tileRows * classes * FLOAT32_BYTES);
  return { inputs: scratch, sums, logits, targets, end: offsetBy(targets, tileRows * FLOAT32_BYTES) };
}
