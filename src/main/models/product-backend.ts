// What computes a linear model's products, the kernels or a BLAS, and the tiles of rows that prediction cuts for it.
import type { LinearShape } from '../../kernels/strips.js';
import type { Resources } from '../dispatch/resources.js';
import { isForBlas, planBlasTile, planTile, type TilePlan } from '../plans/tiles.js';

/** Whether a BLAS computes the model's products. */
export const usesBlas = ({ blas }: Resources, { classes }: LinearShape): boolean =>
  blas !== undefined && isForBlas(classes);

export const tileOf = (resources: Resources, shape: LinearShape): TilePlan =>
  usesBlas(resources, shape) ? planBlasTile(shape) : planTile(shape);
