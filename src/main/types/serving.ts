// What a predictor takes, as users name it: Serving.PredictorOptions.
export type { PredictorModel } from '../models/checked-model.js';
export type { LoadPredictorOptions, PredictBatchOptions, PredictorOptions } from '../serving/predictor.js';
export type { Float16Elements, Row, RowElements, Rows } from '../serving/rows.js';
