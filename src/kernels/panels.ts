// The layout of a linear model's parameters while kernels work on them: panels of panelWidth classes (layout.ts),
// [panels][features][panelWidth], the last padded with zeros; the bias [panels · panelWidth] follows. For a BLAS all is one
// panel of paddedClasses: [features × paddedClasses].
import { paddedClasses, panelWidth } from './layout.js';
import type { LinearShape } from './strips.js';

/** Elements of the weights in panels. */
export const packedWeightsLength = ({ features, classes }: LinearShape): number =>
  features * paddedClasses(classes);

/** Elements of weights and bias in panels. */
export const packedLength = ({ features, classes }: LinearShape): number =>
  (features + 1) * paddedClasses(classes);

/** weights [features × classes] and bias [classes] into packed [packedLength], padding included. */
export function packParameters(
  packed: Float32Array,
  weights: Float32Array,
  bias: Float32Array,
  shape: LinearShape,
  width = panelWidth(shape.classes),
): void {
  packed.fill(0);
  forEachRun(shape, width, (feature, classBegin, classEnd, at) => {
    const row = feature * shape.classes;
    packed.set(weights.subarray(row + classBegin, row + classEnd), at);
  });
  packed.set(bias, packedWeightsLength(shape));
}

/** The reverse of packParameters. */
export function unpackParameters<Floats extends Float32Array | Float64Array>(
  packed: Floats,
  weights: Floats,
  bias: Floats,
  shape: LinearShape,
  width = panelWidth(shape.classes),
): void {
  forEachRun(shape, width, (feature, classBegin, classEnd, at) => {
    weights.set(packed.subarray(at, at + classEnd - classBegin), feature * shape.classes + classBegin);
  });
  const biasBegin = packedWeightsLength(shape);
  bias.set(packed.subarray(biasBegin, biasBegin + shape.classes));
}

/** Visits the stretches of a weights row that lie together in a panel. */
function forEachRun(
  { features, classes }: LinearShape,
  width: number,
  visit: (feature: number, classBegin: number, classEnd: number, packedAt: number) => void,
): void {
  for (let classBegin = 0, panel = 0; classBegin < classes; classBegin += width, panel++) {
    const classEnd = Math.min(classes, classBegin + width);
    for (let feature = 0; feature < features; feature++) {
      visit(feature, classBegin, classEnd, (panel * features + feature) * width);
    }
  }
}
