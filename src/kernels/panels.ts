// The layout of a linear model's parameters while kernels work on them: panels of panelWidth classes (layout.ts),
// [panels][features][panelWidth], the last padded with zeros; the bias [panels · panelWidth] follows.
import type { Ptr } from './kernels.js';
import { ALIGNMENT_BYTES, linearScratchBytes, paddedClasses, panelWidth } from './layout.js';

const INT32_BYTES = 4;

export interface PanelShape {
  readonly features: number;
  readonly classes: number;
}

/** Elements of the weights in panels. */
export const packedWeightsLength = ({ features, classes }: PanelShape): number =>
  features * paddedClasses(classes);

/** Elements of weights and bias in panels. */
export const packedLength = ({ features, classes }: PanelShape): number =>
  (features + 1) * paddedClasses(classes);

/** weights [features × classes] and bias [classes] into packed [packedLength], padding included. */
export function packParameters(
  packed: Float32Array,
  weights: Float32Array,
  bias: Float32Array,
  shape: PanelShape,
): void {
  packed.fill(0);
  forEachRun(shape, (feature, classBegin, classEnd, at) => {
    const row = feature * shape.classes;
    packed.set(weights.subarray(row + classBegin, row + classEnd), at);
  });
  packed.set(bias, packedWeightsLength(shape));
}

/** The reverse of packParameters. */
export function unpackParameters(
  packed: Float32Array,
  weights: Float32Array,
  bias: Float32Array,
  shape: PanelShape,
): void {
  forEachRun(shape, (feature, classBegin, classEnd, at) => {
    weights.set(packed.subarray(at, at + classEnd - classBegin), feature * shape.classes + classBegin);
  });
  const biasBegin = packedWeightsLength(shape);
  bias.set(packed.subarray(biasBegin, biasBegin + shape.classes));
}

/** Visits the stretches of a weights row that lie together in a panel. */
function forEachRun(
  { features, classes }: PanelShape,
  visit: (feature: number, classBegin: number, classEnd: number, packedAt: number) => void,
): void {
  const width = panelWidth(classes);
  for (let classBegin = 0, panel = 0; classBegin < classes; classBegin += width, panel++) {
    const classEnd = Math.min(classes, classBegin + width);
    for (let feature = 0; feature < features; feature++) {
      visit(feature, classBegin, classEnd, (panel * features + feature) * width);
    }
  }
}

/** Where the pieces of a tile's scratch memory lie. */
export interface TileScratch {
  /** Float32 [tileRows × paddedClasses]. */
  readonly logits: Ptr;
  /** Uint32 [tileRows], as gatherRows fills it. */
  readonly rowPtrs: Ptr;
  /** Int32 [tileRows]. */
  readonly tileTargets: Ptr;
  /** For linearForward and linearBackward. */
  readonly products: Ptr;
  readonly end: Ptr;
}

export function tileScratch(scratch: Ptr, tileRows: number, classes: number): TileScratch {
  const rowPtrs = scratch + tileRows * paddedClasses(classes) * INT32_BYTES;
  const tileTargets = rowPtrs + tileRows * INT32_BYTES;
  const products = alignedUp(tileTargets + tileRows * INT32_BYTES);
  const end = alignedUp(products + linearScratchBytes(classes));
  return { logits: scratch, rowPtrs, tileTargets, products, end };
}

/** Vectors of panels should not straddle cache lines. */
const alignedUp = (ptr: Ptr): Ptr => Math.ceil(ptr / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
