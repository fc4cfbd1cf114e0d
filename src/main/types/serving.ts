// What predictors and exports take and give, as users name it: Serving.PredictorOptions.
export type { PredictorModel } from '../models/checked-model.js';
export type { ModelCard } from '../models/export/model-card.js';
export type { ExportOnnxOptions } from '../models/export/onnx.js';
export type { ImportOptions } from '../models/import/sklearn.js';
export type { LoadPredictorOptions, PredictBatchOptions, PredictorOptions } from '../serving/predictor.js';
export type { Float16Elements, Row, RowElements, Rows } from '../serving/rows.js';
